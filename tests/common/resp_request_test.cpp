// The RESP2 request parser of common/resp: what is read, what is refused in which words, each limit, and that
// the cutting of the bytes changes nothing. What is expected here is what redis-server 7.0.15 does.
#include "resp_request_rules.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <new>
#include <string>

using namespace std::literals;

namespace {

std::size_t allocations = 0;

// The requests in the bytes, and the error that ends them. Every example is also checked against the rules,
// which cut it at every byte.
std::string story(std::string_view bytes, const resp::Limits& limits = {}) {
    CHECK(resp_rules::broken_rule(bytes, limits) == "");
    resp_rules::Connection connection(limits);
    connection.receive(bytes);
    return connection.story();
}

// Without the rules, whose time grows with the square of the size.
std::string story_of_large(std::string_view bytes, std::size_t piece, const resp::Limits& limits = {}) {
    resp::RequestParser parser(limits);
    for (auto size = piece; size < bytes.size(); size += piece) {
        const auto parsed = parser.parse(bytes.substr(0, size));
        if (const auto* bad = std::get_if<resp::Bad>(&parsed)) return std::string(bad->message);
        CHECK(std::holds_alternative<resp::Incomplete>(parsed));
    }
    const auto parsed = parser.parse(bytes);
    if (const auto* bad = std::get_if<resp::Bad>(&parsed)) return std::string(bad->message);
    const auto* request = std::get_if<resp::Request>(&parsed);
    return request ? "request of " + std::to_string(request->arguments.size()) : "incomplete";
}

std::string bad(std::string_view message) { return "bad: ERR Protocol error: " + std::string(message); }

const auto ping = "*1\r\n$4\r\nPING\r\n"s;

}  // namespace

void* operator new(std::size_t bytes) {
    ++allocations;
    if (void* block = std::malloc(bytes)) return block;
    throw std::bad_alloc();
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }

TEST_CASE("arrays of bulk strings are read, whatever bytes they hold") {
    CHECK(story(ping) == "(4:PING )");
    CHECK(story("*3\r\n$3\r\nSET\r\n$0\r\n\r\n$5\r\n\0\r\n*$\r\n"sv) == "(3:SET 0: 5:\0\r\n*$ )"s);
    CHECK(story("*1\r\n$4\r\nPI") == "");
}

TEST_CASE("inline commands are split at blanks") {
    CHECK(story("PING\r\n") == "(4:PING )");
    CHECK(story("PING\n") == "(4:PING )");
    CHECK(story(" \t SET  a\tb \r\n") == "(3:SET 1:a 1:b )");
    CHECK(story("PING\rx\r\n") == "(4:PING 1:x )");
    CHECK(story("PING\r\r\n") == "(4:PING )");
    CHECK(story("ECHO a\vb\r\n") == "(4:ECHO 3:a\vb )");
    CHECK(story("ECHO \v\fa\r\n") == "(4:ECHO 1:a )");
}

TEST_CASE("inline commands may quote") {
    CHECK(story("\"PING\"\r\n") == "(4:PING )");
    CHECK(story("ECHO \"\" ''\r\n") == "(4:ECHO 0: 0: )");
    CHECK(story("ECHO \"a b\"\r\n") == "(4:ECHO 3:a b )");
    CHECK(story("ECHO a\"b c\"\r\n") == "(4:ECHO 4:ab c )");
    CHECK(story("ECHO 'a\\'b\\n'\r\n") == "(4:ECHO 5:a'b\\n )");
    CHECK(story(R"(ECHO "\x41\n\r\t\b\a\q\\\"")"
                "\r\n") == "(4:ECHO 9:A\n\r\t\b\aq\\\" )");
    CHECK(story("ECHO \"\\x0\\xfg\\xzz\\x00\\xFf\"\r\n") == "(4:ECHO 10:x0xfgxzz\0\xff )"s);
}

TEST_CASE("quotes must be balanced, and end their word") {
    for (const auto line : {"ECHO \"a\r\n", "ECHO 'a\r\n", "ECHO \"a\"b\r\n", "ECHO 'a'b\r\n",
                            "ECHO \"a\\\"\r\n", "ECHO 'a\\'\r\n", "ECHO \"a\"'b'\r\n", "\"\n"})
        CHECK(story(line) == bad("unbalanced quotes in request"));
}

TEST_CASE("empty lines and arrays ask for nothing") {
    CHECK(story("\r\nPING\r\n") == "()(4:PING )");
    CHECK(story("\n\n \r\n" + ping) == "()()()(4:PING )");
    CHECK(story("*0\r\n*-1\r\n*-5\r\n" + ping) == "()()()(4:PING )");
}

TEST_CASE("requests that are pipelined are read one after the other, until one is malformed") {
    CHECK(story(ping + "GET a\r\n" + ping + "*2\r\n$3\r\nGET\r\n$1\r\nb\r\n*1\r\n$4\r\nPIN") ==
          "(4:PING )(3:GET 1:a )(4:PING )(3:GET 1:b )");
    CHECK(story(ping + "*1\r\n:4\r\nPING\r\n" + ping) == "(4:PING )" + bad("expected '$', got ':'"));
}

TEST_CASE("a length is a plain decimal number") {
    for (const auto length : {"a", "", "01", " 1", "+1", "-0", "1 ", "0x1", "-", "--1", "1.0", "2147483648",
                              "9223372036854775808", "18446744073709551617", "1048577"})
        CHECK(story("*" + std::string(length) + "\r\n" + ping) == bad("invalid multibulk length"));
    for (const auto length : {"a", "", "-1", "-0", "01", "+4", " 4", "4 ", "536870913", "9223372036854775807",
                              "9223372036854775808"})
        CHECK(story("*1\r\n$" + std::string(length) + "\r\nPING\r\n") == bad("invalid bulk length"));
}

TEST_CASE("an array holds bulk strings only") {
    CHECK(story("*1\r\nx4\r\nPING\r\n") == bad("expected '$', got 'x'"));
    CHECK(story("*2\r\n$4\r\nPING\r\n*1\r\n") == bad("expected '$', got '*'"));
    CHECK(story("*1\r\n\xff\r\n") == bad("expected '$', got '\xff'"));
    CHECK(story("*1\r\n\r\n") == bad("expected '$', got '\r'"));  // append_error() makes a blank of it
    CHECK(story("*1\r\nx") == "");
}

TEST_CASE("what stands where a line feed must be is not looked at") {
    CHECK(story("*1\rx$4\rxPINGxx" + ping) == "(4:PING )(4:PING )");
    CHECK(story("*2\r\n$4\r\nECHO\r\n$3\r\nabcdePING\r\n") == "(4:ECHO 3:abc )(4:PING )");
}

TEST_CASE("a line with a NUL in it has no end") {
    const resp::Limits limits{.line_bytes_max = 16};
    CHECK(story("PI\0NG\r\n"sv, limits) == "");
    CHECK(story("*1\0\r\n$4\r\nPING\r\n12"sv, limits) == bad("too big mbulk count string"));
    CHECK(story("*1\r\n$4\0\r\nPING\r\n12345678"sv, limits) == bad("too big bulk count string"));
    CHECK(story("*1\r\n\0\r\n"sv, limits) == "");
    CHECK(story("\0"s + ping + "PING\r\n"s, limits) == bad("too big inline request"));
}

TEST_CASE("a line as long as its limit passes, one byte more is refused even before its end") {
    const resp::Limits limits{.line_bytes_max = 10};
    CHECK(story("PING 67890\n" + ping, limits) == "(4:PING 5:67890 )(4:PING )");
    CHECK(story("PING 6789\r\n", limits) == "(4:PING 4:6789 )");
    CHECK(story("PING 67890", limits) == "");
    CHECK(story("PING 678901", limits) == bad("too big inline request"));
    CHECK(story("PING 678901\n", limits) == bad("too big inline request"));
    CHECK(story("*123456789", limits) == "");
    CHECK(story("*1234567890", limits) == bad("too big mbulk count string"));
    CHECK(story("*1\r\n$123456789", limits) == "");
    CHECK(story("*1\r\n$1234567890", limits) == bad("too big bulk count string"));
}

TEST_CASE("the limits, unless told otherwise, are those of Redis") {
    const std::string digits(65536, '1');
    CHECK(story_of_large(digits, 4096) == "incomplete");
    CHECK(story_of_large(digits + "1", 4096) == "ERR Protocol error: too big inline request");
    CHECK(story_of_large("*" + digits, 4096) == "ERR Protocol error: too big mbulk count string");
    CHECK(story_of_large("*1\r\n$" + digits, 4096) == "ERR Protocol error: too big bulk count string");
    CHECK(story_of_large("*1048576\r\n", 4096) == "incomplete");
    CHECK(story_of_large("*1\r\n$536870912\r\n", 4096) == "incomplete");
}

TEST_CASE("arrays and bulk strings have limits of their own") {
    const resp::Limits limits{.arguments_max = 2, .bulk_bytes_max = 4};
    CHECK(story("*2\r\n$4\r\nPING\r\n$0\r\n\r\n", limits) == "(4:PING 0: )");
    CHECK(story("*3\r\n", limits) == bad("invalid multibulk length"));
    CHECK(story("*1\r\n$5\r\n", limits) == bad("invalid bulk length"));
}

TEST_CASE("an unfinished request says how long it must become") {
    resp::RequestParser parser;
    const auto wanted = [&parser](std::string_view bytes) {
        return std::get<resp::Incomplete>(parser.parse(bytes)).request_bytes_min;
    };
    CHECK(wanted("") == 1);
    CHECK(wanted("*2\r\n") == 5);
    CHECK(wanted("*2\r\n$1000\r") == 11);
    CHECK(wanted("*2\r\n$1000\r\n12") == 11 + 1000 + 2);
}

TEST_CASE("what was understood is not read again") {
    resp::RequestParser parser;
    const auto bytes = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1000\r\n"s + std::string(500, 'v');
    CHECK(std::holds_alternative<resp::Incomplete>(parser.parse(bytes)));
    // Whoever looked at the old bytes again would refuse them now. The first one says which kind it is.
    const auto spoilt = "*" + std::string(bytes.size() - 1, '#');
    CHECK(std::holds_alternative<resp::Incomplete>(parser.parse(spoilt)));
    const auto whole = spoilt + std::string(500, 'w') + "\r\n";
    const auto parsed = parser.parse(whole);
    const auto* request = std::get_if<resp::Request>(&parsed);
    REQUIRE(request);
    CHECK(request->arguments[0] == "###");
    CHECK(request->arguments[2] == std::string(500, '#') + std::string(500, 'w'));
    CHECK(request->consumed == whole.size());
}

TEST_CASE("an unfinished line is not searched again") {
    resp::RequestParser parser;
    CHECK(std::holds_alternative<resp::Incomplete>(parser.parse("PING a")));
    CHECK(std::holds_alternative<resp::Incomplete>(parser.parse("\n\n\n\n\n\nb")));
    CHECK(std::holds_alternative<resp::Request>(parser.parse("PING ab\r\n")));
}

TEST_CASE("the arguments of an array are the received bytes themselves") {
    resp::RequestParser parser;
    const auto bytes = "*2\r\n$4\r\nECHO\r\n$3\r\nabc\r\n"s;
    const auto parsed = parser.parse(bytes);
    const auto request = std::get<resp::Request>(parsed);
    CHECK(request.arguments[1].data() == bytes.data() + bytes.find("abc"));
}

TEST_CASE("parsing allocates nothing once the parser has seen a request like it") {
    resp::RequestParser parser;
    const auto bytes = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$3\r\nabc\r\n"s;
    const auto line = "SET a \"abc and more than a short string holds\"\r\n"s;
    (void)parser.parse(bytes);
    (void)parser.parse(line);
    const auto before = allocations;
    for (const auto* each : {&bytes, &line, &bytes}) {
        const auto parsed = parser.parse(*each);
        CHECK(std::get<resp::Request>(parsed).arguments.size() == 3);
    }
    CHECK(allocations == before);
}

TEST_CASE("a million arguments in small pieces are read in one pass") {
    std::string bytes = "*1048576\r\n";
    for (int i = 0; i < 1048576; ++i) bytes += "$1\r\na\r\n";
    CHECK(story_of_large(bytes, 1500) == "request of 1048576");
}

// The HTTP request parser of common/http: what is read, what is refused and why, each limit, and that neither
// the cutting of the bytes nor the pipelining of requests changes an outcome.
#include "http/request.hpp"
#include "http_request_rules.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <new>
#include <string>

using namespace std::literals;

namespace {

std::size_t allocations = 0;

// Every example is also checked against the rules, which cut it at every byte.
http::Parsed judge(std::string_view bytes, const http::Limits& limits = {}) {
    CHECK(http_rules::broken_rule(bytes, limits) == "");
    return http::parse(bytes, limits);
}

http::Request accepted(std::string_view bytes, const http::Limits& limits = {}) {
    const auto parsed = judge(bytes, limits);
    REQUIRE(http_rules::describe(parsed).starts_with("request"));
    return std::get<http::Request>(parsed);
}

// 0: incomplete, 200: a request.
int status(std::string_view bytes, const http::Limits& limits = {}) {
    const auto parsed = judge(bytes, limits);
    if (const auto* bad = std::get_if<http::Bad>(&parsed)) return bad->status;
    return std::holds_alternative<http::Request>(parsed) ? 200 : 0;
}

std::string with_headers(std::string_view headers) {
    return "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(headers) + "\r\n";
}

std::string with_target(std::string_view target) {
    return "GET " + std::string(target) + " HTTP/1.1\r\nHost: a\r\n\r\n";
}

}  // namespace

void* operator new(std::size_t bytes) {
    ++allocations;
    if (void* block = std::malloc(bytes)) return block;
    throw std::bad_alloc();
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }

TEST_CASE("a request is read in full") {
    const auto bytes = "GET /json?a=%20b HTTP/1.1\r\nHost: localhost:80\r\nAccept: */*\r\n\r\n"s;
    const auto request = accepted(bytes);
    CHECK(request.method == "GET");
    CHECK(request.target == "/json?a=%20b");
    CHECK(request.path == "/json");
    CHECK(request.version_minor == 1);
    CHECK(request.keep_alive);
    CHECK_FALSE(request.expects_continue);
    CHECK(request.body_bytes == 0);
    CHECK(request.consumed == bytes.size());
}

TEST_CASE("headers are found in any case, without the blanks around their values") {
    const auto bytes =
        with_headers("X-One: \t 1 and\t2 \t\r\nx-empty:\r\nX-BLANK:  \r\nx-one: again\r\nX-Raw:\xff\r\n");
    const auto request = accepted(bytes);
    CHECK(request.header("x-ONE") == "1 and\t2");
    CHECK(request.header("X-Empty") == "");
    CHECK(request.header("x-blank") == "");
    CHECK(request.header("x-raw") == "\xff");
    CHECK(request.header("x-on") == std::nullopt);

    auto rest = request.header_lines;
    std::string names;
    while (const auto header = http::pop_header(rest)) names.append(header->name).append(" ");
    CHECK(names == "Host X-One x-empty X-BLANK x-one X-Raw ");
}

TEST_CASE("every character of a token may stand in a method and in a header name") {
    const auto request =
        accepted("!#$%&'*+-.^_`|~09azAZ / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~09azAZ: 1\r\n\r\n");
    CHECK(request.method == "!#$%&'*+-.^_`|~09azAZ");
    CHECK(request.header("!#$%&'*+-.^_`|~09azAZ") == "1");
}

TEST_CASE("each form of target gives its path") {
    const auto path_of = [](std::string_view target) {
        const auto bytes = with_target(target);
        return std::string(accepted(bytes).path);
    };
    CHECK(path_of("/") == "/");
    CHECK(path_of("/a/b;c=1,2(3)'!*$&+:@-._~%7E?d/?e") == "/a/b;c=1,2(3)'!*$&+:@-._~%7E");
    CHECK(path_of("/?") == "/");
    CHECK(path_of("//a") == "//a");
    CHECK(path_of("/%4a") == "/%4a");
    CHECK(path_of("http://a.example/b?c") == "/b");
    CHECK(path_of("HTTPS://[::1]:8080/b") == "/b");
    CHECK(path_of("http://a:?b/c") == "/");
    CHECK(path_of("http://a") == "/");
    CHECK(accepted("OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n").path == "*");
    CHECK(accepted("OPTIONS /a HTTP/1.1\r\nHost:\r\n\r\n").path == "/a");
}

TEST_CASE("the version and the Connection header decide whether the connection stays open") {
    const auto stays = [](std::string_view version, std::string_view headers) {
        return accepted("GET / HTTP/" + std::string(version) + "\r\nHost: a\r\n" + std::string(headers) +
                        "\r\n")
            .keep_alive;
    };
    CHECK(stays("1.1", ""));
    CHECK(stays("1.1", "Connection: keep-alive\r\n"));
    CHECK(stays("1.1", "Connection: closed, not-close\r\n"));
    CHECK_FALSE(stays("1.1", "Connection: close\r\n"));
    CHECK_FALSE(stays("1.1", "connection: Upgrade,\t ,CLOSE ,\r\n"));
    CHECK_FALSE(stays("1.1", "Connection: close\r\nConnection: keep-alive\r\n"));
    CHECK_FALSE(stays("1.0", ""));
    CHECK(stays("1.0", "Connection: te, Keep-Alive\r\n"));
    CHECK_FALSE(stays("1.0", "Connection: keep-alive, close\r\n"));
    CHECK(stays("1.7", ""));
}

TEST_CASE("HTTP/1.0 needs no Host, and a minor version above 1 is served as 1") {
    CHECK(accepted("GET / HTTP/1.0\r\n\r\n").version_minor == 0);
    CHECK(accepted("GET / HTTP/1.9\r\nHost: a\r\n\r\n").version_minor == 1);
}

TEST_CASE("a Host is a name or an address, with or without a port") {
    for (const auto host : {"", "a", "a.example", "a.example:80", "a:", "127.0.0.1:8080", "[::1]",
                            "[::ffff:1.2.3.4]:1", "%41_b", ":1"}) {
        CAPTURE(host);
        CHECK(status("GET / HTTP/1.1\r\nHost: " + std::string(host) + " \r\n\r\n") == 200);
    }
    for (const auto host :
         {"a b", "a:b", "a:1:2", "a/b", "u@a", "[::1", "[]", "::1", "[g]", "[::1]1", "%4", "%zz", "a\""}) {
        CAPTURE(host);
        CHECK(status("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n") == 400);
    }
}

TEST_CASE("a body is announced, and the next request stands behind it") {
    const auto bytes =
        "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"s;
    const auto post = accepted(bytes);
    CHECK(post.body_bytes == 5);
    CHECK(bytes.substr(post.consumed, post.body_bytes) == "hello");
    CHECK(accepted(std::string_view(bytes).substr(post.consumed + post.body_bytes)).path == "/2");
    CHECK(accepted(with_headers("Content-Length: 7\r\ncontent-length: 007\r\n")).body_bytes == 7);
}

TEST_CASE("a client of HTTP/1.1 may wait for leave to send its body") {
    CHECK(accepted(with_headers("Expect: 100-Continue\r\nContent-Length: 1\r\n")).expects_continue);
    CHECK_FALSE(accepted(with_headers("Expect: a-cake\r\n")).expects_continue);
    CHECK_FALSE(accepted("PUT / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expects_continue);
}

TEST_CASE("pipelined requests are found one after the other") {
    const auto one = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"s;
    const auto bytes = one + "\r\nHEAD /2 HTTP/1.1\r\nHost: a\r\n\r\n" + "GET /3 HTTP/1.0\r\n\r\n" + "GET /4";
    std::string_view rest = bytes;
    std::string seen;
    for (auto parsed = http::parse(rest); std::holds_alternative<http::Request>(parsed);
         parsed = http::parse(rest)) {
        const auto request = std::get<http::Request>(parsed);
        seen.append(request.method).append(request.path).append(" ");
        rest.remove_prefix(request.consumed);
        CHECK(http_rules::broken_rule(rest) == "");
    }
    CHECK(seen == "GET/1 HEAD/2 GET/3 ");
    CHECK(rest == "GET /4");
    CHECK(status(rest) == 0);
}

TEST_CASE("a request that has not ended is incomplete, whatever its last line may become") {
    for (const auto bytes :
         {"", "\r", "\r\n", "G", "\x01", "GET / HTTP/1.1", "GET / HTTP/1.1\r", "GET / HTTP/1.1\r\n",
          "GET / HTTP/1.1\r\nHost: a\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r", " bad header"}) {
        CAPTURE(bytes);
        CHECK(status(bytes) == 0);
    }
}

TEST_CASE("malformed and unsupported requests are refused with the status that says why") {
    struct Row {
        const char* what;
        int status;
        std::string bytes;
    };
    const Row rows[] = {
        {"a line that ends in LF alone", 400, "GET / HTTP/1.1\nHost: a\r\n\r\n"},
        {"a header that ends in LF alone", 400, "GET / HTTP/1.1\r\nHost: a\n\r\n"},
        {"an end that is LF alone", 400, "GET / HTTP/1.1\r\nHost: a\r\n\n"},
        {"LF alone before the request", 400, "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"two empty lines before the request", 400, "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"CR alone in the request line", 400, "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"CR alone in a value", 400, with_headers("X: a\rb\r\n")},
        {"CR twice at the end of a line", 400, with_headers("X: a\r\r\n")},
        {"CR alone between headers", 400, with_headers("X: a\rY: b\r\n")},

        {"no method", 400, " / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"a method that is no token", 400, "G@T / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"a method alone", 400, "GET\r\nHost: a\r\n\r\n"},
        {"no target", 400, "GET HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"an empty target", 400, "GET  HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"HTTP/0.9", 400, "GET /\r\n\r\n"},
        {"two blanks after the method", 400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"a tab after the method", 400, "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"two blanks before the version", 400, "GET /  HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"a blank after the version", 400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"},
        {"a version in lower case", 400, "GET / http/1.1\r\nHost: a\r\n\r\n"},
        {"a version without minor", 400, "GET / HTTP/1\r\nHost: a\r\n\r\n"},
        {"a version of two digits", 400, "GET / HTTP/1.10\r\nHost: a\r\n\r\n"},
        {"a version of letters", 400, "GET / HTTP/x.y\r\nHost: a\r\n\r\n"},
        {"a minor version that is no digit", 400, "GET / HTTP/1.x\r\nHost: a\r\n\r\n"},
        {"a version with a comma", 400, "GET / HTTP/1,1\r\nHost: a\r\n\r\n"},
        {"HTTP/0.9, said so", 505, "GET / HTTP/0.9\r\nHost: a\r\n\r\n"},
        {"the preface of HTTP/2", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
        {"CONNECT", 501, "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"a method that nobody implements", 501, std::string(33, 'M') + " / HTTP/1.1\r\nHost: a\r\n\r\n"},

        {"a target that is no path", 400, with_target("a")},
        {"an asterisk for GET", 400, with_target("*")},
        {"a fragment", 400, with_target("/a#b")},
        {"a quote in the target", 400, with_target("/\"")},
        {"a byte above ASCII in the target", 400, with_target("/\xc3\xa9")},
        {"a NUL in the target", 400, with_target("/\0"sv)},
        {"half an escape", 400, with_target("/%4")},
        {"an escape that is not hexadecimal", 400, with_target("/%4g")},
        {"a percent sign at the end", 400, with_target("/%")},
        {"an unknown scheme", 400, with_target("ftp://a/")},
        {"a scheme alone", 400, with_target("http")},
        {"a scheme and no host", 400, with_target("http:///a")},
        {"a scheme and a port", 400, with_target("http://:80/")},
        {"a user name", 400, with_target("http://u@a/")},
        {"a bad character behind the host", 400, with_target("http://a/<")},

        {"no Host", 400, "GET / HTTP/1.1\r\nAccept: */*\r\n\r\n"},
        {"no headers at all", 400, "GET / HTTP/1.1\r\n\r\n"},
        {"two Hosts", 400, with_headers("Host: b\r\n")},
        {"two equal Hosts", 400, with_headers("host: a\r\n")},
        {"two Hosts in HTTP/1.0", 400, "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"},

        {"a header without colon", 400, with_headers("X\r\n")},
        {"a header without name", 400, with_headers(": a\r\n")},
        {"a blank before the colon", 400, with_headers("X : a\r\n")},
        {"a tab before the colon", 400, with_headers("X\t: a\r\n")},
        {"a blank in the name", 400, with_headers("X Y: a\r\n")},
        {"a folded header", 400, with_headers("X: a\r\n b\r\n")},
        {"a header folded with a tab", 400, with_headers("X: a\r\n\tb: c\r\n")},
        {"a blank before the first header", 400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"},
        {"a line of blanks", 400, with_headers(" \r\n")},
        {"a NUL in the value", 400, with_headers("X: a\0b\r\n"sv)},
        {"a control character in the value", 400, with_headers("X: \x01\r\n")},
        {"DEL in the value", 400, with_headers("X: \x7f\r\n")},
        {"a byte above ASCII in the name", 400, with_headers("\xc3\xa9: a\r\n")},
        {"a parenthesis in the name", 400, with_headers("X(: a\r\n")},

        {"an empty length", 400, with_headers("Content-Length:\r\n")},
        {"a signed length", 400, with_headers("Content-Length: +1\r\n")},
        {"a negative length", 400, with_headers("Content-Length: -1\r\n")},
        {"a hexadecimal length", 400, with_headers("Content-Length: 0x1\r\n")},
        {"a length and more", 400, with_headers("Content-Length: 1 2\r\n")},
        {"a list of lengths", 400, with_headers("Content-Length: 1, 1\r\n")},
        {"a fractional length", 400, with_headers("Content-Length: 1.0\r\n")},
        {"two lengths that differ", 400, with_headers("Content-Length: 1\r\nContent-Length: 2\r\n")},
        {"a length beyond 64 bits", 413, with_headers("Content-Length: 18446744073709551616\r\n")},
        {"a length of 64 bits", 413, with_headers("Content-Length: 18446744073709551615\r\n")},
        {"a length and a coding", 400, with_headers("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n")},
        {"a coding and a length", 400, with_headers("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n")},
        {"chunks", 501, with_headers("Transfer-Encoding: chunked\r\n")},
        {"another coding", 501, with_headers("Transfer-Encoding: gzip\r\n")},
        {"an empty coding", 501, with_headers("Transfer-Encoding:\r\n")},
        {"a coding in HTTP/1.0", 400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
    };
    for (const auto& row : rows) {
        CAPTURE(row.what);
        CHECK(status(row.bytes) == row.status);
    }
}

TEST_CASE("a target as long as its limit passes, one byte more is 414") {
    const http::Limits limits{.target_bytes_max = 10};
    CHECK(status(with_target("/123456789"), limits) == 200);
    CHECK(status(with_target("/1234567890"), limits) == 414);
}

TEST_CASE("a request line that cannot end within its limit is 414 before it ends") {
    const http::Limits limits{.target_bytes_max = 10};
    const std::string line(limits.request_line_bytes_max(), 'a');
    CHECK(status(line, limits) == 0);
    CHECK(status(line + "a", limits) == 414);
    CHECK(status("\r\n" + line, limits) == 0);
    CHECK(status("\r\n" + line + "a", limits) == 414);
}

TEST_CASE("the longest method passes") {
    const std::string method(http::method_bytes_max, 'M');
    CHECK(status(method + " /123456789 HTTP/1.1\r\nHost: a\r\n\r\n", {.target_bytes_max = 10}) == 200);
}

TEST_CASE("headers as large as their limit pass, one byte more is 431") {
    const auto lines = "Host: a\r\nX: 12345\r\n\r\n"s;
    const auto bytes = "GET / HTTP/1.1\r\n" + lines;
    CHECK(status(bytes, {.header_bytes_max = lines.size()}) == 200);
    CHECK(status(bytes, {.header_bytes_max = lines.size() - 1}) == 431);
    CHECK(status("GET / HTTP/1.1\r\nHost: a\r\nX: 1234567890", {.header_bytes_max = 22}) == 0);
    CHECK(status("GET / HTTP/1.1\r\nHost: a\r\nX: 12345678901", {.header_bytes_max = 22}) == 431);
}

TEST_CASE("as many headers as their limit pass, one more is 431") {
    CHECK(status(with_headers("A: 1\r\nB: 2\r\n"), {.headers_max = 3}) == 200);
    CHECK(status(with_headers("A: 1\r\nB: 2\r\nC: 3\r\n"), {.headers_max = 3}) == 431);
}

TEST_CASE("a body as large as its limit passes, one byte more is 413") {
    CHECK(accepted(with_headers("Content-Length: 10\r\n"), {.body_bytes_max = 10}).body_bytes == 10);
    CHECK(status(with_headers("Content-Length: 11\r\n"), {.body_bytes_max = 10}) == 413);
}

TEST_CASE("a buffer of the announced size always holds a verdict") {
    const http::Limits limits{.target_bytes_max = 10, .header_bytes_max = 40};
    auto bytes = "\r\n" + std::string(http::method_bytes_max, 'M') + " /123456789 HTTP/1.1\r\nHost: a\r\nX: ";
    bytes.append(limits.head_bytes_max() - bytes.size(), 'x');
    CHECK(status(bytes, limits) == 0);
    CHECK(status(bytes + "x", limits) == 431);
    bytes.replace(bytes.size() - 4, 4, "\r\n\r\n");
    CHECK(accepted(bytes, limits).consumed == limits.head_bytes_max());
}

TEST_CASE("pieces that end no line are not parsed for") {
    const auto bytes = "GET / HTTP/1.1\r\nHost: a\r\nX: 1"s;
    const auto resume = std::get<http::Incomplete>(http::parse(bytes));
    CHECK(resume.scanned == bytes.size());
    // Whoever looked at the old bytes again would refuse them now.
    const auto spoilt = std::string(bytes.size(), '\n');
    CHECK(std::holds_alternative<http::Incomplete>(http::parse(spoilt + "2345", {}, resume)));
    CHECK(std::holds_alternative<http::Bad>(http::parse(spoilt + "2345\r\n", {}, resume)));
    CHECK(std::holds_alternative<http::Request>(http::parse(bytes + "2345\r\n\r\n", {}, resume)));
}

TEST_CASE("parsing and looking up headers allocates nothing") {
    const auto bytes = with_headers("Content-Length: 3\r\nConnection: keep-alive\r\nAccept: */*\r\n");
    const auto before = allocations;
    const auto parsed = http::parse(bytes);
    const bool found = std::get<http::Request>(parsed).header("accept").has_value();
    const auto refused = http::parse("GET\r\n");
    CHECK(allocations == before);
    CHECK(found);
    CHECK(std::holds_alternative<http::Bad>(refused));
}

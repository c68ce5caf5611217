// The HTTP response writer of common/http: what is sent for an answer, a refusal, HEAD and pipelined
// requests.
#include "http/request.hpp"
#include "http/response.hpp"

#include <doctest/doctest.h>

#include <string>

namespace {

http::Request accepted(std::string_view bytes) {
    const auto parsed = http::parse(bytes);
    REQUIRE(std::holds_alternative<http::Request>(parsed));
    return std::get<http::Request>(parsed);
}

std::string written(const http::Response& response) {
    std::string out;
    http::append_response(out, response);
    return out;
}

}  // namespace

TEST_CASE("a response is a status line, headers and a body") {
    CHECK(written(http::plaintext) ==
          "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!");
    CHECK(written(http::json) ==
          "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n"
          "{\"message\":\"Hello, World!\"}");
    const http::Response refusal{.status = 405,
                                 .content_type = "",
                                 .extra_headers = "Allow: GET, HEAD\r\n",
                                 .date = "now",
                                 .connection = "close"};
    CHECK(written(refusal) == "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nDate: now\r\n"
                              "Connection: close\r\nAllow: GET, HEAD\r\n\r\n");
}

TEST_CASE("responses to pipelined requests follow one another in one string") {
    std::string out;
    http::append_response(out, http::plaintext);
    http::append_response(out, http::json);
    CHECK(out == written(http::plaintext) + written(http::json));
}

TEST_CASE("the reply to HEAD has the length of the body and not the body") {
    const auto reply = http::reply_to(accepted("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"), http::plaintext);
    CHECK(written(reply) == "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\n");
}

TEST_CASE("a reply says what becomes of the connection where the version leaves it open") {
    const auto connection = [](std::string_view bytes) {
        return http::reply_to(accepted(bytes), http::plaintext).connection;
    };
    CHECK(connection("GET / HTTP/1.1\r\nHost: a\r\n\r\n") == "");
    CHECK(connection("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") == "close");
    CHECK(connection("GET / HTTP/1.0\r\n\r\n") == "close");
    CHECK(connection("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n") == "keep-alive");
}

TEST_CASE("a refusal names its reason and closes") {
    const auto parsed = http::parse("GET /\r\n");
    CHECK(written(http::refusal_of(std::get<http::Bad>(parsed))) ==
          "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 22\r\n"
          "Connection: close\r\n\r\nmalformed request line");
    for (const int code : {400, 413, 414, 431, 501, 505}) CHECK(http::reason_phrase(code) != "");
}

TEST_CASE("the date is that of the second asked for") {
    http::DateCache dates;
    CHECK(dates.at(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT");
    CHECK(dates.at(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT");
    CHECK(dates.at(784111778) == "Sun, 06 Nov 1994 08:49:38 GMT");
    http::DateCache fresh;
    CHECK(fresh.at(0) == "Thu, 01 Jan 1970 00:00:00 GMT");
}

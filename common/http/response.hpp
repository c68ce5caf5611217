// Writes HTTP/1.1 responses for the example servers: status line, headers and body appended to one
// std::string, so that the answers to pipelined requests leave in one send. Not part of the library.
#pragma once

#include "http/request.hpp"

#include <charconv>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>

namespace http {

struct Response {
    int status = 200;
    std::string_view content_type = "text/plain";
    std::string_view body = {};
    std::string_view extra_headers = {};  // whole lines, each with its CRLF: "Allow: GET, HEAD\r\n"
    std::string_view date = {};           // from a DateCache; no Date header when empty
    std::string_view connection = {};     // "close" or "keep-alive"; no Connection header when empty
    bool head_only = false;  // the answer to HEAD: Content-Length speaks of the body that is left out
};

// The two answers that HTTP benchmarks ask for.
inline constexpr Response plaintext{.body = "Hello, World!"};
inline constexpr Response json{.content_type = "application/json", .body = R"({"message":"Hello, World!"})"};

// Sent as it is, before the body is read, when Request::expects_continue.
inline constexpr std::string_view continue_response = "HTTP/1.1 100 Continue\r\n\r\n";

inline constexpr std::pair<int, std::string_view> reason_phrases[] = {
    {200, "OK"},
    {400, "Bad Request"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
};

// Empty for a status that is not listed, as RFC 9112 section 4 allows.
constexpr std::string_view reason_phrase(int status) {
    for (const auto& [listed, phrase] : reason_phrases) {
        if (listed == status) return phrase;
    }
    return "";
}

// `response` as this request wants it: without the body for HEAD, and saying so where the connection's fate
// is not what the client's version takes for granted.
inline Response reply_to(const Request& request, Response response) {
    response.head_only = request.method == "HEAD";
    if (!request.keep_alive)
        response.connection = "close";
    else if (request.version_minor == 0)
        response.connection = "keep-alive";
    return response;
}

inline Response refusal_of(const Bad& bad) {
    return {.status = bad.status, .body = bad.reason, .connection = "close"};
}

inline void append_header(std::string& out, std::string_view name, std::string_view value) {
    if (!value.empty()) out.append(name).append(": ").append(value).append("\r\n");
}

inline void append_response(std::string& out, const Response& response) {
    char digits[20];
    const auto number = [&digits](auto value) {
        return std::string_view(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
    };
    out.append("HTTP/1.1 ").append(number(response.status)).append(" ");
    out.append(reason_phrase(response.status)).append("\r\n");
    append_header(out, "Content-Type", response.content_type);
    append_header(out, "Content-Length", number(response.body.size()));
    append_header(out, "Date", response.date);
    append_header(out, "Connection", response.connection);
    out.append(response.extra_headers).append("\r\n");
    if (!response.head_only) out.append(response.body);
}

// The Date header's value, formatted once a second. One for each thread; the view it returns holds until the
// next call.
class DateCache {
public:
    // Names of days and months are English as long as the program keeps the "C" locale, as the examples do.
    std::string_view at(std::time_t now_s) {
        if (length_ == 0 || now_s != formatted_s_) {
            formatted_s_ = now_s;
            std::tm utc{};
            gmtime_r(&now_s, &utc);
            length_ = std::strftime(text_, sizeof text_, "%a, %d %b %Y %H:%M:%S GMT", &utc);
        }
        return {text_, length_};
    }

private:
    std::time_t formatted_s_ = 0;
    std::size_t length_ = 0;
    char text_[32];
};

}  // namespace http

// The server's side of one HTTP connection, without the connection: bytes in, answers out. Used by
// http_server.cpp; not part of the library.
#pragma once

#include "http/response.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

namespace http {

inline constexpr Response front_page{
    .content_type = "text/html; charset=utf-8",
    .body = "<!doctype html>\n"
            "<title>Ringlet</title>\n"
            "<h1>It runs</h1>\n"
            "<p>One thread, one ring. See also <a href=\"/plaintext\">/plaintext</a> and "
            "<a href=\"/json\">/json</a>.</p>\n"};
inline constexpr Response not_found{.status = 404, .body = "There is nothing here.\n"};
inline constexpr Response method_not_allowed{
    .status = 405, .body = "Only GET and HEAD.\n", .extra_headers = "Allow: GET, HEAD\r\n"};

inline Response content_for(const Request& request) {
    if (request.method != "GET" && request.method != "HEAD") return method_not_allowed;
    if (request.path == "/plaintext") return plaintext;
    if (request.path == "/json") return json;
    if (request.path == "/") return front_page;
    return not_found;
}

class Dialogue {
public:
    // Appends to `answers` what the new bytes ask for. Requests that lie whole in `bytes` are parsed where
    // they are; only the beginning of one that does not is copied.
    void take(std::string_view bytes, std::string_view date, std::string& answers) {
        if (unfinished_.empty()) {
            unfinished_ = answer_all(bytes, date, answers);
        } else {
            unfinished_ += bytes;
            std::size_t left = answer_all(unfinished_, date, answers).size();
            unfinished_.erase(0, unfinished_.size() - left);
        }
    }

    // Something of a request has arrived, but not all.
    bool is_mid_request() const { return !unfinished_.empty() || body_left_ > 0; }

    // The last answer has been given: close the connection when it is sent.
    bool is_over() const { return over_; }

    std::uint64_t answers_given() const { return answers_given_; }

    // The time is over. A client that has begun a request is told so.
    void time_out(std::string_view date, std::string& answers) {
        if (is_mid_request()) answer(refusal_of({408, "the request took too long"}), date, answers);
        over_ = true;
    }

private:
    // Returns the bytes that are not dealt with: the beginning of a request.
    std::string_view answer_all(std::string_view bytes, std::string_view date, std::string& answers) {
        while (!over_ && !bytes.empty()) {
            if (body_left_ > 0) {
                bytes = skip_body(bytes, date, answers);
                continue;
            }
            Parsed parsed = parse(bytes, limits, resume_);
            if (auto* incomplete = std::get_if<Incomplete>(&parsed)) {
                resume_ = *incomplete;
                return bytes;
            }
            resume_ = {};
            if (auto* request = std::get_if<Request>(&parsed)) {
                bytes.remove_prefix(request->consumed);
                begin(*request, bytes.empty(), date, answers);
            } else {
                answer(refusal_of(std::get<Bad>(parsed)), date, answers);
            }
        }
        return {};
    }

    void begin(const Request& request, bool nothing_follows, std::string_view date, std::string& answers) {
        Response response = reply_to(request, content_for(request));
        if (request.body_bytes == 0) return answer(response, date, answers);
        // The body is thrown away, and the answer given after it.
        body_left_ = request.body_bytes;
        owed_ = std::make_unique<Response>(response);
        if (request.expects_continue && nothing_follows) answers += continue_response;
    }

    std::string_view skip_body(std::string_view bytes, std::string_view date, std::string& answers) {
        std::size_t skipped = static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, bytes.size()));
        body_left_ -= skipped;
        if (body_left_ == 0) answer(*owed_, date, answers);
        return bytes.substr(skipped);
    }

    void answer(Response response, std::string_view date, std::string& answers) {
        response.date = date;
        append_response(answers, response);
        ++answers_given_;
        over_ = over_ || response.connection == "close";
    }

    static constexpr Limits limits{};

    std::string unfinished_;  // the beginning of a request's head
    Incomplete resume_;       // what parse() said of it
    std::uint64_t body_left_ = 0;
    std::uint64_t answers_given_ = 0;
    bool over_ = false;
    std::unique_ptr<Response> owed_;  // from the first request with a body on; its text is all literals
};

}  // namespace http

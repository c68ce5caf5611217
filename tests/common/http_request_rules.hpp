// What must hold for http::parse() on any bytes whatever; asked by the suite on its examples and by the
// fuzzer on everything else.
#pragma once

#include "http/request.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace http_rules {

inline std::string describe(const http::Parsed& parsed) {
    if (const auto* bad = std::get_if<http::Bad>(&parsed))
        return "bad " + std::to_string(bad->status) + ": " + std::string(bad->reason);
    const auto* request = std::get_if<http::Request>(&parsed);
    if (!request) return "incomplete";
    std::string text = "request";
    for (const auto part : {request->method, request->target, request->path, request->header_lines})
        text.append(" [").append(part).append("]");
    for (const std::uint64_t number :
         {std::uint64_t{request->consumed}, request->body_bytes, std::uint64_t(request->version_minor),
          std::uint64_t{request->keep_alive}, std::uint64_t{request->expects_continue}})
        text.append(" ").append(std::to_string(number));
    return text;
}

// In a heap block of exactly their size, so that AddressSanitizer sees a read outside.
inline std::vector<char> fenced(std::string_view bytes) { return {bytes.begin(), bytes.end()}; }
inline std::string_view view(const std::vector<char>& block) { return {block.data(), block.size()}; }

inline std::string serialise(const http::Request& request) {
    std::string text;
    text.append(request.method).append(" ").append(request.target);
    text.append(" HTTP/1.").append(std::to_string(request.version_minor)).append("\r\n");
    auto rest = request.header_lines;
    while (const auto header = http::pop_header(rest))
        text.append(header->name).append(": ").append(header->value).append("\r\n");
    return text.append("\r\n");
}

// The rule that a request breaks, or nothing.
inline std::string broken_by_request(const http::Request& request, std::string_view bytes,
                                     const http::Limits& limits) {
    if (request.consumed > bytes.size()) return "a request consumes more than there is";
    if (request.consumed > limits.head_bytes_max() || request.target.size() > limits.target_bytes_max ||
        request.header_lines.size() + 2 > limits.header_bytes_max ||
        request.body_bytes > limits.body_bytes_max)
        return "a request exceeds its limits";
    const auto before = bytes.data();
    const auto after = bytes.data() + request.consumed;
    for (const auto part : {request.method, request.target, request.header_lines}) {
        if (part.data() < before || part.data() + part.size() > after) return "a view leaves the request";
    }

    http::Limits roomy = limits;  // the canonical form may add a blank to each header
    roomy.header_bytes_max += bytes.size();
    const auto text = serialise(request);
    const auto again = http::parse(text, roomy);
    const auto* reread = std::get_if<http::Request>(&again);
    if (!reread) return "the canonical form is refused: " + describe(again);
    if (serialise(*reread) != text || reread->consumed != text.size())
        return "the canonical form reads differently";
    if (reread->path != request.path || reread->body_bytes != request.body_bytes ||
        reread->keep_alive != request.keep_alive || reread->expects_continue != request.expects_continue)
        return "the canonical form means something else";
    return "";
}

// The first rule that does not hold for these bytes; empty when all do. Time grows with the square of the
// size.
inline std::string broken_rule(std::string_view bytes, const http::Limits& limits = {}) {
    const auto block = fenced(bytes);
    bytes = view(block);
    const auto whole = http::parse(bytes, limits);
    const auto verdict = describe(whole);
    if (const auto* request = std::get_if<http::Request>(&whole)) {
        if (auto broken = broken_by_request(*request, bytes, limits); !broken.empty()) return broken;
    }
    http::Incomplete byte_by_byte;
    bool decided = false;
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
        const auto piece = fenced(bytes.substr(0, cut));
        const auto where = " at " + std::to_string(cut);
        const auto part = http::parse(view(piece), limits);
        const auto* incomplete = std::get_if<http::Incomplete>(&part);
        if (!incomplete && describe(part) != verdict)
            return "a prefix is judged otherwise" + where + ": " + describe(part) + ", whole: " + verdict;
        if (incomplete && (decided || cut > limits.head_bytes_max())) return "a verdict is late" + where;
        if (incomplete && describe(http::parse(bytes, limits, *incomplete)) != verdict)
            return "resuming changes the verdict" + where;
        if (!decided) {
            const auto step = http::parse(view(piece), limits, byte_by_byte);
            if (describe(step) != describe(part))
                return "byte by byte changes the verdict" + where + ": " + describe(step);
            if (incomplete) byte_by_byte = std::get<http::Incomplete>(step);
        }
        decided = !incomplete;
    }
    return "";
}

}  // namespace http_rules

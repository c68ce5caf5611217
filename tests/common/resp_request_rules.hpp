// What must hold for resp::RequestParser on any bytes whatever; asked by the suite on its examples and by the
// fuzzer on everything else.
#pragma once

#include "resp/reply.hpp"
#include "resp/request.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace resp_rules {

inline std::string describe(resp::Arguments arguments) {
    std::string text = "(";
    for (const auto argument : arguments)
        text.append(std::to_string(argument.size())).append(":").append(argument).append(" ");
    return text + ")";
}

inline std::string serialise(resp::Arguments arguments) {
    std::string bytes;
    resp::append_array(bytes, arguments.size());
    for (const auto argument : arguments) resp::append_bulk(bytes, argument);
    return bytes;
}

// A connection: takes bytes in pieces and notes what they turn out to be.
class Connection {
public:
    explicit Connection(const resp::Limits& limits) : parser_(limits), limits_(limits) {}

    void receive(std::string_view piece) {
        held_ += piece;
        while (!closed_ && take_one()) {
        }
    }

    const std::string& story() const { return story_; }
    std::string_view held() const { return closed_ ? std::string_view() : held_; }
    const std::string& broken_rule() const { return broken_; }

private:
    bool take_one() {
        // In a new heap block of exactly their size, so that AddressSanitizer sees a read outside or of old
        // bytes.
        const std::vector<char> block(held_.begin(), held_.end());
        const auto parsed = parser_.parse({block.data(), block.size()});
        if (const auto* more = std::get_if<resp::Incomplete>(&parsed)) {
            if (more->request_bytes_min <= held_.size()) broken_ = "it waits for what is there";
            wanted_ = std::max(wanted_, more->request_bytes_min);
            return false;
        }
        if (const auto* bad = std::get_if<resp::Bad>(&parsed)) {
            story_.append("bad: ").append(bad->message);
            closed_ = true;
            return false;
        }
        const auto& request = std::get<resp::Request>(parsed);
        check(request);
        story_ += describe(request.arguments);
        held_.erase(0, request.consumed);
        return true;
    }

    void check(const resp::Request& request) {
        if (request.consumed == 0 || request.consumed > held_.size())
            broken_ = "it consumes what is not there";
        if (request.consumed < wanted_) broken_ = "it asked for more than it needed";
        wanted_ = 0;
        if (request.arguments.empty()) return;

        if (request.arguments.size() > limits_.arguments_max)
            return;  // words of a line: its length is the limit
        resp::Limits roomy = limits_;
        roomy.bulk_bytes_max = held_.size();
        resp::RequestParser again(roomy);
        const auto bytes = serialise(request.arguments);
        const auto reread = again.parse(bytes);
        const auto* same = std::get_if<resp::Request>(&reread);
        if (!same || same->consumed != bytes.size() ||
            !std::ranges::equal(same->arguments, request.arguments))
            broken_ = "as an array of bulk strings it reads differently";
    }

    resp::RequestParser parser_;
    resp::Limits limits_;
    std::string held_;
    std::size_t wanted_ = 0;
    bool closed_ = false;
    std::string story_;
    std::string broken_;
};

// The first rule that does not hold for these bytes; empty when all do. Time grows with the square of the
// size.
inline std::string broken_rule(std::string_view bytes, const resp::Limits& limits = {}) {
    Connection whole(limits);
    whole.receive(bytes);
    if (!whole.broken_rule().empty()) return whole.broken_rule();

    const auto differs = [&](const Connection& other) {
        return other.story() != whole.story() || other.held() != whole.held();
    };
    Connection byte_by_byte(limits);
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
        const auto where = " at " + std::to_string(cut);
        byte_by_byte.receive(bytes.substr(cut, 1));
        if (!byte_by_byte.broken_rule().empty()) return byte_by_byte.broken_rule() + where;

        Connection halves(limits);
        halves.receive(bytes.substr(0, cut));
        halves.receive(bytes.substr(cut));
        if (!halves.broken_rule().empty()) return halves.broken_rule() + where;
        if (differs(halves))
            return "cut in two" + where + " it reads " + halves.story() + ", not " + whole.story();
    }
    if (differs(byte_by_byte))
        return "byte by byte it reads " + byte_by_byte.story() + ", not " + whole.story();
    return "";
}

}  // namespace resp_rules

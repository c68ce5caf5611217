#include "resp/dialogue.hpp"

#include "resp/reply.hpp"

#include <utility>

namespace resp {
namespace {

// A longer request ends the connection, without a word as in Redis (client-query-buffer-limit).
constexpr std::size_t request_bytes_max = 1 << 30;
// A connection that once sent a large request does not keep its memory.
constexpr std::size_t kept_bytes_max = 16 << 10;

}  // namespace

void Dialogue::take(std::string_view bytes, Milliseconds now, Round& round) {
    if (unfinished_.empty()) {
        unfinished_ = answer_all(bytes, now, round);
        return;
    }
    unfinished_ += bytes;
    const auto left = answer_all(unfinished_, now, round);
    if (left.size() == unfinished_.size()) return;
    if (unfinished_.capacity() > kept_bytes_max) {
        std::string(left).swap(unfinished_);  // to assign would keep the capacity
    } else {
        unfinished_.erase(0, unfinished_.size() - left.size());
    }
}

// Returns the bytes that are not dealt with.
std::string_view Dialogue::answer_all(std::string_view bytes, Milliseconds now, Round& round) {
    has_more_ = false;
    while (!over_ && !bytes.empty()) {
        if (round.is_full()) {
            has_more_ = true;
            return bytes;
        }
        const auto parsed = parser_.parse(bytes);
        if (const auto* request = std::get_if<Request>(&parsed)) {
            bytes.remove_prefix(request->consumed);
            if (!request->arguments.empty()) answer(request->arguments, now, round);
            parser_.forget();
        } else if (const auto* bad = std::get_if<Bad>(&parsed)) {
            append_error(round.here(), bad->message);
            over_ = true;
        } else {
            over_ = std::get<Incomplete>(parsed).request_bytes_min > request_bytes_max;
            return bytes;
        }
    }
    return {};
}

void Dialogue::answer(Arguments arguments, Milliseconds now, Round& round) {
    const Command* command = find_command(arguments, round.here());
    if (!command) return;
    if (command->reach == Reach::connection) {
        over_ = !resp::answer(*command, arguments, settings_, round.here());
    } else {
        round.ask(*command, arguments, now);
    }
}

}  // namespace resp

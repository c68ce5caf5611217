// A server's side of one connection, without the connection: bytes in, a Round of requests out. Requests that
// lie whole in the received bytes are parsed where they are; only the beginning of one that does not is
// copied.
//
// For one thread at a time.
#pragma once

#include "resp/request.hpp"
#include "resp/round.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace resp {

class Dialogue {
public:
    // `settings` outlive it.
    explicit Dialogue(const Settings& settings) : settings_(settings) {}

    // Asks of `round` what the bytes, behind those left from before, ask for, until it is full.
    void take(std::string_view bytes, Milliseconds now, Round& round);

    // The round was full: take() must be called with another one before more is received.
    bool has_more() const { return has_more_; }
    // After QUIT and after bytes that are no requests: close the connection when the replies are sent.
    bool is_over() const { return over_; }

private:
    std::string_view answer_all(std::string_view bytes, Milliseconds now, Round& round);
    void answer(Arguments arguments, Milliseconds now, Round& round);

    const Settings& settings_;
    RequestParser parser_;
    std::string unfinished_;  // begins with a request's first byte
    bool has_more_ = false;
    bool over_ = false;
};

}  // namespace resp

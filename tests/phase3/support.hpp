// What the suites of phase 3 share, on top of phase 2's: executors with all that a program's have, and loops
// that hog the core.
#pragma once

#include "../phase2/net_support.hpp"

#include <ringlet/executor/preempt.hpp>
#include <ringlet/runtime.hpp>

#include <atomic>
#include <functional>
#include <thread>

namespace support {

// Calls `at_point` whenever the library passes a named point.
class AtPoint : public hook::Hooks {
public:
    explicit AtPoint(std::function<void(std::string_view)> at_point) : at_point_(std::move(at_point)) {
        hook::installed = this;
    }
    AtPoint(const AtPoint&) = delete;
    AtPoint& operator=(const AtPoint&) = delete;
    ~AtPoint() override { hook::installed = nullptr; }

    std::size_t choose(std::size_t) override { return 0; }
    void point(const char* id) override { at_point_(id); }

private:
    std::function<void(std::string_view)> at_point_;
};

// Works, and yields if needed, until `done()`; false if that takes ten seconds.
template <class Done>
Co<bool> hog_until(Done done) {
    Time give_up = after(Clock::now(), 10s);
    while (!done()) {
        if (Clock::now() > give_up) co_return false;
        co_await yield_if_needed();
    }
    co_return true;
}

}  // namespace support

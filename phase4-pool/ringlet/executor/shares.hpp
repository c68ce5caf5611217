// Shares: how much of the core a task queue gets while others want it too. Two queues with 200 and 100
// shares that never block get two thirds and one third.
#pragma once

#include <ringlet/base/check.hpp>
#include <ringlet/base/cycle_clock.hpp>

#include <algorithm>
#include <functional>
#include <utility>

namespace ringlet {

class Shares {
public:
    static constexpr unsigned least = 1;
    static constexpr unsigned most = 1000;

    // `count` shares, 1 to 1000.
    struct Static {
        unsigned count;
    };
    // What `read` returns, asked again every `period` (an hour at most) that the queue is used; brought
    // within 1 to 1000. It runs between two tasks, on the executor's thread, and must not throw.
    struct Dynamic {
        std::function<unsigned()> read;
        Duration period = std::chrono::milliseconds(250);
    };

    Shares() = default;
    Shares(Static fixed) : count_(fixed.count) {
        RINGLET_CHECK(fixed.count >= least && fixed.count <= most, "shares go from 1 to 1000");
    }
    Shares(Dynamic dynamic)
        : read_(std::move(dynamic.read)), period_(std::min<Duration>(dynamic.period, std::chrono::hours(1))) {
        RINGLET_CHECK(read_ && period_ > Duration::zero(), "dynamic shares need a function and a period");
        ask();
    }

    unsigned count() const noexcept { return count_; }

    // Asks a Dynamic's function if that is due.
    void refresh(CycleTime now) {
        if (!read_ || now < ask_again_) return;
        ask();
        ask_again_ = now + period_;
    }

private:
    void ask() { count_ = std::clamp(read_(), least, most); }

    unsigned count_ = most;
    std::function<unsigned()> read_;
    Duration period_{};
    CycleTime ask_again_{};
};

}  // namespace ringlet

// Interval: ticks at a fixed distance.
#pragma once

#include <ringlet/base/check.hpp>
#include <ringlet/time/sleep.hpp>

#include <algorithm>

namespace ringlet {

// Ticks are due at start + k * period, so that lateness does not add up. Ticks missed while nobody waited
// are skipped, not made up for.
class Interval {
public:
    explicit Interval(Duration period) : period_(period), next_(after(Clock::now(), period)) {
        RINGLET_CHECK(period > Duration::zero(), "an interval needs a period above zero");
    }

    // A future of the next tick: its Output is the time at which the tick was due.
    auto tick() {
        return map(sleep_until(next_), [this, due = next_] {
            Duration late = Clock::now() - due;
            // Another may have waited for this tick.
            next_ = std::max(next_, due + period_ * (late / period_ + 1));
            return due;
        });
    }

private:
    Duration period_;
    Time next_;
};

}  // namespace ringlet

// The clock of all timers: monotonic, in nanoseconds. A test program may define Clock::now() itself, in
// place of clock.cpp, and move time as it likes.
#pragma once

#include <chrono>

namespace ringlet {

struct Clock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<Clock>;
    static constexpr bool is_steady = true;

    static time_point now() noexcept;  // about 20 ns
};

using Duration = Clock::duration;
using Time = Clock::time_point;

// `now + wait`, or the end of time where that overflows: Duration::max() means "for ever".
inline Time after(Time now, Duration wait) noexcept {
    return wait > Time::max() - now ? Time::max() : now + wait;
}

}  // namespace ringlet

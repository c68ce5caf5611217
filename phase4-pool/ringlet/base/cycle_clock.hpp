// CycleClock: what CPU time is charged with. It reads the processor's cycle counter where that runs at a
// constant rate: 9 ns a reading, where Clock takes 21 (kernel 6.18, an EPYC in a VM). Its zero is arbitrary,
// its second differs from Clock's by less than one part in a thousand: for differences only.
//
// A test program that moves time defines CycleClock::now() beside Clock::now().
#pragma once

#include <ringlet/base/clock.hpp>

namespace ringlet {

struct CycleClock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<CycleClock>;
    static constexpr bool is_steady = true;

    static time_point now() noexcept;
};

using CycleTime = CycleClock::time_point;

}  // namespace ringlet

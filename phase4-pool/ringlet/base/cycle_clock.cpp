#include <ringlet/base/cycle_clock.hpp>

#include <algorithm>
#include <array>
#include <cstdint>

#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

namespace ringlet {

#if defined(__x86_64__)

namespace {

// "Invariant TSC": the same rate in all power states (AMD and Intel manuals, CPUID 80000007h, EDX bit 8).
bool has_constant_rate() {
    unsigned eax, ebx, ecx, edx = 0;
    return __get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) && (edx & (1U << 8));
}

// Nanoseconds per cycle, times 2^32; 0: the counter stands still. Compares it with Clock for a fifth of a
// millisecond: Clock's 20 ns of jitter make an error of one in ten thousand.
std::uint64_t compare_rates() {
    constexpr std::chrono::microseconds long_enough{200};
    Time began = Clock::now();
    std::uint64_t first = __rdtsc();
    Time ended;
    do {
        ended = Clock::now();
    } while (ended >= began && ended - began < long_enough);
    std::uint64_t cycles = __rdtsc() - first;
    auto nanoseconds = static_cast<std::uint64_t>((ended - began).count());
    return cycles == 0 ? 0 : (nanoseconds << 32) / cycles;
}

// Once per process; 0: do not use the counter. The thread may lose its CPU between a look at the one clock
// and a look at the other, so the middle one of three is taken.
std::uint64_t measure_rate() {
    if (!has_constant_rate()) return 0;
    std::array rates{compare_rates(), compare_rates(), compare_rates()};
    std::ranges::sort(rates);
    return rates[1];
}

}  // namespace

CycleTime CycleClock::now() noexcept {
    static const std::uint64_t rate = measure_rate();
    if (rate == 0) return CycleTime(Clock::now().time_since_epoch());
    auto scaled = static_cast<unsigned __int128>(__rdtsc()) * rate;
    return CycleTime(duration(static_cast<rep>(scaled >> 32)));
}

#else

// On arm64 Clock itself is a register read and a multiplication.
CycleTime CycleClock::now() noexcept { return CycleTime(Clock::now().time_since_epoch()); }

#endif

}  // namespace ringlet

#include <ringlet/base/cycle_clock.hpp>

#include <algorithm>
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

struct Reading {
    Time time;
    std::uint64_t cycles;
};

// Both clocks at one moment. The thread may lose its CPU between a look at the one and a look at the other:
// of eight attempts the one counts in which least time went by.
Reading read_both() {
    Reading best{};
    std::uint64_t least = ~std::uint64_t{0};
    for (int attempt = 0; attempt < 8; ++attempt) {
        std::uint64_t before = __rdtsc();
        Time time = Clock::now();
        std::uint64_t passed = __rdtsc() - before;
        if (passed < least) best = {time, before + passed / 2};
        least = std::min(least, passed);
    }
    return best;
}

// Nanoseconds per cycle, times 2^32; 0: do not use the counter. Compares it with Clock for a fifth of a
// millisecond, once per process: Clock's 20 ns of jitter make an error of one in ten thousand.
std::uint64_t measure_rate() {
    if (!has_constant_rate()) return 0;
    constexpr std::chrono::microseconds long_enough{200};
    Reading first = read_both();
    Time now = first.time;
    while (now >= first.time && now - first.time < long_enough) now = Clock::now();
    Reading last = read_both();
    std::uint64_t cycles = last.cycles - first.cycles;
    // Wide: a process that was stopped meanwhile, for a debugger say, has more than 2^32 of them.
    auto nanoseconds = static_cast<unsigned __int128>((last.time - first.time).count());
    return cycles == 0 ? 0 : static_cast<std::uint64_t>((nanoseconds << 32) / cycles);
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

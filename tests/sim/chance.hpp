// Chance: the one source of all choices in a simulated run. The same seed gives the same run.
#pragma once

#include <cstdint>

namespace sim {

class Chance {
public:
    explicit Chance(std::uint64_t seed) noexcept : state_(seed) {}

    // SplitMix64 (Steele, Lea, Flood 2014): one state word, so that a world is seeded in no time.
    std::uint64_t next() noexcept {
        std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
    // 0 <= result < count; count > 0.
    unsigned below(unsigned count) noexcept { return static_cast<unsigned>((next() >> 32) * count >> 32); }
    unsigned between(unsigned least, unsigned most) noexcept { return least + below(most - least + 1); }
    // Never, if `n` is 0.
    bool once_in(unsigned n) noexcept { return n > 0 && below(n) == 0; }

private:
    std::uint64_t state_;
};

}  // namespace sim

// Histogram: how durations are spread, from a nanosecond to 18 minutes, in a table of fixed size. Each power
// of two is cut into 16 buckets of equal width, so that what is read from it is at most 1/16 too long.
//
// Threads: none of its own; whoever records also reads.
#pragma once

#include <ringlet/base/clock.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace ringlet {

class Histogram {
public:
    // Below zero counts as zero, what is longer than the table reaches as its last bucket.
    void record(Duration duration) noexcept {
        duration = std::max(duration, Duration::zero());
        longest_ = std::max(longest_, duration);
        ++count_;
        ++buckets_[index_of(static_cast<std::uint64_t>(duration.count()))];
    }

    std::uint64_t count() const noexcept { return count_; }
    Duration longest() const noexcept { return longest_; }

    // The duration that `share` of them (0 to 1) do not exceed; zero if there are none.
    Duration quantile(double share) const noexcept {
        auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
        std::uint64_t seen = 0;
        for (std::size_t index = 0; index < buckets_.size(); ++index) {
            seen += buckets_[index];
            if (seen >= wanted && seen > 0) return std::min(longest_, last_of(index));
        }
        return longest_;
    }

private:
    static constexpr unsigned step_bits = 4;
    static constexpr unsigned value_bits = 40;
    static constexpr std::uint64_t steps = 1 << step_bits;

    // The five highest bits of a value say where in its power of two it lies.
    static constexpr std::size_t index_of(std::uint64_t value) noexcept {
        value = std::min(value, (std::uint64_t{1} << value_bits) - 1);
        if (value < steps) return value;
        auto shift = static_cast<unsigned>(std::bit_width(value)) - 1 - step_bits;
        return shift * steps + (value >> shift);
    }
    static constexpr Duration last_of(std::size_t index) noexcept {
        if (index < 2 * steps) return Duration(index);
        auto shift = index / steps - 1;
        return Duration(((index % steps + steps + 1) << shift) - 1);
    }

    std::array<std::uint64_t, (value_bits - step_bits + 1) * steps> buckets_{};
    std::uint64_t count_ = 0;
    Duration longest_{};
};

}  // namespace ringlet

// VirtualTime: CPU time weighed with shares. A queue with all 1,000 shares ages by a nanosecond in each
// nanosecond that it runs, one with a single share by a thousand.
#pragma once

#include <ringlet/base/clock.hpp>
#include <ringlet/executor/shares.hpp>

#include <cstdint>

namespace ringlet {

class VirtualTime {
public:
    static VirtualTime of(Duration ran, unsigned shares) noexcept {
        return VirtualTime(static_cast<std::uint64_t>(ran.count()) * Shares::most / shares);
    }

    VirtualTime() = default;

    // The count wraps around: with one share, after 213 days of CPU time. So it is the difference that
    // orders two times, which holds as long as they are less than 106 days apart.
    friend bool operator<(VirtualTime a, VirtualTime b) noexcept {
        return static_cast<std::int64_t>(a.count_ - b.count_) < 0;
    }
    friend bool operator==(VirtualTime, VirtualTime) = default;
    friend VirtualTime operator+(VirtualTime a, VirtualTime b) noexcept {
        return VirtualTime(a.count_ + b.count_);
    }
    friend VirtualTime operator-(VirtualTime a, VirtualTime b) noexcept {
        return VirtualTime(a.count_ - b.count_);
    }

private:
    explicit VirtualTime(std::uint64_t count) noexcept : count_(count) {}

    std::uint64_t count_ = 0;
};

}  // namespace ringlet

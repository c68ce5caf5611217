// What the suites of semaphore, gate and channel share: a future with a waker that counts, polled by hand.
#pragma once

#include "../phase1/support.hpp"

#include <optional>

namespace support {

// One future and whoever waits for it. It must not move once polled, so neither does this.
template <class F>
class Wait {
public:
    explicit Wait(F future) : future_(std::move(future)) {}
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;

    // True once it is ready, with `output` set.
    bool poll() {
        woken_before_ = counts.wakes;
        auto polled = poll_with(*future_, make_waker(counts));
        if (polled.is_ready()) output.emplace(polled.take());
        return output.has_value();
    }

    bool is_woken() const { return counts.wakes > woken_before_; }
    void drop() { future_.reset(); }
    bool is_waiting() const { return future_ && !output; }

    WakerCounts counts;
    std::optional<typename F::Output> output;

private:
    std::optional<F> future_;
    int woken_before_ = 0;
};

}  // namespace support

// Time that moves only when a test says so, for suites that check the scheduler's arithmetic: both clocks
// are replaced at link time, and a parker that never sleeps jumps to the next deadline instead. Include it in
// one file of a program.
#pragma once

#include "../phase1/support.hpp"

#include <ringlet/base/cycle_clock.hpp>

#include <algorithm>
#include <chrono>

namespace support {

using namespace std::chrono_literals;

inline Duration virtual_now{};

}  // namespace support

namespace ringlet {

Time Clock::now() noexcept { return Time(support::virtual_now); }
CycleTime CycleClock::now() noexcept { return CycleTime(support::virtual_now); }

}  // namespace ringlet

namespace support {

// A reactor's part in scheduling, without a kernel: sleepers, and a preempt timer.
class VirtualParker final : public Parker {
public:
    void poll() override {
        preempted_ = 0;
        armed_until_ = CycleTime::max();
        std::vector<Waker> due;
        std::erase_if(sleepers_, [&due](Sleeper& sleeper) {
            if (sleeper.until > virtual_now) return false;
            due.push_back(std::move(sleeper.waker));
            return true;
        });
        for (Waker& waker : due) std::move(waker).wake();
    }
    void park(Recheck recheck) override {
        if (!recheck()) {
            if (sleepers_.empty()) throw Deadlock("deadlock: nobody sleeps");
            virtual_now =
                std::max(virtual_now, std::ranges::min_element(sleepers_, {}, &Sleeper::until)->until);
        }
        poll();
    }
    PreemptWords preempt_words() const noexcept override { return {&never_, &preempted_, &never_}; }
    void arm_preempt(CycleTime until, bool others_ready) noexcept override {
        if (others_ready || !sleepers_.empty()) armed_until_ = std::min(armed_until_, until);
    }

    // The running task works for `time`.
    void work(Duration time) {
        virtual_now += time;
        preempted_ = CycleClock::now() >= armed_until_;
    }
    void wake_at(Duration until, const Waker& waker) { sleepers_.push_back({until, waker.clone()}); }

    bool is_armed() const { return armed_until_ != CycleTime::max(); }
    CycleTime armed_until() const { return armed_until_; }

private:
    struct Sleeper {
        Duration until;
        Waker waker;
    };

    std::vector<Sleeper> sleepers_;
    CycleTime armed_until_ = CycleTime::max();
    unsigned never_ = 0;
    unsigned preempted_ = 0;
};

// An executor in virtual time.
struct VirtualExecutor {
    VirtualParker& parker;
    LocalExecutor executor;

    explicit VirtualExecutor(Duration slice = 5ms)
        : VirtualExecutor(std::make_unique<VirtualParker>(), slice) {}

    auto sleep(Duration wait) {
        bool asked = false;
        return poll_fn([this, until = virtual_now + wait, asked](Context& context) mutable -> Poll<void> {
            if (virtual_now >= until) return Unit{};
            if (!std::exchange(asked, true)) parker.wake_at(until, context.waker());
            return pending;
        });
    }

private:
    VirtualExecutor(std::unique_ptr<VirtualParker> made, Duration slice)
        : parker(*made), executor("virtual", std::move(made), slice) {}
};

}  // namespace support

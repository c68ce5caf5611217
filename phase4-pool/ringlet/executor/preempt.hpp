// need_preempt, yield_if_needed: how a long loop stays polite. One thread runs all tasks, and nobody can
// take the core away from a task; so the task asks, often, since asking costs less than a nanosecond.
#pragma once

#include <ringlet/executor/local_executor.hpp>

namespace ringlet {

// True when the running task has had its slice, or when something urgent has arrived. Loads a few words that
// the kernel or another thread writes; no system call, no clock. False outside of an executor.
inline bool need_preempt() noexcept {
    const LocalExecutor* executor = current_executor();
    return executor && executor->preempt_words().is_set();
}

// Gives up the core if need_preempt(): the task goes to the tail of its queue, and the queue waits for its
// turn.
class [[nodiscard]] YieldIfNeeded {
public:
    using Output = void;

    bool is_ready() const noexcept { return !need_preempt(); }

    Poll<void> poll(Context& context) noexcept {
        if (yielded_ || is_ready()) return Unit{};
        yielded_ = true;
        context.waker().wake_by_ref();
        return pending;
    }

private:
    bool yielded_ = false;
};

inline YieldIfNeeded yield_if_needed() noexcept { return {}; }

}  // namespace ringlet

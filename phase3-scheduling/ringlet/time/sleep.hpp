// sleep: a future that is ready when its time has come.
#pragma once

#include <ringlet/future/future.hpp>
#include <ringlet/reactor/reactor.hpp>

namespace ringlet {

// Never early; how late depends on what else the executor has to do. May be moved until polled.
class [[nodiscard]] Sleep {
public:
    using Output = void;
    explicit Sleep(Time deadline) noexcept : deadline_(deadline) {}

    Time deadline() const noexcept { return deadline_; }

    // A new deadline, counted from now. Whoever awaits the sleep waits for that one.
    void reset(Duration wait) noexcept {
        deadline_ = after(Clock::now(), wait);
        timer_.reset(deadline_);
        if (timer_.is_armed() && current_executor()) Reactor::current().note_reset_timer();
    }

    Poll<void> poll(Context& context) {
        if (timer_.has_fired() || (!timer_.is_armed() && Clock::now() >= deadline_)) return Unit{};
        Reactor::current().timers().arm(timer_, deadline_, context.waker());
        return pending;
    }

private:
    Time deadline_;
    Timer timer_;
};

// Counts from this call, not from the first poll.
inline Sleep sleep(Duration wait) { return Sleep(after(Clock::now(), wait)); }
inline Sleep sleep_until(Time deadline) { return Sleep(deadline); }

}  // namespace ringlet

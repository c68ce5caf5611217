// timeout: any future, with a limit.
#pragma once

#include <ringlet/time/sleep.hpp>

#include <optional>

namespace ringlet {

// Ready with the future's value, or empty (false for void) when the time is over first. On a tie the value
// wins. The future is dropped with the Timeout: where that would lose bytes (an operation that a buffer was
// moved into), use the operation's own timeout().
template <FutureRef F>
class [[nodiscard]] Timeout {
    using Value = OutputOf<F>;

public:
    using Output = std::conditional_t<std::is_void_v<Value>, bool, std::optional<Stored<Value>>>;
    Timeout(Time deadline, F&& future) : future_(std::forward<F>(future)), sleep_(deadline) {}

    Poll<Output> poll(Context& context) {
        // First: the future may work for long, and is to be interrupted when its time is over.
        bool is_over = sleep_.poll(context).is_ready();
        auto polled = future_.poll(context);
        if (polled.is_ready()) {
            if constexpr (std::is_void_v<Value>) {
                return true;
            } else {
                return Output(polled.take_stored());
            }
        }
        if (!is_over) return pending;
        return Output();
    }

private:
    F future_;
    Sleep sleep_;
};

// Counts from this call. A named future is borrowed and can be awaited on after the time is over.
template <FutureRef F>
Timeout<F> timeout(Duration longest, F&& future) {
    return Timeout<F>(after(Clock::now(), longest), std::forward<F>(future));
}

}  // namespace ringlet

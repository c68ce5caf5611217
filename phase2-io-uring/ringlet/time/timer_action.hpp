// TimerAction: do something later, without a task of one's own waiting for it.
#pragma once

#include <ringlet/executor/local_executor.hpp>
#include <ringlet/future/co.hpp>
#include <ringlet/time/sleep.hpp>

#include <optional>
#include <type_traits>

namespace ringlet {

namespace detail {

template <class Action>
Co<void> do_later(Duration wait, Action action) {
    co_await sleep(wait);
    if constexpr (std::is_void_v<std::invoke_result_t<Action&>>) {
        action();
    } else {
        co_await action();
    }
}

template <class Action>
Co<void> do_again(Action action) {
    while (std::optional<Duration> wait = action()) {
        co_await sleep(*wait);
        co_await yield_now();  // others run, though there be nothing to wait for
    }
}

}  // namespace detail

// Calls `action` once, after `wait`, in a task of the current queue; it may return a future, which is
// awaited. The handle cancels or awaits it; detach it to let it happen.
template <class Action>
JoinHandle<void> do_in(Duration wait, Action action) {
    return spawn_local(detail::do_later(wait, std::move(action)));
}

// Calls `action` now and then again, each time after as long as it returns; nullopt ends it.
template <class Action>
    requires std::is_invocable_r_v<std::optional<Duration>, Action&>
JoinHandle<void> do_repeatedly(Action action) {
    return spawn_local(detail::do_again(std::move(action)));
}

}  // namespace ringlet

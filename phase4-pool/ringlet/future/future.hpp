// The Future concept and the smallest futures: ready, poll_fn, map, yield_now.
//
// A future is a value with a type `Output` and `Poll<Output> poll(Context&)`. Nothing happens before
// its first poll. Pending promises that the context's waker will be called; Ready ends it: a future is
// not polled again. It may be moved until it is first polled, and not after, unless its type says more.
// Destroying it at any point cancels what it was doing.
#pragma once

#include <ringlet/future/poll.hpp>
#include <ringlet/future/waker.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace ringlet {

template <class F>
concept Future = requires(F& future, Context& context) {
    typename F::Output;
    { future.poll(context) } -> std::same_as<Poll<typename F::Output>>;
};

// A future, held by value or borrowed: combinators move temporaries in and borrow named futures.
template <class F>
concept FutureRef = Future<std::remove_reference_t<F>>;

template <class F>
using OutputOf = typename std::remove_reference_t<F>::Output;

template <class T>
class [[nodiscard]] Ready {
public:
    using Output = T;
    explicit Ready(Stored<T> value) : value_(std::move(value)) {}
    Poll<T> poll(Context&) { return std::move(value_); }

private:
    Stored<T> value_;
};

// Ready at the first poll, with `value`, or with nothing for `ready()`.
template <class T>
Ready<std::decay_t<T>> ready(T&& value) {
    return Ready<std::decay_t<T>>(std::forward<T>(value));
}
inline Ready<void> ready() { return Ready<void>(Unit{}); }

template <class Fn>
struct PollOutput;
template <class T>
struct PollOutput<Poll<T>> {
    using type = T;
};

template <class Fn>
class [[nodiscard]] PollFn {
public:
    using Output = typename PollOutput<std::invoke_result_t<Fn&, Context&>>::type;
    explicit PollFn(Fn fn) : fn_(std::move(fn)) {}
    Poll<Output> poll(Context& context) { return fn_(context); }

private:
    Fn fn_;
};

// A future out of a function `Poll<T> fn(Context&)`, called at each poll.
template <class Fn>
PollFn<std::decay_t<Fn>> poll_fn(Fn&& fn) {
    return PollFn<std::decay_t<Fn>>(std::forward<Fn>(fn));
}

template <class F, class Fn>
class [[nodiscard]] Map {
    static constexpr bool takes_nothing = std::is_void_v<OutputOf<F>>;
    template <class T>
    struct Result : std::invoke_result<Fn&, T> {};
    template <class T>
        requires std::is_void_v<T>
    struct Result<T> : std::invoke_result<Fn&> {};

public:
    using Output = typename Result<OutputOf<F>>::type;
    Map(F&& future, Fn fn) : future_(std::forward<F>(future)), fn_(std::move(fn)) {}

    Poll<Output> poll(Context& context) {
        auto polled = future_.poll(context);
        if (polled.is_pending()) return pending;
        if constexpr (std::is_void_v<Output>) {
            call(polled);
            return Unit{};
        } else {
            return Stored<Output>(call(polled));
        }
    }

private:
    decltype(auto) call(Poll<OutputOf<F>>& polled) {
        if constexpr (takes_nothing) {
            return fn_();
        } else {
            return fn_(polled.take());
        }
    }

    F future_;
    Fn fn_;
};

// Ready with fn(value) when `future` is ready with value.
template <FutureRef F, class Fn>
Map<F, std::decay_t<Fn>> map(F&& future, Fn&& fn) {
    return Map<F, std::decay_t<Fn>>(std::forward<F>(future), std::forward<Fn>(fn));
}

class [[nodiscard]] YieldNow {
public:
    using Output = void;
    Poll<void> poll(Context& context) {
        if (std::exchange(yielded_, true)) return Unit{};
        context.waker().wake_by_ref();
        return pending;
    }

private:
    bool yielded_ = false;
};

// Lets the other ready tasks of the same queue run first: pending once, and back to the queue's tail.
inline YieldNow yield_now() { return {}; }

}  // namespace ringlet

// Co<T>: the coroutine type. A function that returns a Co<T> may co_await any future and other Cos, and
// is itself a future: poll it, await it, join it, spawn it. A T may be void or a reference.
//
// A Co does nothing until it is polled or awaited. Await it once; a named Co must stay in place and alive
// until then. Otherwise it may be moved at any time that it is not being polled: the frame stays put.
#pragma once

#include <ringlet/base/recycle.hpp>
#include <ringlet/future/chain.hpp>
#include <ringlet/future/future.hpp>

#include <coroutine>
#include <optional>
#include <type_traits>
#include <utility>

namespace ringlet {

template <class T>
class Co;

// Waits for any future. Lives in the awaiting frame, as does a temporary that is awaited: both stay until
// the end of the full expression, so the future is polled where it stands and not moved. drive() polls it
// again through Leaf and resumes the frame.
template <class F>
class LeafAwaiter : Leaf {
public:
    using Output = OutputOf<F>;

    LeafAwaiter(F& future, FrameLink& frame) : Leaf{&poll_again}, frame_(frame), future_(future) {}

    bool await_ready() { return poll(*frame_.root->as_root.context); }
    void await_suspend(std::coroutine_handle<>) noexcept { frame_.root->as_root.leaf = this; }
    Output await_resume() {
        frame_.rethrow_error();
        if constexpr (!std::is_void_v<Output>) return restore<Output>(std::move(*value_));
    }

private:
    bool poll(Context& context) {
        auto polled = future_.poll(context);
        if (polled.is_pending()) return false;
        if constexpr (!std::is_void_v<Output>) value_.emplace(polled.take_stored());
        return true;
    }

    static bool poll_again(Leaf& leaf, Context& context) noexcept {
        auto& self = static_cast<LeafAwaiter&>(leaf);
        try {
            return self.poll(context);
        } catch (...) {
            self.frame_.error = std::current_exception();
            return true;
        }
    }

    FrameLink& frame_;
    F& future_;
    // Empty for void: a million sleeping tasks would feel the eight bytes.
    [[no_unique_address]] std::conditional_t<std::is_void_v<Output>, Unit, std::optional<Stored<Output>>>
        value_;
};

// Waits for a Co: as a child of the awaiting frame, or, if somebody has polled it before (through
// select, say), as a leaf with a chain of its own.
template <class T>
class CoAwaiter : Leaf {
public:
    CoAwaiter(Co<T>& child, FrameLink& frame) : Leaf{&poll_again}, frame_(frame), child_(child) {}

    bool await_ready() { return child_.is_started() && child_.drive(*frame_.root->as_root.context); }
    void await_suspend(std::coroutine_handle<>) noexcept {
        if (child_.is_started()) {
            frame_.root->as_root.leaf = this;
        } else {
            child_.start_child_of(frame_);
        }
    }
    T await_resume() { return child_.take_result(); }

private:
    static bool poll_again(Leaf& leaf, Context& context) noexcept {
        return static_cast<CoAwaiter&>(leaf).child_.drive(context);
    }

    FrameLink& frame_;
    Co<T>& child_;
};

// A future that tells without being polled whether it is ready, as yield_if_needed() does.
template <class F>
concept ReadyAtOnce = Future<F> && std::is_void_v<typename F::Output> && requires(const F& future) {
    { future.is_ready() } -> std::same_as<bool>;
};

// Waits for such a future: asks first, and takes up its place in the chain only if it must, since each word
// that an awaiter notes costs as much as the question.
template <ReadyAtOnce F>
class AskFirstAwaiter : Leaf {
public:
    explicit AskFirstAwaiter(F future) : Leaf{&poll_again}, future_(std::move(future)) {}

    bool await_ready() const { return future_.is_ready(); }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> handle) {
        FrameLink::Root& root = handle.promise().root->as_root;
        if (future_.poll(*root.context).is_ready()) return false;
        root.leaf = this;
        return true;
    }
    void await_resume() const noexcept {}

private:
    static bool poll_again(Leaf& leaf, Context& context) noexcept {
        return static_cast<AskFirstAwaiter&>(leaf).future_.poll(context).is_ready();
    }

    F future_;
};

// What the compiler asks of a coroutine's promise, but for the return.
class CoPromiseBase : public FrameLink {
public:
    std::suspend_always initial_suspend() const noexcept { return {}; }
    FinalAwaiter final_suspend() const noexcept { return {}; }
    void unhandled_exception() noexcept { error = std::current_exception(); }

    template <class T>
    CoAwaiter<T> await_transform(Co<T>&& child) {
        return CoAwaiter<T>(child, *this);
    }
    template <class T>
    CoAwaiter<T> await_transform(Co<T>& child) {
        return CoAwaiter<T>(child, *this);
    }
    template <FutureRef F>
        requires ReadyAtOnce<F>
    AskFirstAwaiter<F> await_transform(F&& future) {
        return AskFirstAwaiter<F>(std::forward<F>(future));
    }
    template <FutureRef F>
    LeafAwaiter<std::remove_reference_t<F>> await_transform(F&& future) {
        return LeafAwaiter<std::remove_reference_t<F>>(future, *this);
    }

    // Frames are allocated through the recycled lists; std::bad_alloc leaves the call that makes the Co.
    static void* operator new(std::size_t bytes) { return recycle::allocate(bytes); }
    static void operator delete(void* frame, std::size_t bytes) noexcept {
        recycle::deallocate(frame, bytes);
    }
};

// The return: a language rule forbids a promise to have both return_value and return_void, so this
// choice is the one place where void stands apart.
template <class T>
class CoPromise : public CoPromiseBase {
public:
    Co<T> get_return_object() noexcept;
    template <class U = T>
        requires std::constructible_from<Stored<T>, U&&>
    void return_value(U&& value) {
        value_.emplace(std::forward<U>(value));
    }
    T take_result() {
        rethrow_error();
        return restore<T>(std::move(*value_));
    }

private:
    std::optional<Stored<T>> value_;
};

template <>
class CoPromise<void> : public CoPromiseBase {
public:
    Co<void> get_return_object() noexcept;
    void return_void() const noexcept {}
    void take_result() { rethrow_error(); }
};

template <class T>
class [[nodiscard]] Co : CoOwner {
public:
    using Output = T;
    using promise_type = CoPromise<T>;

    Co(Co&&) noexcept = default;
    Co& operator=(Co&&) noexcept = default;

    // Throws what the coroutine threw.
    Poll<T> poll(Context& context) {
        RINGLET_CHECK(frame_, "an empty Co was polled: it was moved from");
        if (!drive(context)) return pending;
        if constexpr (std::is_void_v<T>) {
            promise().take_result();
            return Unit{};
        } else {
            return Stored<T>(promise().take_result());
        }
    }

private:
    friend promise_type;
    friend CoAwaiter<T>;

    explicit Co(FrameLink& frame) noexcept : CoOwner(frame) {}

    bool is_started() const {
        RINGLET_CHECK(frame_, "an empty Co was awaited: it was moved from");
        return frame_->is_started();
    }
    promise_type& promise() noexcept { return static_cast<promise_type&>(*frame_); }
    T take_result() { return promise().take_result(); }
};

template <class T>
Co<T> CoPromise<T>::get_return_object() noexcept {
    self = std::coroutine_handle<CoPromise>::from_promise(*this);
    return Co<T>(*this);
}

inline Co<void> CoPromise<void>::get_return_object() noexcept {
    self = std::coroutine_handle<CoPromise>::from_promise(*this);
    return Co<void>(*this);
}

}  // namespace ringlet

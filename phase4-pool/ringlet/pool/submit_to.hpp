// submit_to: runs a function on another shard and awaits its result here.
//
//     auto call = submit_to(2, [key] { return lookup(key); });
//     std::expected<std::size_t, CallError> bytes = co_await call;
//
// By value: the function may still run there when its caller is gone, dropped with its root because another
// shard failed or the pool was cancelled, or ready because a .timeout() has passed.
//
// The call is one message that goes there, becomes a task in the default queue, and comes back with the
// result. Its one allocation is its reply's place too, so that an answer never has to wait for room, and two
// shards that call each other cannot block each other.
#pragma once

#include <ringlet/pool/called.hpp>
#include <ringlet/pool/pool.hpp>
#include <ringlet/time/sleep.hpp>

#include <exception>
#include <expected>
#include <optional>
#include <type_traits>
#include <utility>

namespace ringlet {

enum class CallError {
    cancelled,   // by cancel()
    timed_out,   // the deadline came first
    shard_gone,  // the other shard has ended, before or meanwhile
};

// A call in all its states: on its way, a task at the target, on its way back, at home.
class CallMessage : public Message {
public:
    CallMessage(Shard& home, Shard& target) noexcept : home_(home), target_(target) {}
    virtual ~CallMessage();

    // Home thread only:
    void start() noexcept;
    bool is_started() const noexcept { return started_; }
    bool is_home() const noexcept { return home_again_; }
    void set_waker(const Waker& waker) noexcept { waker_.remember(waker); }
    // What the target goes by. It may be reading the call once that is out.
    void set_deadline(Time deadline) noexcept {
        if (!started_) deadline_ = deadline;
    }
    // Asks the target to drop the task. The call still comes home, perhaps with a result that came first. Not
    // started, it will not be.
    void cancel() noexcept;
    // The future is gone: what comes home is dropped, and an exception reported.
    void abandon() noexcept;

protected:
    // At the target. Throws std::bad_alloc with nothing begun.
    virtual JoinHandle<void> spawn() = 0;
    // What waited too long for its turn is not begun.
    bool is_overdue() const noexcept { return deadline_ && Clock::now() >= *deadline_; }
    // The task is gone, whether it has ended or was dropped.
    void go_home() noexcept;

    std::exception_ptr error_;
    CallError why_ = CallError::shard_gone;  // there is no result; set by whoever knows better

private:
    // Follows the call to the target.
    class Cancellation final : public Message {
    public:
        explicit Cancellation(CallMessage& call) noexcept : call_(call) {}

    private:
        void arrive() noexcept override;

        CallMessage& call_;
    };

    void arrive() noexcept override;
    void run_at_target() noexcept;
    void come_home() noexcept;
    void release() noexcept;
    bool can_reach_target() const noexcept;

    Shard& home_;
    Shard& target_;
    std::optional<Time> deadline_;
    // Home thread only:
    Waker waker_;
    Cancellation cancellation_{*this};
    bool started_ = false;
    bool home_again_ = false;
    bool cancelling_ = false;
    // Target thread only:
    std::optional<JoinHandle<void>> task_;
    // Written by who sends it, read by who receives it:
    bool homeward_ = false;
    // Any thread (atomic): the future, the call while it is under way, and its cancellation while that is. A
    // result that nobody took dies with the last of them, at home or at the target.
    std::atomic<int> holders_ = 1;
};

template <class Fn>
class Call final : public CallMessage {
    static constexpr bool is_async = Future<std::invoke_result_t<Fn&>>;

public:
    using Value = ValueOfCall<Fn>;

    Call(Shard& home, Shard& target, Fn&& fn) : CallMessage(home, target), fn_(std::move(fn)) {}

    std::expected<Value, CallError> take() {
        if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
        if (!value_) return std::unexpected(why_);
        if constexpr (std::is_void_v<Value>) {
            return {};
        } else {
            return restore<Value>(std::move(*value_));
        }
    }

    static void* operator new(std::size_t bytes) {
        static_assert(alignof(Call) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__,
                      "over-aligned types are not supported in a call: hold them through a pointer");
        return recycle::allocate(bytes);
    }
    static void operator delete(void* call, std::size_t bytes) noexcept { recycle::deallocate(call, bytes); }

private:
    // The task at the target.
    class Visit {
    public:
        using Output = void;
        explicit Visit(Call& call) noexcept : call_(&call) {}
        Visit(Visit&& other) noexcept : call_(std::exchange(other.call_, nullptr)) {}
        ~Visit() {
            if (call_) call_->leave();
        }
        Poll<void> poll(Context& context) { return call_->advance(context); }

    private:
        Call* call_;
    };

    JoinHandle<void> spawn() override {
        return spawn_local([this] { return Visit(*this); });
    }

    Poll<void> advance(Context& context) noexcept {
        if (!is_begun() && is_overdue()) {
            why_ = CallError::timed_out;
            return Unit{};
        }
        try {
            if constexpr (is_async) {
                if (!future_) future_.emplace((*fn_)());
                auto polled = future_->poll(context);
                if (polled.is_pending()) return pending;
                value_.emplace(polled.take_stored());
            } else {
                value_.emplace(call_stored(*fn_));
            }
        } catch (CallError why) {
            why_ = why;
        } catch (...) {
            error_ = std::current_exception();
        }
        return Unit{};
    }

    bool is_begun() const noexcept {
        if constexpr (is_async) return future_.has_value();
        return false;  // it is polled once
    }

    // The function dies where it ran.
    void leave() noexcept {
        if constexpr (is_async) future_.reset();
        fn_.reset();
        go_home();
    }

    struct Nothing {};

    std::optional<Fn> fn_;
    [[no_unique_address]] std::conditional_t<is_async, std::optional<std::invoke_result_t<Fn&>>, Nothing>
        future_;
    std::optional<Stored<Value>> value_;
};

// What submit_to() gives. It goes out when it is first polled, or at start(). Dropping it cancels the task at
// the target; what that has borrowed from here may be in use until it is gone. One that has outlived its
// home's executor, or the pool, may still be dropped, which then cancels nothing.
template <class Fn>
class [[nodiscard]] Submitted {
public:
    using Output = std::expected<typename Call<Fn>::Value, CallError>;

    Submitted(Shard& target, Fn&& fn) : call_(new Call<Fn>(Shard::current(), target, std::move(fn))) {}
    Submitted(Submitted&& other) noexcept = default;

    // Throws what the function threw.
    Poll<Output> poll(Context& context) {
        if (call_->is_home()) return call_->take();
        call_->set_waker(context.waker());
        if (!call_->is_started()) call_->start();
        if (call_->is_home()) return call_->take();
        return pending;
    }

    // Once, and before it is polled. Does nothing after cancel().
    void start() noexcept { call_->start(); }
    void cancel() noexcept { call_->cancel(); }

    // With a limit: the target does not begin what is overdue, unless the call was out before it had a limit;
    // what it has begun is cancelled then. Ready at the deadline even if the other shard is busy, and even if
    // the function still runs there.
    auto timeout(Duration longest) &&;

private:
    template <class>
    friend class TimedSubmitted;

    struct Abandon {
        void operator()(Call<Fn>* call) const noexcept { call->abandon(); }
    };
    std::unique_ptr<Call<Fn>, Abandon> call_;
};

template <class Fn>
class [[nodiscard]] TimedSubmitted {
public:
    using Output = typename Submitted<Fn>::Output;

    TimedSubmitted(Submitted<Fn> call, Time deadline) : call_(std::move(call)), sleep_(deadline) {
        call_.call_->set_deadline(deadline);
    }

    Poll<Output> poll(Context& context) {
        auto polled = call_.poll(context);
        if (polled.is_ready() || sleep_.poll(context).is_pending()) return polled;
        call_.cancel();
        return Output(std::unexpected(CallError::timed_out));
    }

private:
    Submitted<Fn> call_;
    Sleep sleep_;
};

template <class Fn>
auto Submitted<Fn>::timeout(Duration longest) && {
    return TimedSubmitted<Fn>(std::move(*this), after(Clock::now(), longest));
}

// `fn` is moved to the shard and called there, once; it returns a value or a future. What it throws is thrown
// to who awaits the call; a CallError is returned to them.
template <class Fn>
Submitted<std::decay_t<Fn>> submit_to(ShardId shard, Fn&& fn) {
    return {Shard::current().pool().shard(shard), std::decay_t<Fn>(std::forward<Fn>(fn))};
}

}  // namespace ringlet

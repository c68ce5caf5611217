// Operation<Op>: the future of one io_uring operation. Op says how to fill the entry and what the result
// means (reactor/operations.hpp); Operation and OperationSource do the rest: submit at the first poll, wake
// at the completion, cancel when dropped, time out when asked.
//
// Dropping an Operation never invalidates memory: what the kernel may touch lives in the source. But a
// buffer that was moved in goes with it, and so does what was read into it: use timeout() here, not the
// generic timeout() or select(), where bytes must not be lost.
#pragma once

#include <ringlet/base/error.hpp>
#include <ringlet/future/future.hpp>
#include <ringlet/reactor/reactor.hpp>

#include <cerrno>
#include <concepts>
#include <new>
#include <utility>

namespace ringlet {

// What an Op may leave out.
struct OpDefaults {
    // A result that came after the future was dropped.
    void discard(int, unsigned) noexcept {}
    // What the kernel has just said. True: not done yet, submit again (a short write has more to write).
    bool again(int) noexcept { return false; }
    std::span<const std::byte> kernel_memory() const noexcept { return {}; }
    // To another ring than that of the running queue's class.
    void submit(Reactor& reactor, Source& source) { reactor.submit(source); }
};

template <class Op>
class OperationSource final : public Source {
public:
    explicit OperationSource(Op operation) : op(std::move(operation)) {}
    ~OperationSource() override {
        if (has_result_) op.discard(result_, flags_);
    }

    bool has_result() const noexcept { return has_result_; }
    void set_waker(const Waker& waker) noexcept { waker_.remember(waker); }
    // A cancellation from now on is a timeout.
    void set_timed_out() noexcept { timed_out_ = true; }

    void submit() { op.submit(Reactor::current(), *this); }

    auto take_result() {
        has_result_ = false;
        // What it holds goes with the result, and not with the future, which may have a name: close() waits
        // for the descriptor.
        Op ended = std::move(op);
        return ended.finish(timed_out_ && ended_early_ ? -ETIMEDOUT : result_, flags_);
    }

    Op op;

private:
    void prepare(io_uring_sqe& entry) noexcept override { op.prepare(entry); }
    std::span<const std::byte> kernel_memory() const noexcept override { return op.kernel_memory(); }
    void discard(int result, unsigned flags) noexcept override { op.discard(result, flags); }

    void complete(int result, unsigned flags) noexcept override {
        if (is_restart(result)) result = -EINTR;
        result_ = result;
        flags_ = flags;
        bool has_more_to_do = op.again(result);
        if (has_more_to_do && !timed_out_ && submit_again()) return;
        ended_early_ = has_more_to_do || result == -ECANCELED || result == -EINTR;
        has_result_ = true;
        std::move(waker_).wake();
    }

    // False: on another ring than before, which has no memory to note it.
    bool submit_again() noexcept {
        try {
            submit();
            return true;
        } catch (const std::bad_alloc&) {
            result_ = -ENOMEM;
            return false;
        }
    }

    // ERESTARTSYS to ERESTART_RESTARTBLOCK, which no header of ours names: where the kernel interrupts one of
    // its threads, in an open of a FIFO say, a completion may carry what no system call ever returns.
    static bool is_restart(int result) noexcept { return result <= -512 && result >= -516; }

    Waker waker_;
    int result_ = 0;
    unsigned flags_ = 0;
    bool has_result_ = false;
    bool timed_out_ = false;
    bool ended_early_ = false;  // of itself it would have gone on
};

template <class Op>
class TimedOperation;

template <class Op>
class [[nodiscard]] Operation {
public:
    using Output = typename Op::Output;

    explicit Operation(Op op) : source_(new OperationSource<Op>(std::move(op))) {
        static_assert(alignof(OperationSource<Op>) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__,
                      "over-aligned buffers are not supported in an operation: hold them through a pointer");
    }

    Poll<Output> poll(Context& context) {
        if (source_->has_result()) return source_->take_result();
        source_->set_waker(context.waker());
        if (!source_->is_in_flight()) source_->submit();
        return pending;
    }

    // Hands the operation to the kernel before the first poll, and before anybody waits: to read ahead.
    void start() { source_->submit(); }

    // The same operation with a limit. When the time is over it is cancelled, and its last completion is
    // awaited: if data came first it is returned, else the error is ETIMEDOUT.
    TimedOperation<Op> timeout(Duration longest) && { return {std::move(*this), longest}; }

private:
    friend TimedOperation<Op>;

    SourcePtr<OperationSource<Op>> source_;
};

template <class Op>
class [[nodiscard]] TimedOperation {
public:
    using Output = typename Op::Output;

    TimedOperation(Operation<Op> operation, Duration longest)
        : operation_(std::move(operation)), deadline_(after(Clock::now(), longest)) {}

    Poll<Output> poll(Context& context) {
        auto polled = operation_.poll(context);
        if (polled.is_ready()) {
            timer_.disarm();
        } else if (!expired_) {
            wait_or_expire(context);
        }
        return polled;
    }

private:
    void wait_or_expire(Context& context) {
        if (!timer_.has_fired()) {
            return Reactor::current().timers().arm(timer_, deadline_, context.waker());
        }
        expired_ = true;
        operation_.source_->set_timed_out();
        Reactor::current().cancel(*operation_.source_);
    }

    Operation<Op> operation_;
    Time deadline_;
    Timer timer_;
    bool expired_ = false;
};

}  // namespace ringlet

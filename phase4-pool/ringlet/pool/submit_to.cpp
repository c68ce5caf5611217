#include <ringlet/pool/submit_to.hpp>

namespace ringlet {

void CallMessage::start() noexcept {
    RINGLET_CHECK(!started_, "a call was started twice");
    if (home_again_) return;
    started_ = true;
    holders_.fetch_add(1, std::memory_order_relaxed);
    if (target_.address().post(*this)) return;
    home_again_ = true;
    release();
}

void CallMessage::arrive() noexcept { homeward_ ? come_home() : run_at_target(); }

// At the target.

void CallMessage::run_at_target() noexcept {
    try {
        task_.emplace(spawn());
    } catch (...) {
        error_ = std::current_exception();
        go_home();
    }
}

void CallMessage::go_home() noexcept {
    task_.reset();
    homeward_ = true;
    hook::point("call: go home");
    // The pool keeps the address, since the call may be gone before post() returns.
    if (!home_.address().post(*this)) release();
}

void CallMessage::Cancellation::arrive() noexcept {
    if (call_.task_) {
        call_.why_ = CallError::cancelled;
        call_.task_->cancel();
    }
    call_.release();
}

// At home.

void CallMessage::come_home() noexcept {
    home_again_ = true;
    std::move(waker_).wake();
    release();
}

void CallMessage::cancel() noexcept {
    if (!started_) {
        home_again_ = true;
        why_ = CallError::cancelled;
    }
    if (home_again_ || std::exchange(cancelling_, true)) return;
    holders_.fetch_add(1, std::memory_order_relaxed);
    if (!target_.address().post(cancellation_)) release();
}

// The target may be gone with the pool. Home's thread holds the pool while its executor lives; another pool's
// shard may have home's address, but then nobody holds this call any more except its future.
bool CallMessage::can_reach_target() const noexcept {
    LocalExecutor* here = current_executor();
    return here && here->shard() == &home_ && holders_.load(std::memory_order_acquire) > 1;
}

void CallMessage::abandon() noexcept {
    waker_ = Waker();
    if (started_ && !home_again_ && can_reach_target()) cancel();
    release();
}

CallMessage::~CallMessage() {
    if (error_) report_unhandled_exception(std::move(error_));
}

void CallMessage::release() noexcept {
    if (holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

}  // namespace ringlet

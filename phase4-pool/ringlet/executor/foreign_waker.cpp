#include <ringlet/executor/foreign_waker.hpp>

#include <ringlet/executor/local_executor.hpp>

#include <system_error>

namespace ringlet {

// Both exchanges release and acquire: who finds the flag set leaves its wake to the one on its way, and what
// it has done before must be seen when that arrives.
void WakeMessage::send(const Unparker& owner) noexcept {
    if (on_its_way_.exchange(true, std::memory_order_acq_rel)) return;
    retain();
    if (owner.post(*this)) return;
    // Release: another who tries, and is refused as well, writes where this one has.
    on_its_way_.store(false, std::memory_order_release);
    release();
}

void WakeMessage::arrive() noexcept {
    on_its_way_.exchange(false, std::memory_order_acq_rel);
    waker_.wake_by_ref();
    release();
}

// The last one. Nobody else knows of the task any more, so that the message is free to carry it home. If the
// executor is gone it has let go of the task, and nothing is left but memory.
void ForeignTask::release() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
    if (home_.leads_here()) {
        if (is_linked()) unlink();  // else the executor is at its end and has let go already
        delete this;
        return;
    }
    // A copy: once it is posted, home_ may go with the rest.
    Unparker home = home_;
    if (!home.post(*this)) delete this;
}

void ForeignTask::arrive() noexcept {
    if (references_.load(std::memory_order_relaxed) > 0) return WakeMessage::arrive();
    if (is_linked()) unlink();
    delete this;
}

ForeignWaker::ForeignWaker(const Waker& waker) {
    LocalExecutor& executor = require_executor();
    Result<Unparker> home = executor.unparker();
    if (!home) throw std::system_error(home.error());
    RINGLET_CHECK(home->inbox(), "this executor's parker cannot be woken by other threads");
    task_ = new ForeignTask(std::move(*home), waker);
    executor.note_foreign(*task_);
}

}  // namespace ringlet

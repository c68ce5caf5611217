#include <ringlet/executor/unparker.hpp>

#include <ringlet/base/hook.hpp>
#include <ringlet/executor/local_executor.hpp>

#include <cstdint>
#include <unistd.h>

namespace ringlet {

void Doorbell::ring() noexcept {
    rung_.store(true, std::memory_order_seq_cst);
    if (!asleep_.exchange(false, std::memory_order_seq_cst)) return;
    notify();
}

void Doorbell::notify() noexcept {
    std::uint64_t one = 1;
    // Cannot fail: the counter would have to reach 2^64 - 1.
    static_cast<void>(!write(event_.get(), &one, sizeof one));
}

void Doorbell::drop_holder() noexcept {
    std::uint64_t holders = holders_.load(std::memory_order_relaxed);
    do {
        // Said before it goes: an owner who finds no holder finds this, or has looked around since.
        if (holders == 1) rung_.store(true, std::memory_order_seq_cst);
    } while (!holders_.compare_exchange_weak(holders, holders - 1, std::memory_order_acq_rel,
                                             std::memory_order_relaxed));
    if (holders > 1) return;
    hook::point("unparker: the last is gone");
    ring();
}

// Only who finds the inbox empty looks whether the owner sleeps, and only who finds it asleep writes that
// down: a busy owner's line stays shared.
bool Doorbell::post(Message& message) noexcept {
    Inbox::Posted posted = inbox_.post(message);
    if (posted != Inbox::Posted::first) return posted == Inbox::Posted::more;
    hook::point("post: look whether the owner sleeps");
    if (!asleep_.load(std::memory_order_seq_cst)) return true;
    if (!asleep_.exchange(false, std::memory_order_seq_cst)) return true;
    LocalExecutor* here = current_executor();
    if (!here || !here->parker().wake_ring(ring_, shared_from_this())) notify();
    return true;
}

bool Unparker::leads_here() const noexcept {
    LocalExecutor* here = current_executor();
    return here && bell_ && here->has_inbox(bell_->inbox());
}

}  // namespace ringlet

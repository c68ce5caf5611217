#include <ringlet/executor/unparker.hpp>

#include <ringlet/base/hook.hpp>

#include <cstdint>
#include <unistd.h>

namespace ringlet {

void Doorbell::ring() noexcept {
    rung_.store(true, std::memory_order_seq_cst);
    if (!asleep_.exchange(false, std::memory_order_seq_cst)) return;
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

}  // namespace ringlet

#include <ringlet/executor/unparker.hpp>

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

}  // namespace ringlet

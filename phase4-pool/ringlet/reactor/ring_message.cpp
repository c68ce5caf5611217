#include <ringlet/reactor/ring_message.hpp>

#include <ringlet/executor/unparker.hpp>
#include <ringlet/reactor/ring_driver.hpp>

namespace ringlet {

void RingMessage::prepare(io_uring_sqe& entry) noexcept {
    // MSG_RING: kernel 5.18.
    io_uring_prep_msg_ring(&entry, ring_, 0, RingDriver::ignored, 0);
}

// The kernel may have had no memory for it: there is still the doorbell.
void RingMessage::complete(int result, unsigned) noexcept {
    if (result < 0) sleeper_->notify();
    delete this;
}

}  // namespace ringlet

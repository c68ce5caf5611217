// RingMessage: ends another executor's sleep, from ring to ring: a completion that says nothing appears in
// the ring in which it sleeps. 33 us for a round trip of two sleepers on two cores, where an eventfd takes 46
// (kernel 6.18, C programs in a VM).
#pragma once

#include <ringlet/reactor/source.hpp>

#include <memory>

namespace ringlet {

class Doorbell;  // executor/unparker.hpp

// Owns itself while it is in flight. The sleeper's ring may be closed by now, and its number another file's:
// then the kernel refuses, or another ring of this process gets a completion of user data ~0, which Ringlet's
// ignore and others should. The sleeper is awake in either case.
class RingMessage final : public Source {
public:
    RingMessage(int ring, std::shared_ptr<Doorbell> sleeper) noexcept
        : ring_(ring), sleeper_(std::move(sleeper)) {}

private:
    void prepare(io_uring_sqe& entry) noexcept override;
    void complete(int result, unsigned flags) noexcept override;
    void discard(int, unsigned) noexcept override {}

    int ring_;
    std::shared_ptr<Doorbell> sleeper_;
};

}  // namespace ringlet

// RingMessage: ends another executor's sleep, from ring to ring: a completion that says nothing appears in
// the ring in which it sleeps, and no descriptor has to be polled for that. Between two C programs a round
// trip of sleepers takes 33 us this way and 46 by eventfd; between two executors, which have polled it all
// along, 33 and 32 (kernel 6.18, a VM).
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

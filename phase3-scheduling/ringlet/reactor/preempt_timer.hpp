// What the reactor keeps in the kernel for itself. PreemptTimer: a timeout on the latency ring, so that
// need_preempt() becomes true when a slice is over. WakePoll: a poll on the main ring, in which the executor
// sleeps, that ends the sleep when something else becomes readable: the latency ring, or a doorbell.
//
// Threads: owner thread only.
#pragma once

#include <ringlet/reactor/ring_driver.hpp>

#include <poll.h>

namespace ringlet {

class PreemptTimer final : public Source {
public:
    // True from now until the timeout's completion was reaped.
    bool is_armed() const noexcept { return is_in_flight(); }
    CycleTime until() const noexcept { return until_; }

    // Makes the kernel end the timeout at `until`, seen from `now`; one system call. One that is armed can
    // only be brought forward.
    void arm(RingDriver& latency, CycleTime now, CycleTime until);

private:
    void prepare(io_uring_sqe& entry) noexcept override;
    void complete(int, unsigned) noexcept override {}
    void discard(int, unsigned) noexcept override {}

    CycleTime until_{};
    __kernel_timespec wait_{};  // the kernel reads it when the entry is submitted
};

class WakePoll final : public Source {
public:
    explicit WakePoll(int fd) noexcept : fd_(fd) {}

    void arm(RingDriver& main) {
        if (!is_in_flight()) main.submit(*this);
    }

private:
    void prepare(io_uring_sqe& entry) noexcept override { io_uring_prep_poll_multishot(&entry, fd_, POLLIN); }
    void complete(int, unsigned) noexcept override {}
    void discard(int, unsigned) noexcept override {}

    int fd_;
};

}  // namespace ringlet

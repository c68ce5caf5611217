// Ring: one io_uring, as the reactor sees it: entries to fill, one call to enter the kernel, completions
// to reap.
//
// Threads: the ring is made on the thread that uses it; on any other, enter() aborts.
// Lifetimes: everything a queued or submitted entry points at must live until its last completion.
#pragma once

#include <ringlet/base/clock.hpp>
#include <ringlet/executor/parker.hpp>

#include <cstdint>
#include <expected>
#include <liburing.h>
#include <memory>
#include <optional>

namespace ringlet {

// What the kernel says of an operation: a count or -errno, and IORING_CQE_F_* flags.
struct Completion {
    std::uint64_t user_data;
    int result;
    unsigned flags;
};

class Ring {
public:
    // SINGLE_ISSUER (kernel 6.0): one thread submits, checked by the kernel.
    // DEFER_TASKRUN (6.1): completions are worked off when we enter, not in the middle of our code: a C
    // server costs 5.2 us of CPU an HTTP request with it and 8.3 without (kernel 6.18). TASKRUN_FLAG tells
    // that some wait.
    static constexpr unsigned main_flags =
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG;

    // COOP_TASKRUN (kernel 5.19): a completion interrupts nobody; it is delivered when the thread next passes
    // through the kernel. Until then TASKRUN_FLAG says that it waits. With these two a loop that never
    // enters the kernel sees both a timer (in the completion queue) and a wake from another core (in the
    // flags). A ring with DEFER_TASKRUN would show it neither in the queue (examples/unseen_ring.cpp), one
    // with no flags pays an interrupt per wake: 5.5 us for the sender instead of 0.4 (kernel 6.18).
    static constexpr unsigned latency_flags =
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG;

    // IOPOLL: nobody tells of a completion; the kernel looks for it on the device when we enter, which must
    // therefore be often. It takes only reads and writes of files opened with O_DIRECT on devices that can be
    // polled. DEFER_TASKRUN would be allowed, but no completion comes as task work here.
    static constexpr unsigned poll_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_IOPOLL;

    static constexpr unsigned depth_min = 8;
    static constexpr unsigned depth_max = 32'768;  // the kernel's

    // `depth` submission entries, a power of two up to depth_max; `flags` are IORING_SETUP_*. If the memory
    // lock limit does not allow that many, fewer. Otherwise the error says in one sentence why the kernel
    // refuses, and what to do.
    static std::expected<std::unique_ptr<Ring>, StartError> make(unsigned depth, unsigned flags = main_flags);

    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;
    ~Ring();

    // The next free submission entry; null if the queue is full. The caller fills it before it returns to
    // anything that may enter.
    io_uring_sqe* next_sqe() noexcept { return io_uring_get_sqe(&ring_); }

    bool is_polled() const noexcept { return ring_.flags & IORING_SETUP_IOPOLL; }
    unsigned depth() const noexcept { return ring_.sq.ring_entries; }
    // How many completions the queue holds.
    unsigned completion_count() const noexcept { return ring_.cq.ring_entries; }

    // Entries filled and not yet taken by the kernel.
    unsigned queued() const noexcept { return ring_.sq.sqe_tail - IO_URING_READ_ONCE(*ring_.sq.khead); }

    // The kernel has completions that it delivers only on the next enter: deferred work, or a queue that
    // overflowed.
    bool has_deferred() const noexcept {
        return IO_URING_READ_ONCE(*ring_.sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
    }
    bool has_completions() const noexcept {
        return *ring_.cq.khead != io_uring_smp_load_acquire(ring_.cq.ktail);
    }
    // Where need_preempt() looks, if this is the latency ring. Its flags are TASKRUN and CQ_OVERFLOW; the
    // third that there is belongs to rings with a polling thread.
    PreemptWords preempt_words() const noexcept { return {ring_.cq.khead, ring_.cq.ktail, ring_.sq.kflags}; }
    // To be polled by another ring; only a ring that does not defer wakes who polls it.
    int fd() const noexcept { return ring_.ring_fd; }
    bool has_overflowed() const noexcept {
        return IO_URING_READ_ONCE(*ring_.sq.kflags) & IORING_SQ_CQ_OVERFLOW;
    }

    // Submits what is queued and delivers deferred completions; does not sleep. Returns 0 or -errno: EAGAIN
    // and EBUSY ask to reap first and come back, EINTR to come back.
    int enter() noexcept;

    // As enter(), and sleeps until there is a completion, a signal, or `deadline` (nullopt: for ever). What
    // it returns does not say which: look at the completions and at the clock. Not for a ring that is polled:
    // it would spin, and know no deadline.
    int enter_and_wait(std::optional<Time> deadline) noexcept;

    // Sleeps like enter_and_wait(), but submits nothing: for a kernel that takes nothing.
    void wait_only(Duration longest) noexcept;

    // Takes the oldest completion off the queue; false if there is none.
    bool pop(Completion& completion) noexcept;

    // IORING_REGISTER_*: 0 or -errno.
    int register_with(unsigned opcode, void* argument, unsigned count) noexcept;

    // Gives up the ring without closing it: the kernel may still write to memory that its entries name.
    void leak() noexcept { open_ = false; }

private:
    Ring() = default;
    // Shows the kernel all entries filled so far, with one store; returns how many it has not taken yet.
    unsigned publish() noexcept;
    int enter(unsigned submit, unsigned wait_for, __kernel_timespec* timeout) noexcept;

    io_uring ring_{};
    const void* thread_ = nullptr;  // tells the one that made it from others
    bool open_ = false;
};

}  // namespace ringlet

// A kernel with a device that polls, for machines without one: stands in for kernel.cpp at link time and
// makes a ring that delivers only when it is entered, as one that polls does. With a true one
// (RINGLET_POLLED_FOLDER) it passes everything on. In both cases it can make the device slow. Include it in
// one file of a program.
#pragma once

#include "dma_support.hpp"

#include <ringlet/reactor/direct_device.hpp>
#include <ringlet/reactor/kernel.hpp>

#include <cerrno>
#include <utility>

namespace {

struct PollRing {
    const io_uring* ring = nullptr;
    int refuse_with = 0;        // an error for the next that is made
    int out_of_memory_for = 0;  // so many to come are refused with ENOMEM
    bool holds = false;         // the device takes its time: what is in flight stays so
    int enters = 0;             // since it holds
    int foreign = 0;            // entries that are no reads or writes
    int crowded = 0;            // completions to come that say that the device's queue had no room
};
PollRing poll_ring;

bool is_read_or_write(unsigned opcode) {
    return opcode == IORING_OP_READ || opcode == IORING_OP_WRITE || opcode == IORING_OP_READ_FIXED ||
           opcode == IORING_OP_WRITE_FIXED;
}

}  // namespace

namespace ringlet::kernel {

int setup(unsigned entries, io_uring_params& params, io_uring& ring) noexcept {
    bool polls = params.flags & IORING_SETUP_IOPOLL;
    if (polls && poll_ring.refuse_with) return -std::exchange(poll_ring.refuse_with, 0);
    if (polls && poll_ring.out_of_memory_for > 0) {
        --poll_ring.out_of_memory_for;
        return -ENOMEM;
    }
    if (polls && !support::polled_folder()) {
        params.flags = (params.flags & ~IORING_SETUP_IOPOLL) | IORING_SETUP_DEFER_TASKRUN;
    }
    if (int error = io_uring_queue_init_params(entries, &ring, &params); error < 0) return error;
    if (polls) {
        ring.flags |= IORING_SETUP_IOPOLL;
        poll_ring = {.ring = &ring};
    }
    return 0;
}

void teardown(io_uring& ring) noexcept {
    if (&ring == poll_ring.ring) poll_ring.ring = nullptr;
    io_uring_queue_exit(&ring);
}

int enter_kernel(io_uring& ring, unsigned submit, unsigned wait_for, unsigned flags,
                 __kernel_timespec* timeout) noexcept {
    io_uring_getevents_arg argument{
        .sigmask = 0, .sigmask_sz = _NSIG / 8, .pad = 0, .ts = reinterpret_cast<__u64>(timeout)};
    return io_uring_enter2(static_cast<unsigned>(ring.ring_fd), submit, wait_for,
                           flags | IORING_ENTER_EXT_ARG, reinterpret_cast<sigset_t*>(&argument),
                           sizeof argument);
}

int enter(io_uring& ring, unsigned submit, unsigned wait_for, unsigned flags,
          __kernel_timespec* timeout) noexcept {
    if (&ring == poll_ring.ring) {
        for (unsigned at = *ring.sq.khead; at != ring.sq.sqe_tail; ++at) {
            poll_ring.foreign += !is_read_or_write(ring.sq.sqes[at & *ring.sq.kring_mask].opcode);
        }
        ++poll_ring.enters;
        if (poll_ring.holds) return 0;
    }
    unsigned seen = *ring.cq.ktail;
    int result = enter_kernel(ring, submit, wait_for, flags, timeout);
    for (; &ring == poll_ring.ring && poll_ring.crowded > 0 && seen != *ring.cq.ktail; ++seen) {
        ring.cq.cqes[seen & *ring.cq.kring_mask].res = -EAGAIN;
        --poll_ring.crowded;
    }
    return result;
}

int register_with(io_uring& ring, unsigned opcode, void* argument, unsigned count) noexcept {
    return io_uring_register(static_cast<unsigned>(ring.ring_fd), opcode, argument, count);
}

}  // namespace ringlet::kernel

namespace ringlet::sys {

std::size_t polled_block_bytes(dev_t) { return 128 << 10; }

}  // namespace ringlet::sys

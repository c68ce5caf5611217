// What the floors with two threads share. Define _GNU_SOURCE first.

#ifndef RINGLET_PEERS_FLOOR_TWO_THREADS_H
#define RINGLET_PEERS_FLOOR_TWO_THREADS_H

#include "ring.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

static inline void pin_to(uint64_t cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    or_die(sched_setaffinity(0, sizeof set, &set) != 0 ? -errno : 0, "sched_setaffinity");
}

// Puts a completion that says nothing into another ring, and none into ours: kernel 5.18.
static inline void message_ring(struct io_uring* from, const struct io_uring* to) {
    struct io_uring_sqe* sqe = next_sqe(from);
    io_uring_prep_msg_ring(sqe, to->ring_fd, 0, 0, 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    or_die(io_uring_submit(from), "io_uring_submit");
}

// Each write to the event becomes a completion; it is never read.
static inline void watch_event(struct io_uring* ring, int event) {
    io_uring_prep_poll_multishot(next_sqe(ring), event, POLLIN);
    or_die(io_uring_submit(ring), "io_uring_submit");
}

static inline void ring_event(int event) {
    const uint64_t one = 1;
    check(write(event, &one, sizeof one) == sizeof one, "an event takes a write");
}

// Reaps what is there; returns how many.
static inline unsigned reap(struct io_uring* ring) {
    const unsigned count = io_uring_cq_ready(ring);
    io_uring_cq_advance(ring, count);
    return count;
}

#endif

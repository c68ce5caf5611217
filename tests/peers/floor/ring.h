// The ring as every floor program sets it up, and its one way to fail: stop, with the error's text.

#ifndef RINGLET_PEERS_FLOOR_RING_H
#define RINGLET_PEERS_FLOOR_RING_H

#include "report.h"

#include <liburing.h>

static inline int or_die(int result, const char* what) {
    if (result < 0) {
        fprintf(stderr, "floor: %s: %s\n", what, strerror(-result));
        exit(1);
    }
    return result;
}

// One thread submits, and completions are delivered only when that thread asks: kernel 6.1. The registered
// descriptor saves each enter the look-up of the file.
static inline void make_ring(struct io_uring* ring, unsigned entries) {
    struct io_uring_params parameters = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
        .cq_entries = entries * 4,
    };
    or_die(io_uring_queue_init_params(entries, ring, &parameters), "io_uring_queue_init_params");
    or_die(io_uring_register_ring_fd(ring), "io_uring_register_ring_fd");
}

// A submission entry; submits what is queued first when there is no room.
static inline struct io_uring_sqe* next_sqe(struct io_uring* ring) {
    struct io_uring_sqe* sqe = io_uring_get_sqe(ring);
    if (sqe == NULL) {
        or_die(io_uring_submit(ring), "io_uring_submit");
        sqe = io_uring_get_sqe(ring);
    }
    return sqe;
}

static inline void submit_and_wait(struct io_uring* ring) {
    int result = io_uring_submit_and_wait(ring, 1);
    if (result != -EINTR) {
        or_die(result, "io_uring_submit_and_wait");
    }
}

#endif

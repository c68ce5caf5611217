// The three calls by which Ringlet reaches io_uring: setup, enter, register. Everything else works on the
// memory that the rings share with the kernel. A test program may define these functions itself, in place
// of kernel.cpp, and be the kernel.
#pragma once

#include <liburing.h>

namespace ringlet::kernel {

// Each returns what the kernel does: a count (0 for success), or -errno.

// Makes a ring for the calling thread, mapped, its descriptor registered, unmapped in forked children.
int setup(unsigned entries, io_uring_params& params, io_uring& ring) noexcept;

// Unmaps and closes. Operations still in flight are cancelled by the kernel after this returns, and may
// write until then: see Reactor::drain.
void teardown(io_uring& ring) noexcept;

// Submits the first `submit` entries, waits until `wait_for` completions are there or `timeout` (may be
// null: for ever) is over. Returns the number submitted, even if the wait timed out or was interrupted.
int enter(io_uring& ring, unsigned submit, unsigned wait_for, unsigned flags,
          __kernel_timespec* timeout) noexcept;

int register_with(io_uring& ring, unsigned opcode, void* argument, unsigned count) noexcept;

}  // namespace ringlet::kernel

#include <ringlet/reactor/kernel.hpp>

#include <ringlet/base/thread_sanitizer.hpp>

#include <cerrno>
#include <csignal>
#include <sys/syscall.h>
#include <unistd.h>

namespace ringlet::kernel {

namespace {

int result_of(long returned) { return returned < 0 ? -errno : static_cast<int>(returned); }

}  // namespace

int setup(unsigned entries, io_uring_params& params, io_uring& ring) noexcept {
    if (int error = io_uring_queue_init_params(entries, &ring, &params); error < 0) return error;
    tsan::take_memory();
    // In a forked child the ring is not there: what it submitted would complete in the parent.
    io_uring_ring_dontfork(&ring);
    // Spares each enter the look-up of the descriptor; needs kernel 5.18, and is not needed.
    io_uring_register_ring_fd(&ring);
    return 0;
}

void teardown(io_uring& ring) noexcept {
    tsan::give_up_memory();
    io_uring_queue_exit(&ring);
}

int enter(io_uring& ring, unsigned submit, unsigned wait_for, unsigned flags,
          __kernel_timespec* timeout) noexcept {
    if (ring.enter_ring_fd != ring.ring_fd) flags |= IORING_ENTER_REGISTERED_RING;
    if (!timeout)
        return result_of(
            syscall(__NR_io_uring_enter, ring.enter_ring_fd, submit, wait_for, flags, nullptr, 0));
    io_uring_getevents_arg argument{};
    argument.sigmask_sz = _NSIG / 8;
    argument.ts = reinterpret_cast<__u64>(timeout);
    return result_of(syscall(__NR_io_uring_enter, ring.enter_ring_fd, submit, wait_for,
                             flags | IORING_ENTER_EXT_ARG, &argument, sizeof argument));
}

int register_with(io_uring& ring, unsigned opcode, void* argument, unsigned count) noexcept {
    return result_of(syscall(__NR_io_uring_register, ring.ring_fd, opcode, argument, count));
}

}  // namespace ringlet::kernel

// What an executor does on a kernel that refuses the latency ring's flags. The kernel's part is played by
// this file: it stands in for kernel.cpp at link time and passes on all but those flags.
#include "support.hpp"

#include <ringlet/reactor/kernel.hpp>

#include <cerrno>

namespace {

int refusals = 0;
bool refuses = false;

}  // namespace

namespace ringlet::kernel {

int setup(unsigned entries, io_uring_params& params, io_uring& ring) noexcept {
    if (refuses && params.flags & IORING_SETUP_COOP_TASKRUN) {
        ++refusals;
        return -EINVAL;
    }
    return io_uring_queue_init_params(entries, &ring, &params);
}

void teardown(io_uring& ring) noexcept { io_uring_queue_exit(&ring); }

int enter(io_uring& ring, unsigned submit, unsigned wait_for, unsigned flags,
          __kernel_timespec* timeout) noexcept {
    io_uring_getevents_arg argument{
        .sigmask = 0, .sigmask_sz = _NSIG / 8, .pad = 0, .ts = reinterpret_cast<__u64>(timeout)};
    return io_uring_enter2(static_cast<unsigned>(ring.ring_fd), submit, wait_for,
                           flags | IORING_ENTER_EXT_ARG, reinterpret_cast<sigset_t*>(&argument),
                           sizeof argument);
}

int register_with(io_uring& ring, unsigned opcode, void* argument, unsigned count) noexcept {
    return io_uring_register(static_cast<unsigned>(ring.ring_fd), opcode, argument, count);
}

}  // namespace ringlet::kernel

using namespace support;

TEST_CASE("where the kernel refuses cooperative task running, a ring without flags preempts all the same") {
    refuses = true;
    refusals = 0;
    auto executor = make_executor();
    REQUIRE(refusals == 1);
    TaskQueueHandle urgent = executor->create_task_queue(Shares{}, Latency::Matters{1ms}, "urgent");
    bool woke = false;
    executor->run([&]() -> Co<void> {
        auto nap = [&]() -> Co<void> {
            co_await sleep(2ms);
            woke = true;
        };
        auto napping = spawn_local_into(urgent, nap()).value();
        CHECK(co_await hog_until([&] { return woke; }));
        co_await napping;
    });
    refuses = false;
}

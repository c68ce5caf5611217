// What an executor does when the kernel refuses the latency ring's flags, or what is submitted to it, or
// hangs with it. The kernel's part is played by this file: it stands in for kernel.cpp at link time and
// passes on the rest.
#include "support.hpp"

#include <ringlet/reactor/kernel.hpp>

#include <cerrno>

namespace {

int refusals = 0;
bool refuses = false;

const io_uring* latency_ring = nullptr;
int submissions_to_refuse = 0;
bool hangs = false;  // the ring takes nothing and gives nothing

}  // namespace

namespace ringlet::kernel {

int setup(unsigned entries, io_uring_params& params, io_uring& ring) noexcept {
    if (refuses && params.flags & IORING_SETUP_COOP_TASKRUN) {
        ++refusals;
        return -EINVAL;
    }
    if (params.flags & IORING_SETUP_COOP_TASKRUN) latency_ring = &ring;
    return io_uring_queue_init_params(entries, &ring, &params);
}

void teardown(io_uring& ring) noexcept { io_uring_queue_exit(&ring); }

int enter(io_uring& ring, unsigned submit, unsigned wait_for, unsigned flags,
          __kernel_timespec* timeout) noexcept {
    if (&ring == latency_ring && submit > 0 && submissions_to_refuse > 0) {
        --submissions_to_refuse;
        return -EAGAIN;
    }
    if (&ring == latency_ring && hangs) submit = 0;
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

TEST_CASE("a hog is interrupted although its timer came behind what the kernel had refused") {
    auto executor = std::move(LocalExecutorBuilder().ring_depth(8).make().value());
    TaskQueueHandle urgent = executor->create_task_queue(Shares{}, Latency::Matters{1ms}, "urgent");
    TaskQueueHandle other = executor->create_task_queue("other");
    Pipe silent = make_pipe();
    SharedFd reader(std::move(silent.reader));
    executor->run([&]() -> Co<void> {
        bool begun = false;
        bool resumed = false;
        auto many_reads = [&]() -> Co<void> {
            while (!need_preempt()) continue;  // a timer is with the kernel
            co_await yield_now();
            using Read = operations::Read<std::string>;
            std::vector<Operation<Read>> reads;
            submissions_to_refuse = 1;  // the ninth finds the queue full
            for (int i = 0; i < 20; ++i) {
                reads.emplace_back(Read(reader, std::string(1, '\0'), operations::at_current_position));
                static_cast<void>(co_await poll_once(reads.back()));
            }
            begun = submissions_to_refuse == 0;
            while (!need_preempt()) continue;
            // Those of the next turn, which takes the timer's end: then it is armed anew.
            submissions_to_refuse = 2;
            co_await yield_now();
            resumed = true;
        };
        auto reading = spawn_local_into(urgent, many_reads()).value();
        auto hogging = spawn_local_into(other, hog_until([&] { return resumed; })).value();
        CHECK(co_await hogging == true);
        co_await reading;
        CHECK(begun);
        CHECK(submissions_to_refuse == 0);
    });
}

TEST_CASE("a latency ring that hangs to the end does not take the main ring's listener with it") {
    auto child = run_in_child([] {
        std::optional<SocketAddress> address;
        auto executor = make_executor();
        TaskQueueHandle urgent = executor->create_task_queue(Shares{}, Latency::Matters{1ms}, "urgent");
        Pipe silent = make_pipe();
        SharedFd reader(std::move(silent.reader));
        executor->run([&]() -> Co<void> {
            auto listener = value_of(TcpListener::bind(SocketAddress::loopback(0)));
            address = value_of(listener.local_address());
            auto accepting = [](TcpListener listener) -> Co<void> {
                static_cast<void>(co_await listener.accept());
            };
            spawn_local(accepting(std::move(listener))).detach();
            operations::Read read(reader, std::string(1, '\0'), operations::at_current_position);
            spawn_local_into(urgent, Operation(std::move(read))).value().detach();
            co_await sleep(1ms);
        });
        hangs = true;
        executor.reset();
        CHILD_REQUIRE(TcpListener::bind(*address));
    });
    CHECK(child.exited_well());
    CHECK(child.says("1 operations did not end"));
}

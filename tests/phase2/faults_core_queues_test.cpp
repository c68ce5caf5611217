// RELIABILITY rows 7, 10, 11 and 13: queues that are full, and completions that hide.
#include "support.hpp"

#include <sys/eventfd.h>

using namespace support;

namespace {

std::unique_ptr<Ring> make_ring(unsigned depth) {
    auto made = Ring::make(depth);
    if (!made) throw std::runtime_error(made.error().text);
    return std::move(*made);
}

constexpr ParkerOptions small{.ring_depth = 8};  // and 128 completions

}  // namespace

TEST_CASE("R7: hundreds of operations that start at once do not mind a queue of eight") {
    auto ring = make_ring(8);
    int entries = 0;
    while (io_uring_sqe* entry = ring->next_sqe()) {
        io_uring_prep_nop(entry);
        ++entries;
    }
    REQUIRE(entries == 8);

    auto executor = make_io_executor(small);
    Reactor& reactor = reactor_of(*executor);
    std::vector<int> order;
    auto work = [&](int id) -> Co<void> {
        co_await round_trip();
        order.push_back(id);
    };
    for (int id = 0; id < 250; ++id) executor->spawn_local(work(id)).detach();
    executor->turn(false);
    CHECK(reactor.in_flight() == 250);
    // Each time that the queue was full it was handed over, so that eight stand there at most.
    CHECK(reactor.stats().enters == 31);
    CHECK(turn_until(*executor, [&] { return order.size() == 250; }));
    CHECK(std::is_sorted(order.begin(), order.end()));
    CHECK(reactor.stats().submitted == 250);
    CHECK(reactor.stats().completions == 250);
}

TEST_CASE("R10: a wait whose end is masked by the count of submissions still ends its timer") {
    UniqueFd event(eventfd(0, EFD_CLOEXEC));
    {
        io_uring ring{};
        REQUIRE(io_uring_queue_init(8, &ring, 0) == 0);
        io_uring_prep_poll_add(io_uring_get_sqe(&ring), event.get(), POLLIN);
        __kernel_timespec limit{.tv_sec = 0, .tv_nsec = 5'000'000};
        io_uring_cqe* completion = nullptr;
        int result = io_uring_submit_and_wait_timeout(&ring, &completion, 1, &limit, nullptr);
        // The fault: a success, without a completion.
        REQUIRE(result == 1);
        REQUIRE(completion == nullptr);
        io_uring_queue_exit(&ring);
    }
    run_io([&]() -> Co<void> {
        Reactor& reactor = Reactor::current();
        Operation waits{operations::PollAdd(event.get(), POLLIN)};
        CHECK_FALSE(co_await poll_once(waits));
        CHECK(reactor.ring().queued() == 1);
        std::uint64_t enters = reactor.stats().enters;
        Time start = Clock::now();
        co_await sleep(5ms);
        CHECK(Clock::now() - start >= 5ms);
        CHECK(Clock::now() - start < 5s);
        CHECK(reactor.stats().enters - enters <= 3);
        CHECK_FALSE(co_await poll_once(waits));
        CHECK(reactor.in_flight() == 1);
    });
}

TEST_CASE("R11: CQ overflow loses nothing") {
    auto ring = make_ring(8);
    for (std::uint64_t id = 0; id < 300; ++id) {
        io_uring_sqe* entry = ring->next_sqe();
        if (!entry) {
            ring->enter();
            entry = ring->next_sqe();
        }
        REQUIRE(entry);
        io_uring_prep_nop(entry);
        entry->user_data = id;
    }
    ring->enter();
    REQUIRE(ring->has_overflowed());
    REQUIRE(ring->has_deferred());
    std::uint64_t next = 0;
    while (next < 300) {
        Completion completion{};
        if (ring->pop(completion)) {
            REQUIRE(completion.user_data == next++);
        } else {
            // The queue looks empty, and is not.
            REQUIRE(ring->has_overflowed());
            ring->enter();
        }
    }
    ring->enter();
    CHECK_FALSE(ring->has_overflowed());
}

TEST_CASE("R11: a reactor whose completion queue overflows counts it and wakes everybody") {
    auto executor = make_io_executor(small);
    Reactor& reactor = reactor_of(*executor);
    constexpr int total = 1000;
    executor->run([&]() -> Co<void> {
        std::vector<Operation<operations::Nop>> nops;
        for (int i = 0; i < total; ++i) nops.emplace_back(operations::Nop());
        // All in one poll of one task: nothing is reaped meanwhile.
        for (auto& nop : nops) CHECK_FALSE(co_await poll_once(nop));
        CHECK(reactor.ring().has_overflowed());
        for (auto& nop : nops) CHECK(co_await nop);
    });
    CHECK(reactor.stats().overflows > 0);
    CHECK(reactor.stats().completions == total);
    CHECK(reactor.in_flight() == 0);
}

TEST_CASE("R13: a completion that the kernel defers is delivered by the next turn") {
    UniqueFd event(eventfd(0, EFD_CLOEXEC));
    auto ring = make_ring(8);
    io_uring_prep_poll_add(ring->next_sqe(), event.get(), POLLIN);
    ring->enter();
    REQUIRE(eventfd_write(event.get(), 1) == 0);
    Completion completion{};
    REQUIRE_FALSE(ring->pop(completion));
    REQUIRE(ring->has_deferred());
    ring->enter();
    REQUIRE(ring->pop(completion));
    CHECK(completion.result == POLLIN);

    auto executor = make_io_executor();
    Reactor& reactor = reactor_of(*executor);
    eventfd_t count = 0;
    REQUIRE(eventfd_read(event.get(), &count) == 0);
    auto task = executor->spawn_local(Operation(operations::PollAdd(event.get(), POLLIN)));
    executor->turn(false);
    executor->turn(false);
    std::uint64_t enters = reactor.stats().enters;
    executor->turn(false);
    CHECK(reactor.stats().enters == enters);
    REQUIRE(eventfd_write(event.get(), 1) == 0);
    executor->turn(false);
    CHECK(reactor.stats().enters == enters + 1);
    CHECK(task.is_finished());
}

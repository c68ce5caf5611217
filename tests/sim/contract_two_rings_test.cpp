// The contract: what rings have to do with each other.
#include "contract_support.hpp"

using namespace sim_contract;

TEST_CASE("two rings of one thread each have their own operations, though user data are the same") {
    TestRing first;
    TestRing second;
    UniqueFd event = make_event();
    UniqueFd other = make_event();
    first.start(1, io_uring_prep_poll_add, event.get(), POLLIN);
    second.start(1, io_uring_prep_poll_add, other.get(), POLLIN);
    CHECK(second.cancel(1) == 0);
    CHECK(second.result_of(1) == -ECANCELED);
    CHECK(first.still_waits(1));
    notify(event);
    CHECK(first.result_of(1) == POLLIN);
}

TEST_CASE("what one ring sends another receives") {
    TestRing first;
    TestRing second;
    Pair pair = unix_pair();
    char buffer[8];
    first.start(1, io_uring_prep_recv, pair.ours.get(), buffer, sizeof buffer, 0);
    CHECK(second.send(pair.theirs, "hello") == 5);
    CHECK(first.result_of(1) == 5);
    CHECK(std::string(buffer, 5) == "hello");
}

#if defined(SIM_CONTRACT_HAS_LATENCY_RING)

TEST_CASE("the latency ring shows the end of a timer to a loop that never enters the kernel") {
    TestRing latency(8, Ring::latency_flags);
    PreemptWords words = latency.ring().preempt_words();
    __kernel_timespec wait = timespec_of(5ms);
    Time start = Clock::now();
    latency.start(1, io_uring_prep_timeout, &wait, 0, 0);
    CHECK(spin_until([&] { return words.is_set(); }));
    CHECK(Clock::now() - start >= 5ms);
    CHECK(latency.result_of(1) == -ETIME);
    CHECK_FALSE(words.is_set());
}

TEST_CASE("the latency ring shows an event to a loop that never enters it") {
    TestRing latency(8, Ring::latency_flags);
    PreemptWords words = latency.ring().preempt_words();
    UniqueFd event = make_event();
    latency.start(1, io_uring_prep_poll_add, event.get(), POLLIN);
    CHECK_FALSE(words.is_set());
    notify(event);
    CHECK(spin_until([&] { return words.is_set(); }));
    CHECK(latency.result_of(1) == POLLIN);
    CHECK_FALSE(words.is_set());
}

TEST_CASE("the latency ring shows that its queue has overflowed") {
    TestRing latency(1, Ring::latency_flags);
    PreemptWords words = latency.ring().preempt_words();
    for (std::uint64_t id = 0; id < 40; ++id) latency.start(id, io_uring_prep_nop);
    CHECK(latency.ring().has_overflowed());
    CHECK(words.is_set());
    for (std::uint64_t id = 0; id < 40; ++id) CHECK(latency.result_of(id) == 0);
    CHECK_FALSE(words.is_set());
}

// Newer kernels end a poll of a ring with its first event, though it was to go on.
TEST_CASE("a sleep in the main ring, which polls the latency ring, ends with each of its completions") {
    TestRing latency(8, Ring::latency_flags);
    TestRing main;
    __kernel_timespec wait = timespec_of(2ms);
    for (bool is_armed = false; int round : {1, 2, 3}) {
        Time start = Clock::now();
        latency.start(2, io_uring_prep_timeout, &wait, 0, 0);
        if (!is_armed) main.start(1, io_uring_prep_poll_multishot, latency.ring().fd(), POLLIN);
        CAPTURE(round);
        Completion completion = main.wait_for(1);
        is_armed = goes_on(completion);
        CHECK(Clock::now() - start >= 2ms);
        CHECK((completion.result & POLLIN) != 0);
        CHECK(latency.ring().has_completions());
        CHECK(latency.result_of(2) == -ETIME);
    }
}

TEST_CASE("a poll of the latency ring that is armed after its completion has come ends the sleep as well") {
    TestRing latency(8, Ring::latency_flags);
    TestRing main;
    latency.start(2, io_uring_prep_nop);
    main.start(1, io_uring_prep_poll_multishot, latency.ring().fd(), POLLIN);
    CHECK((main.result_of(1) & POLLIN) != 0);
    CHECK(latency.result_of(2) == 0);
}

TEST_CASE("a sleep in the main ring ends with data that arrives for the latency ring") {
    TestRing latency(8, Ring::latency_flags);
    TestRing main;
    Pair pair = unix_pair();
    char buffer[8];
    main.start(1, io_uring_prep_poll_multishot, latency.ring().fd(), POLLIN);
    latency.start(2, io_uring_prep_recv, pair.ours.get(), buffer, sizeof buffer, 0);
    CHECK(main.still_waits(1));
    CHECK(main.send(pair.theirs, "urgent") == 6);
    CHECK((main.result_of(1) & POLLIN) != 0);
    CHECK(latency.result_of(2) == 6);
}

#endif

#if defined(SIM_CONTRACT_HAS_MESSAGES)

TEST_CASE("a message from ring to ring is a completion with the user data that it names, and ends a wait") {
    TestRing from;
    TestRing to;
    to.expect(7);
    CHECK(from.run(io_uring_prep_msg_ring, to.ring().fd(), 0, 7, 0) == 0);
    Time start = Clock::now();
    Completion completion = to.wait_for(7);
    CHECK(Clock::now() - start < far);
    CHECK(completion.result == 0);
    CHECK_FALSE(goes_on(completion));
}

// Linux 6.1 puts it into the queue of a ring of the same thread at once, 6.18 announces it.
TEST_CASE("a message is seen without entering: in the queue, or announced by a flag") {
    TestRing from;
    auto to = make_ring();
    CHECK_FALSE(to->has_deferred());
    CHECK(from.run(io_uring_prep_msg_ring, to->fd(), 0, 7, 0) == 0);
    CHECK(spin_until([&] { return to->has_completions() || to->has_deferred(); }));
    to->enter();
    Completion completion{};
    REQUIRE(to->pop(completion));
    CHECK(completion.user_data == 7);
}

TEST_CASE("messages to a ring whose queue is full all arrive") {
    TestRing from;
    TestRing to(1);
    for (std::uint64_t id = 0; id < 100; ++id) {
        to.expect(id);
        REQUIRE(from.run(io_uring_prep_msg_ring, to.ring().fd(), 0, id, 0) == 0);
    }
    for (std::uint64_t id = 0; id < 100; ++id) CHECK(to.result_of(id) == 0);
}

TEST_CASE("a message to what is no ring is refused") {
    TestRing from;
    UniqueFd event = make_event();
    CHECK(from.run(io_uring_prep_msg_ring, event.get(), 0, 7, 0) == -EBADFD);
    int number = event.get();
    event = UniqueFd();
    CHECK(from.run(io_uring_prep_msg_ring, number, 0, 7, 0) == -EBADF);
}

TEST_CASE("a message to a ring that was closed is refused") {
    TestRing from;
    auto to = make_ring();
    int number = to->fd();
    to.reset();
    CHECK(from.run(io_uring_prep_msg_ring, number, 0, 7, 0) == -EBADF);
}

#endif

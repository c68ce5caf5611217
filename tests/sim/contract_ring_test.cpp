// The contract: the two queues, entering, and waiting.
#include "contract_support.hpp"

using namespace sim_contract;

namespace {

void queue_nop(Ring& ring, std::uint64_t user_data) {
    io_uring_sqe* entry = ring.next_sqe();
    REQUIRE(entry);
    io_uring_prep_nop(entry);
    entry->user_data = user_data;
}

// Submits `count` NOPs and looks at no completion.
void submit_nops(Ring& ring, unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
        queue_nop(ring, i);
        ring.enter();
        REQUIRE(ring.queued() == 0);
    }
}

}  // namespace

TEST_CASE("nothing reaches the kernel before enter") {
    auto ring = make_ring();
    queue_nop(*ring, 1);
    Completion completion;
    CHECK(ring->queued() == 1);
    CHECK_FALSE(ring->pop(completion));
    CHECK(ring->enter() == 0);
    CHECK(ring->queued() == 0);
    ring->enter_and_wait(after(Clock::now(), far));
    CHECK(ring->pop(completion));
    CHECK_FALSE(ring->pop(completion));
}

TEST_CASE("a full submission queue has no entry, and has all of them when the kernel has taken its own") {
    auto ring = make_ring(8);
    for (int round = 0; round < 3; ++round) {
        for (std::uint64_t i = 0; i < 8; ++i) queue_nop(*ring, i);
        CHECK(ring->next_sqe() == nullptr);
        CHECK(ring->queued() == 8);
        CHECK(ring->enter() == 0);
        CHECK(ring->queued() == 0);
    }
}

TEST_CASE("each entry has one completion, with the user data that it was given") {
    TestRing ring;
    for (std::uint64_t round = 0; round < 100; ++round) {
        for (std::uint64_t i = 0; i < 5; ++i) ring.queue(i, io_uring_prep_nop);
        for (std::uint64_t i = 0; i < 5; ++i) CHECK(ring.result_of(i) == 0);
    }
    auto raw = make_ring();
    Completion completion{};
    for (std::uint64_t user_data : {std::uint64_t{0}, 0x8000'0000'0000'0001, ~std::uint64_t{0}}) {
        queue_nop(*raw, user_data);
        raw->enter_and_wait(after(Clock::now(), far));
        REQUIRE(raw->pop(completion));
        CHECK(completion.user_data == user_data);
        CHECK_FALSE(goes_on(completion));
    }
}

TEST_CASE("a bad entry fails, and does not hold up those behind it") {
    TestRing ring;
    char byte;
    ring.queue(1, io_uring_prep_nop);
    ring.queue(2, io_uring_prep_read, -1, &byte, 1, 0);
    ring.queue(3, io_uring_prep_nop).opcode = 255;
    ring.queue(4, io_uring_prep_recv, 1'000'000, &byte, 1, 0);
    ring.queue(5, io_uring_prep_nop);
    CHECK(ring.ring().enter() == 0);
    CHECK(ring.ring().queued() == 0);
    CHECK(ring.result_of(1) == 0);
    CHECK(ring.result_of(2) == -EBADF);
    CHECK(ring.result_of(3) == -EINVAL);
    CHECK(ring.result_of(4) == -EBADF);
    CHECK(ring.result_of(5) == 0);
}

TEST_CASE("an entry's descriptor is looked up when the kernel takes the entry, not when it is filled") {
    TestRing ring;
    Pair pair = unix_pair();
    char byte;
    ring.queue(1, io_uring_prep_recv, pair.ours.get(), &byte, 1, 0);
    pair.ours = UniqueFd();
    pair.theirs = UniqueFd();
    ring.ring().enter();
    CHECK(ring.result_of(1) == -EBADF);
}

TEST_CASE("what completes later is announced by a flag, and delivered only by enter") {
    auto ring = make_ring();
    UniqueFd event = make_event();
    io_uring_sqe* entry = ring->next_sqe();
    io_uring_prep_poll_add(entry, event.get(), POLLIN);
    entry->user_data = 1;
    ring->enter();
    CHECK_FALSE(ring->has_deferred());
    notify(event);
    CHECK(spin_until([&] { return ring->has_deferred(); }));
    Completion completion{};
    CHECK_FALSE(ring->pop(completion));
    ring->enter();
    REQUIRE(ring->pop(completion));
    CHECK(completion.user_data == 1);
    CHECK_FALSE(ring->has_deferred());
}

TEST_CASE(
    "a timer that ends while the program computes is announced by a flag, and delivered only by enter") {
    auto ring = make_ring();
    __kernel_timespec wait = timespec_of(5ms);
    Time start = Clock::now();
    io_uring_prep_timeout(ring->next_sqe(), &wait, 0, 0);
    ring->enter();
    CHECK(spin_until([&] { return ring->has_deferred(); }));
    CHECK(Clock::now() - start >= 5ms);
    Completion completion{};
    CHECK_FALSE(ring->pop(completion));
    ring->enter();
    REQUIRE(ring->pop(completion));
    CHECK(completion.result == -ETIME);
}

TEST_CASE("enter delivers what has come by then, and does not sleep") {
    TestRing ring;
    UniqueFd event = make_event();
    ring.start(1, io_uring_prep_poll_add, event.get(), POLLIN);
    Time start = Clock::now();
    for (int i = 0; i < 100; ++i) CHECK(ring.still_waits(1));
    CHECK(Clock::now() - start < far);
}

TEST_CASE(
    "completions that do not fit into the queue are kept, announced, and delivered when there is room") {
    auto ring = make_ring(1);
    constexpr unsigned count = 100;
    submit_nops(*ring, count);
    CHECK(ring->has_overflowed());
    CHECK(ring->has_deferred());
    std::vector<int> seen(count, 0);
    unsigned total = 0;
    for (bool some = true; some;) {
        some = false;
        for (Completion completion; ring->pop(completion); some = true, ++total) {
            REQUIRE(completion.user_data < count);
            ++seen[completion.user_data];
        }
        ring->enter();
    }
    CHECK(total == count);
    for (int times : seen) CHECK(times == 1);
    CHECK_FALSE(ring->has_overflowed());
}

TEST_CASE("with a queue that has overflowed, a wait does not sleep, and submits all the same") {
    auto ring = make_ring(1);
    submit_nops(*ring, 17);
    REQUIRE(ring->has_overflowed());
    Time start = Clock::now();
    queue_nop(*ring, 17);
    int result = ring->enter_and_wait(after(start, far));
    bool is_as_expected = result == 0 || result == -EBUSY;
    CHECK(is_as_expected);
    CHECK(Clock::now() - start < far);
    unsigned total = 0;
    for (int round = 0; round < 4; ++round) {
        for (Completion completion; ring->pop(completion);) ++total;
        ring->enter();
    }
    CHECK(total == 18);
}

// --- Waiting ------------------------------------------------------------------------------------

TEST_CASE("a wait in which nothing comes ends at its deadline, never before") {
    TestRing ring;
    UniqueFd event = make_event();
    ring.start(1, io_uring_prep_poll_add, event.get(), POLLIN);
    for (Duration wait : {Duration(1), Duration(300us), Duration(5ms)}) {
        Time deadline = after(Clock::now(), wait);
        int result = ring.ring().enter_and_wait(deadline);
        CHECK(Clock::now() >= deadline);
        bool is_quiet = result == 0 || result == -ETIME;
        CHECK(is_quiet);
        CHECK(ring.still_waits(1));
    }
}

TEST_CASE("a wait whose deadline is past does not sleep") {
    TestRing ring;
    UniqueFd event = make_event();
    ring.start(1, io_uring_prep_poll_add, event.get(), POLLIN);
    Time start = Clock::now();
    for (int i = 0; i < 100; ++i) ring.ring().enter_and_wait(start - 1s);
    CHECK(Clock::now() - start < far);
    CHECK(ring.still_waits(1));
}

// A timer may end a wait a moment before its completion is there (kernel 6.18): who finds none waits again.
TEST_CASE("a wait ends with the first completion, however far its deadline; so does one without deadline") {
    auto ring = make_ring();
    __kernel_timespec wait = timespec_of(5ms);
    for (bool has_deadline : {true, false}) {
        Time start = Clock::now();
        io_uring_prep_timeout(ring->next_sqe(), &wait, 0, 0);
        ring->enter();
        Completion completion{};
        while (!ring->pop(completion) && Clock::now() - start < far)
            ring->enter_and_wait(has_deadline ? std::optional(after(start, far)) : std::nullopt);
        CHECK(Clock::now() - start >= 5ms);
        CHECK(Clock::now() - start < far);
        CHECK(completion.result == -ETIME);
    }
}

TEST_CASE("a wait submits what is queued, and ends at its deadline all the same if that does not complete") {
    TestRing ring;
    UniqueFd event = make_event();
    ring.queue(1, io_uring_prep_poll_add, event.get(), POLLIN);
    Time deadline = after(Clock::now(), 5ms);
    ring.ring().enter_and_wait(deadline);
    CHECK(Clock::now() >= deadline);
    CHECK(ring.ring().queued() == 0);
    CHECK(ring.still_waits(1));
    notify(event);
    CHECK(ring.result_of(1) == POLLIN);
}

TEST_CASE("a wait ends at once if what completes it came before") {
    TestRing ring;
    UniqueFd event = make_event();
    ring.start(1, io_uring_prep_poll_add, event.get(), POLLIN);
    notify(event);
    Time start = Clock::now();
    ring.ring().enter_and_wait(after(start, far));
    Completion completion{};
    CHECK(Clock::now() - start < far);
    CHECK(ring.result_of(1) == POLLIN);
    CHECK_FALSE(ring.ring().pop(completion));
}

TEST_CASE("wait_only sleeps for its time and submits nothing") {
    auto ring = make_ring();
    queue_nop(*ring, 1);
    Time start = Clock::now();
    ring->wait_only(2ms);
    CHECK(Clock::now() - start >= 2ms);
    CHECK(ring->queued() == 1);
    Completion completion{};
    CHECK_FALSE(ring->pop(completion));
    ring->enter_and_wait(after(start, far));
    CHECK(ring->pop(completion));
}

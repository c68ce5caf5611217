// The contract: timeouts, polls, and cancelling.
#include "contract_support.hpp"

using namespace sim_contract;

// --- Timeouts -----------------------------------------------------------------------------------

TEST_CASE("a timeout ends with ETIME, and never early") {
    TestRing ring;
    for (Duration length : {Duration(1us), Duration(300us), Duration(5ms)}) {
        __kernel_timespec wait = timespec_of(length);
        Time start = Clock::now();
        ring.start(1, io_uring_prep_timeout, &wait, 0, 0);
        CHECK(ring.result_of(1) == -ETIME);
        CHECK(Clock::now() - start >= length);
    }
}

TEST_CASE("the length of a timeout is read when the kernel takes the entry, and not later") {
    TestRing ring;
    __kernel_timespec wait = timespec_of(far);
    Time start = Clock::now();
    ring.queue(1, io_uring_prep_timeout, &wait, 0, 0);
    wait = timespec_of(3ms);
    ring.ring().enter();
    wait = timespec_of(far);
    CHECK(ring.result_of(1) == -ETIME);
    CHECK(Clock::now() - start >= 3ms);
    CHECK(Clock::now() - start < far);
}

TEST_CASE("a timeout in flight can be given an earlier end") {
    TestRing ring;
    __kernel_timespec wait = timespec_of(far);
    __kernel_timespec shorter = timespec_of(3ms);
    ring.start(1, io_uring_prep_timeout, &wait, 0, 0);
    Time start = Clock::now();
    CHECK(ring.run(io_uring_prep_timeout_update, &shorter, 1, 0) == 0);
    CHECK(ring.result_of(1) == -ETIME);
    CHECK(Clock::now() - start >= 3ms);
    CHECK(Clock::now() - start < far);
}

TEST_CASE("a timeout in flight can be put off") {
    TestRing ring;
    __kernel_timespec wait = timespec_of(far / 2);
    __kernel_timespec longer = timespec_of(2 * far);
    ring.start(1, io_uring_prep_timeout, &wait, 0, 0);
    CHECK(ring.run(io_uring_prep_timeout_update, &longer, 1, 0) == 0);
    __kernel_timespec again = timespec_of(3ms);
    Time start = Clock::now();
    CHECK(ring.run(io_uring_prep_timeout_update, &again, 1, 0) == 0);
    CHECK(ring.result_of(1) == -ETIME);
    CHECK(Clock::now() - start >= 3ms);
}

TEST_CASE("a timeout that has ended, or never was, cannot be given another end") {
    TestRing ring;
    __kernel_timespec wait = timespec_of(1us);
    ring.start(1, io_uring_prep_timeout, &wait, 0, 0);
    CHECK(ring.result_of(1) == -ETIME);
    CHECK(ring.run(io_uring_prep_timeout_update, &wait, 1, 0) == -ENOENT);
    CHECK(ring.run(io_uring_prep_timeout_update, &wait, 99, 0) == -ENOENT);
}

TEST_CASE("a timeout can be cancelled") {
    TestRing ring;
    __kernel_timespec wait = timespec_of(far);
    ring.start(1, io_uring_prep_timeout, &wait, 0, 0);
    CHECK(ring.cancel(1) == 0);
    CHECK(ring.result_of(1) == -ECANCELED);
}

// --- Polls --------------------------------------------------------------------------------------

TEST_CASE("a poll of what is ready ends at once, with those of its events that struck") {
    TestRing ring;
    Pair pair = unix_pair();
    CHECK(ring.run(io_uring_prep_poll_add, pair.ours.get(), POLLIN | POLLOUT) == POLLOUT);
    CHECK(ring.send(pair.theirs, "data") == 4);
    CHECK(ring.run(io_uring_prep_poll_add, pair.ours.get(), POLLIN) == POLLIN);
    CHECK(ring.run(io_uring_prep_poll_add, pair.ours.get(), POLLIN | POLLOUT) == (POLLIN | POLLOUT));
    CHECK(ring.receive(pair.ours) == "data");
}

TEST_CASE("a poll waits for its event, tells of it once, and takes nothing away") {
    TestRing ring;
    Pair pair = unix_pair();
    ring.start(1, io_uring_prep_poll_add, pair.ours.get(), POLLIN);
    CHECK(ring.still_waits(1));
    CHECK(ring.send(pair.theirs, "data") == 4);
    Completion completion = ring.wait_for(1);
    CHECK(completion.result == POLLIN);
    CHECK_FALSE(goes_on(completion));
    CHECK(ring.receive(pair.ours) == "data");
}

TEST_CASE("a poll for room to write waits while the reader does not read") {
    TestRing ring;
    Pair pair = unix_pair();
    value_of(sys::set_nonblocking(pair.ours.get(), true));
    std::byte page[4096]{};
    std::size_t total = 0;
    Result<std::size_t> written;
    while ((written = sys::write(pair.ours.get(), page))) total += *written;
    CHECK(written.error().value() == EAGAIN);
    CHECK(total > 0);
    ring.start(1, io_uring_prep_poll_add, pair.ours.get(), POLLOUT);
    CHECK(ring.still_waits(1));
    while (total > 0) total -= ring.receive(pair.theirs, 65536).size();
    CHECK(ring.result_of(1) == POLLOUT);
}

TEST_CASE("a multishot poll tells of each event anew, though nobody reads") {
    TestRing ring;
    UniqueFd event = make_event();
    ring.start(1, io_uring_prep_poll_multishot, event.get(), POLLIN);
    CHECK(ring.still_waits(1));
    for (int round = 0; round < 5; ++round) {
        notify(event);
        Completion completion = ring.wait_for(1);
        CHECK((completion.result & POLLIN) != 0);
        CHECK(goes_on(completion));
        CHECK(ring.still_waits(1));
    }
}

TEST_CASE("a multishot poll of what is ready already tells so") {
    TestRing ring;
    UniqueFd event = make_event();
    notify(event);
    ring.start(1, io_uring_prep_poll_multishot, event.get(), POLLIN);
    Completion completion = ring.wait_for(1);
    CHECK((completion.result & POLLIN) != 0);
    CHECK(goes_on(completion));
}

TEST_CASE("a poll learns that the peer has closed, though it did not ask for that") {
    TestRing ring;
    Pair pair = unix_pair();
    ring.start(1, io_uring_prep_poll_add, pair.ours.get(), POLLIN);
    CHECK(ring.still_waits(1));
    pair.theirs = UniqueFd();
    CHECK((ring.result_of(1) & (POLLIN | POLLHUP)) == (POLLIN | POLLHUP));
    CHECK((ring.run(io_uring_prep_poll_add, pair.ours.get(), POLLIN) & POLLHUP) != 0);
}

// --- Cancelling ---------------------------------------------------------------------------------

TEST_CASE("an operation that waits can be cancelled, and takes nothing with it") {
    TestRing ring;
    Pair pair = unix_pair();
    char buffer[8];
    ring.start(1, io_uring_prep_recv, pair.ours.get(), buffer, sizeof buffer, 0);
    CHECK(ring.still_waits(1));
    CHECK(ring.cancel(1) == 0);
    Completion completion = ring.wait_for(1);
    CHECK(completion.result == -ECANCELED);
    CHECK_FALSE(goes_on(completion));
    CHECK(ring.send(pair.theirs, "later") == 5);
    CHECK(ring.receive(pair.ours) == "later");
}

TEST_CASE("a cancellation may be submitted together with its target, behind it") {
    TestRing ring;
    Pair pair = unix_pair();
    char buffer[8];
    ring.queue(1, io_uring_prep_recv, pair.ours.get(), buffer, sizeof buffer, 0);
    ring.queue(2, io_uring_prep_cancel64, 1, 0);
    ring.ring().enter();
    CHECK(ring.result_of(2) == 0);
    CHECK(ring.result_of(1) == -ECANCELED);
}

TEST_CASE("what is unknown cannot be cancelled") {
    TestRing ring;
    CHECK(ring.cancel(99) == -ENOENT);
}

TEST_CASE("what has ended cannot be cancelled, be its completion seen or not") {
    TestRing ring;
    Pair pair = unix_pair();
    char buffer[8];
    CHECK(ring.send(pair.theirs, "data") == 4);
    ring.queue(1, io_uring_prep_recv, pair.ours.get(), buffer, sizeof buffer, 0);
    ring.queue(2, io_uring_prep_cancel64, 1, 0);
    ring.ring().enter();
    CHECK(ring.result_of(2) == -ENOENT);
    CHECK(ring.result_of(1) == 4);
    CHECK(ring.cancel(1) == -ENOENT);
}

TEST_CASE("data that has come when the cancellation does is either received or still there") {
    TestRing ring;
    TestRing peer;
    Pair pair = unix_pair();
    char buffer[8];
    ring.start(1, io_uring_prep_recv, pair.ours.get(), buffer, sizeof buffer, 0);
    CHECK(peer.send(pair.theirs, "data") == 4);
    int verdict = ring.cancel(1);
    int result = ring.result_of(1);
    bool is_verdict = verdict == 0 || verdict == -ENOENT || verdict == -EALREADY;
    CHECK(is_verdict);
    if (result == -ECANCELED) {
        CHECK(ring.receive(pair.ours) == "data");
    } else {
        REQUIRE(result == 4);
        CHECK(std::string(buffer, 4) == "data");
    }
}

TEST_CASE("a cancellation goes by all 64 bits of the user data: another generation is not touched") {
    TestRing ring;
    Pair pair = unix_pair();
    char buffer[8];
    ring.start(5, io_uring_prep_recv, pair.ours.get(), buffer, sizeof buffer, 0);
    CHECK(ring.cancel(std::uint64_t{1} << 32 | 5) == -ENOENT);
    CHECK(ring.still_waits(5));
    CHECK(ring.send(pair.theirs, "data") == 4);
    CHECK(ring.result_of(5) == 4);
}

TEST_CASE("user data that belonged to an operation that has ended may be used again") {
    TestRing ring;
    Pair pair = unix_pair();
    char buffer[8];
    for (int round = 0; round < 3; ++round) {
        ring.start(1, io_uring_prep_recv, pair.ours.get(), buffer, sizeof buffer, 0);
        CHECK(ring.cancel(1) == 0);
        CHECK(ring.result_of(1) == -ECANCELED);
    }
}

TEST_CASE("a poll that goes on is ended by a cancellation") {
    TestRing ring;
    UniqueFd event = make_event();
    ring.start(1, io_uring_prep_poll_multishot, event.get(), POLLIN);
    notify(event);
    CHECK(goes_on(ring.wait_for(1)));
    CHECK(ring.cancel(1) == 0);
    Completion completion = ring.wait_for(1);
    CHECK(completion.result == -ECANCELED);
    CHECK_FALSE(goes_on(completion));
}

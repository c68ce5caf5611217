// The contract: stream sockets that are connected.
#include "contract_support.hpp"

using namespace sim_contract;

namespace {

// The kernel has one kind of stream for both families, as far as Ringlet is concerned: each case runs on
// both.
template <class Check>
void on_both(Check check) {
    SUBCASE("a pair") {
        TestRing ring;
        check(ring, unix_pair());
    }
    SUBCASE("TCP") {
        TestRing ring;
        Pair pair = tcp_pair(ring);
        check(ring, std::move(pair));
    }
}

constexpr std::size_t mebibyte = 1 << 20;

// Longer than any socket's buffers.
constexpr std::size_t long_text = 16 * mebibyte;

void start_long_send(TestRing& ring, std::uint64_t id, const UniqueFd& socket, const std::string& text) {
    ring.start(id, io_uring_prep_send, socket.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_WAITALL);
}

bool is_part_or_broken(int result) {
    return result == -EPIPE || result == -ECONNRESET ||
           (result > 0 && static_cast<std::size_t>(result) < long_text);
}

}  // namespace

TEST_CASE("a receive gives what is there, in order, and no more than fits") {
    on_both([](TestRing& ring, Pair pair) {
        CHECK(ring.send(pair.theirs, "one ") == 4);
        CHECK(ring.send(pair.theirs, "two") == 3);
        CHECK(ring.receive(pair.ours, 2) == "on");
        std::string rest;
        while (rest.size() < 5) rest += ring.receive(pair.ours);
        CHECK(rest == "e two");
    });
}

TEST_CASE("a receive waits for data, and does not wait until its buffer is full") {
    on_both([](TestRing& ring, Pair pair) {
        char buffer[64];
        ring.start(1, io_uring_prep_recv, pair.ours.get(), buffer, sizeof buffer, 0);
        CHECK(ring.still_waits(1));
        CHECK(ring.send(pair.theirs, "short") == 5);
        CHECK(ring.result_of(1) == 5);
        CHECK(std::string(buffer, 5) == "short");
    });
}

TEST_CASE("after the peer has closed, what it had sent is received, and then the end, however often") {
    on_both([](TestRing& ring, Pair pair) {
        CHECK(ring.send(pair.theirs, "last words") == 10);
        pair.theirs = UniqueFd();
        CHECK(ring.receive(pair.ours) == "last words");
        for (int round = 0; round < 3; ++round) CHECK(ring.receive(pair.ours).empty());
    });
}

TEST_CASE("a receive that waits ends when the peer closes") {
    on_both([](TestRing& ring, Pair pair) {
        char byte;
        ring.start(1, io_uring_prep_recv, pair.ours.get(), &byte, 1, 0);
        CHECK(ring.still_waits(1));
        pair.theirs = UniqueFd();
        CHECK(ring.result_of(1) == 0);
    });
}

TEST_CASE("who has ended one direction still gets what comes from the other") {
    on_both([](TestRing& ring, Pair pair) {
        CHECK(ring.send(pair.ours, "question") == 8);
        value_of(sys::shutdown(pair.ours.get(), SHUT_WR));
        CHECK(ring.receive(pair.theirs) == "question");
        CHECK(ring.receive(pair.theirs).empty());
        CHECK(ring.send(pair.theirs, "answer") == 6);
        CHECK(ring.receive(pair.ours) == "answer");
        CHECK(ring.send(pair.ours, "more") == -EPIPE);
    });
}

TEST_CASE("a send to a peer that is gone fails with EPIPE, and raises no signal") {
    TestRing ring;
    Pair pair = unix_pair();
    pair.theirs = UniqueFd();
    CHECK(ring.send(pair.ours, "anybody?") == -EPIPE);
    CHECK(ring.send(pair.ours, "anybody?") == -EPIPE);
}

TEST_CASE("over TCP the first send to a peer that is gone is taken, a later one fails") {
    TestRing ring;
    Pair pair = tcp_pair(ring);
    pair.theirs = UniqueFd();
    CHECK(ring.receive(pair.ours).empty());
    int result = 0;
    int sends = 0;
    while ((result = ring.send(pair.ours, "anybody?")) == 8 && sends < 100'000) ++sends;
    CHECK(sends > 0);
    bool is_error = result == -EPIPE || result == -ECONNRESET;
    CHECK(is_error);
}

TEST_CASE("a send of more than fits waits for the reader, and completes once, with all of it") {
    on_both([](TestRing& ring, Pair pair) {
        std::string text = pattern(long_text);
        start_long_send(ring, 1, pair.ours, text);
        CHECK(ring.still_waits(1));
        std::string heard;
        while (heard.size() < text.size()) heard += ring.receive(pair.theirs, mebibyte);
        CHECK(ring.result_of(1) == static_cast<int>(text.size()));
        bool is_intact = heard == text;
        CHECK(is_intact);
    });
}

TEST_CASE("a send that waits ends when its peer closes") {
    on_both([](TestRing& ring, Pair pair) {
        std::string text = pattern(long_text);
        start_long_send(ring, 1, pair.ours, text);
        CHECK(ring.still_waits(1));
        pair.theirs = UniqueFd();
        CHECK(is_part_or_broken(ring.result_of(1)));
    });
}

TEST_CASE("a send that waits can be cancelled: it tells what it has sent, or that it was cancelled") {
    on_both([](TestRing& ring, Pair pair) {
        std::string text = pattern(long_text);
        start_long_send(ring, 1, pair.ours, text);
        CHECK(ring.still_waits(1));
        CHECK(ring.cancel(1) == 0);
        int result = ring.result_of(1);
        bool is_cut = result == -ECANCELED || is_part_or_broken(result);
        CHECK(is_cut);
    });
}

TEST_CASE("shutdown of both directions ends what waits on the socket") {
    on_both([](TestRing& ring, Pair pair) {
        std::string text = pattern(long_text);
        char byte;
        start_long_send(ring, 1, pair.ours, text);
        ring.start(2, io_uring_prep_recv, pair.ours.get(), &byte, 1, 0);
        CHECK(ring.still_waits(1));
        CHECK(ring.still_waits(2));
        value_of(sys::shutdown(pair.ours.get(), SHUT_RDWR));
        CHECK(is_part_or_broken(ring.result_of(1)));
        CHECK(ring.result_of(2) == 0);
        CHECK(ring.send(pair.ours, "more") == -EPIPE);
    });
}

TEST_CASE("a receive in flight holds its socket: it completes after the descriptor was closed") {
    on_both([](TestRing& ring, Pair pair) {
        char buffer[8];
        ring.start(1, io_uring_prep_recv, pair.ours.get(), buffer, sizeof buffer, 0);
        CHECK(ring.run(io_uring_prep_close, pair.ours.get()) == 0);
        int number = pair.ours.release();
        CHECK(ring.still_waits(1));
        CHECK(ring.run(io_uring_prep_recv, number, buffer, sizeof buffer, 0) == -EBADF);
        CHECK(ring.send(pair.theirs, "late") == 4);
        CHECK(ring.result_of(1) == 4);
        CHECK(std::string(buffer, 4) == "late");
        CHECK(ring.receive(pair.theirs).empty());
    });
}

TEST_CASE("a socket whose descriptor was closed during a receive is closed when that is cancelled") {
    on_both([](TestRing& ring, Pair pair) {
        char byte;
        ring.start(1, io_uring_prep_recv, pair.ours.get(), &byte, 1, 0);
        ring.start(2, io_uring_prep_recv, pair.theirs.get(), &byte, 1, 0);
        pair.ours = UniqueFd();
        CHECK(ring.still_waits(2));
        CHECK(ring.cancel(1) == 0);
        CHECK(ring.result_of(1) == -ECANCELED);
        CHECK(ring.result_of(2) == 0);
    });
}

TEST_CASE("close with bytes unread resets the connection: the peer gets ECONNRESET, and not the end") {
    on_both([](TestRing& ring, Pair pair) {
        CHECK(ring.send(pair.ours, "nobody will read this") == 21);
        CHECK(ring.run(io_uring_prep_poll_add, pair.theirs.get(), POLLIN) == POLLIN);
        char byte;
        ring.start(1, io_uring_prep_recv, pair.ours.get(), &byte, 1, 0);
        CHECK(ring.still_waits(1));
        pair.theirs = UniqueFd();
        CHECK(ring.result_of(1) == -ECONNRESET);
        CHECK(ring.receive(pair.ours).empty());
    });
}

// What the ring does with sockets that are O_NONBLOCK differs between kernels, and nothing rests on it.
TEST_CASE("with O_NONBLOCK a read outside the ring fails with EAGAIN; without, one in the ring waits") {
    on_both([](TestRing& ring, Pair pair) {
        std::byte buffer[8];
        value_of(sys::set_nonblocking(pair.ours.get(), true));
        auto read = sys::read(pair.ours.get(), buffer);
        REQUIRE_FALSE(read);
        CHECK(read.error().value() == EAGAIN);
        CHECK(ring.send(pair.theirs, "data") == 4);
        CHECK(ring.run(io_uring_prep_poll_add, pair.ours.get(), POLLIN) == POLLIN);
        CHECK(value_of(sys::read(pair.ours.get(), buffer)) == 4);
        value_of(sys::set_nonblocking(pair.ours.get(), false));
        ring.start(1, io_uring_prep_recv, pair.ours.get(), buffer, sizeof buffer, 0);
        CHECK(ring.still_waits(1));
        CHECK(ring.send(pair.theirs, "x") == 1);
        CHECK(ring.result_of(1) == 1);
    });
}

TEST_CASE("one socket receives and sends at the same time") {
    on_both([](TestRing& ring, Pair pair) {
        char buffer[8];
        ring.start(1, io_uring_prep_recv, pair.ours.get(), buffer, sizeof buffer, 0);
        CHECK(ring.send(pair.ours, "out") == 3);
        CHECK(ring.still_waits(1));
        CHECK(ring.receive(pair.theirs) == "out");
        CHECK(ring.send(pair.theirs, "in") == 2);
        CHECK(ring.result_of(1) == 2);
    });
}

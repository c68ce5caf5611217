// RELIABILITY rows 23 to 26 for sockets: cancellations that lose their race, timeouts that win theirs,
// and closing while operations are in flight.
#include "kernel_spy.hpp"
#include "net_support.hpp"
#include "raw_ring.hpp"

using namespace support;

namespace {

// Lets the kernel work and leaves what it completes in the queue.
void enter_without_reaping() { Reactor::current().ring().enter(); }

SharedFd listening_socket() { return SharedFd(value_of(open_listener(SocketAddress::loopback(0), 100))); }

std::uint16_t port_at(const SharedFd& listener) {
    return value_of(address_of(&sys::local_address, listener.get())).port();
}

auto receive_from(const SharedFd& socket, std::size_t bytes) {
    return Operation(operations::Receive(socket, std::string(bytes, '\0')));
}

std::size_t position_of(SpyEvent::Kind kind, unsigned opcode) {
    auto is_it = [=](const SpyEvent& e) { return e.kind == kind && e.opcode == opcode; };
    auto& events = spy.events();
    return std::find_if(events.begin(), events.end(), is_it) - events.begin();
}

}  // namespace

TEST_CASE("R23: an accept that was dropped after the kernel had accepted closes the connection") {
    run_io([]() -> Co<void> {
        SharedFd listener = listening_socket();
        for (bool reaped : {false, true}) {
            UniqueFd client = raw_tcp_socket();
            std::size_t before = open_descriptors();
            {
                Operation accept{operations::Accept(listener)};
                bool ready = co_await poll_once(accept);
                CHECK(!ready);
                co_await round_trip();
                REQUIRE(raw_connect(client.get(), port_at(listener)));
                enter_without_reaping();
                if (reaped) co_await round_trip();
                REQUIRE(open_descriptors() == before + 1);  // the accept has won
            }
            co_await all_ended();
            CHECK(open_descriptors() == before);
            CHECK(get(client.get()).empty());  // and the peer has been told
        }
    });
}

TEST_CASE("R23: a listener that was dropped after the kernel had accepted closes the connections") {
    run_io([]() -> Co<void> {
        std::vector<UniqueFd> clients;
        for (int i = 0; i < 10; ++i) clients.push_back(raw_tcp_socket());
        std::size_t before = open_descriptors();
        {
            auto listener = value_of(TcpListener::bind(SocketAddress::loopback(0)));
            auto accept = listener.accept();
            bool ready = co_await poll_once(accept);
            CHECK(!ready);
            co_await round_trip();
            for (auto& client : clients) REQUIRE(raw_connect(client.get(), port_of(listener)));
            enter_without_reaping();
            REQUIRE(open_descriptors() == before + 1 + 10);
        }
        co_await all_ended();
        CHECK(open_descriptors() == before);
        for (auto& client : clients) CHECK(peek_one(client.get()) <= 0);
    });
}

TEST_CASE("R23: accepts dropped at any moment of a connection's arrival leak nothing") {
    run_io([]() -> Co<void> {
        std::size_t before = open_descriptors();
        std::mt19937_64 random(23);
        for (int i = 0; i < 300; ++i) {
            SharedFd listener = listening_socket();
            UniqueFd client = raw_tcp_socket();
            Operation accept{operations::Accept(listener)};
            if (random() % 2) static_cast<void>(co_await poll_once(accept));
            if (random() % 2) co_await round_trip();
            REQUIRE(raw_connect(client.get(), port_at(listener)));
            if (random() % 2) enter_without_reaping();
            if (random() % 2) co_await round_trip();
        }
        co_await all_ended();
        int accepted = spy.count([](const SpyEvent& e) {
            return e.kind == SpyEvent::completed && e.opcode == IORING_OP_ACCEPT && e.result >= 0;
        });
        CHECK(accepted > 30);
        CHECK(spy.completed(IORING_OP_ACCEPT, -ECANCELED) > 10);
        CHECK(open_descriptors() == before);
    });
}

TEST_CASE("R24: a cancel request that has missed an operation under way is sent again") {
    run_io([]() -> Co<void> {
        auto [ours, peer] = raw_pair();
        SharedFd socket(std::move(ours));
        spy.cancels_to_miss = 3;
        auto received = co_await receive_from(socket, 10).timeout(1ms);
        CHECK(spy.cancels_to_miss == 0);
        CHECK(spy.completed(IORING_OP_ASYNC_CANCEL, -ENOENT) == 3);
        CHECK(failed_with(received.n, ETIMEDOUT));
        spy.cancels_to_miss = 3;
        {
            auto dropped = receive_from(socket, 10);
            bool ready = co_await poll_once(dropped);
            CHECK(!ready);
            co_await round_trip();
        }
        co_await all_ended();
        CHECK(spy.cancels_to_miss == 0);
        CHECK(Reactor::current().stats().missed_cancels == 6);
    });
}

TEST_CASE("R25: contract: a receive that a linked timeout has ended takes no byte from the socket") {
    RawRing ring;
    auto [ours, theirs] = raw_pair();
    char buffer[16];
    __kernel_timespec limit{.tv_sec = 0, .tv_nsec = 1'000'000};
    io_uring_sqe* receive = ring.entry();
    io_uring_prep_recv(receive, ours.get(), buffer, sizeof buffer, 0);
    receive->flags |= IOSQE_IO_LINK;
    receive->user_data = 1;
    io_uring_sqe* timeout = ring.entry();
    io_uring_prep_link_timeout(timeout, &limit, 0);
    timeout->user_data = 2;
    ring.submit();
    auto seen = ring.wait_for(2);
    REQUIRE(seen.size() == 2);
    for (const Completion& completion : seen) {
        CHECK(completion.result == (completion.user_data == 1 ? -ECANCELED : -ETIME));
    }
    put(theirs.get(), "late");
    CHECK(get(ours.get()) == "late");
}

TEST_CASE("R25: contract: data that has come when the cancellation does is either received or still there") {
    RawRing ring;
    auto [ours, theirs] = raw_pair();
    char buffer[16];
    for (bool noticed : {false, true}) {
        io_uring_sqe* receive = ring.entry();
        io_uring_prep_recv(receive, ours.get(), buffer, sizeof buffer, 0);
        receive->user_data = 1;
        ring.submit();
        put(theirs.get(), "data");
        if (noticed) io_uring_get_events(ring.get());
        io_uring_sqe* cancel = ring.entry();
        io_uring_prep_cancel64(cancel, 1, 0);
        cancel->user_data = 2;
        ring.submit();
        int received = 0;
        for (const Completion& completion : ring.wait_for(2)) {
            if (completion.user_data == 1) received = completion.result;
        }
        CHECK(received == (noticed ? 4 : -ECANCELED));
        if (!noticed) CHECK(get(ours.get()) == "data");
    }
}

TEST_CASE("R25: data that the kernel has received when the time is over is returned, not lost") {
    run_io([]() -> Co<void> {
        auto [ours, theirs] = raw_pair();
        SharedFd socket(std::move(ours));
        auto receive = receive_from(socket, 100).timeout(2ms);
        bool ready = co_await poll_once(receive);
        CHECK(!ready);
        Time start = Clock::now();
        co_await until([&] { return Clock::now() - start > 3ms; });
        co_await round_trip();  // the timer has fired
        put(theirs.get(), "just in time");
        enter_without_reaping();
        REQUIRE(spy.completed(IORING_OP_RECV, 12) == 1);
        auto received = co_await receive;  // learns that the time is over, and only then of the data
        CHECK(spy.submitted(IORING_OP_ASYNC_CANCEL) == 1);
        CHECK(value_of(received.n) == 12);
        CHECK(received.buffer.starts_with("just in time"));
    });
}

TEST_CASE("R25: op.timeout that races data thousands of times loses no byte") {
    run_io([]() -> Co<void> {
        auto [ours, theirs] = raw_pair();
        SharedFd socket(std::move(ours));
        std::string text = pattern(60'000);
        auto sender = spawn_local([&text, peer = std::move(theirs)]() -> Co<void> {
            std::mt19937_64 random(25);
            for (std::size_t at = 0; at < text.size(); at += 30) {
                put(peer.get(), std::string_view(text).substr(at, 30));
                for (std::uint64_t pauses = random() % 16; pauses > 0; --pauses) co_await round_trip();
            }
        });
        std::mt19937_64 random(26);
        std::string heard;
        int timeouts = 0;
        int reads = 0;
        while (heard.size() < text.size()) {
            auto longest = std::chrono::microseconds(random() % 10);
            auto received = co_await receive_from(socket, 100).timeout(longest);
            if (failed_with(received.n, ETIMEDOUT)) {
                ++timeouts;
            } else {
                heard.append(received.buffer, 0, value_of(std::move(received.n)));
                ++reads;
            }
        }
        CHECK(timeouts > 100);
        CHECK(reads > 100);
        CHECK(heard == text);
        co_await sender;
    });
}

TEST_CASE(
    "R26: contract: closing a descriptor ends nothing: the receive takes what comes, the accept stays") {
    RawRing ring;
    auto [ours, theirs] = raw_pair();
    char buffer[16];
    io_uring_sqe* receive = ring.entry();
    io_uring_prep_recv(receive, ours.get(), buffer, sizeof buffer, 0);
    receive->user_data = 1;
    UniqueFd listener = value_of(open_listener(SocketAddress::loopback(0), 10));
    io_uring_sqe* accept = ring.entry();
    io_uring_prep_accept(accept, listener.get(), nullptr, nullptr, 0);
    accept->user_data = 2;
    ring.submit();
    int number = listener.get();
    ours = UniqueFd();
    listener = UniqueFd();
    CHECK(ring.reap().empty());
    put(theirs.get(), "x");
    auto seen = ring.wait_for(1);
    CHECK(seen[0].user_data == 1);
    CHECK(seen[0].result == 1);

    io_uring_sqe* cancel = ring.entry();
    io_uring_prep_cancel_fd(cancel, number, 0);
    cancel->user_data = 3;
    ring.submit();
    seen = ring.reap();
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].result == -EBADF);
}

TEST_CASE("R26: a stream's operations have ended before its descriptor is closed") {
    run_io([]() -> Co<void> {
        auto [stream, peer] = half_raw_pair();
        auto reader =
            spawn_local(map(stream.read_lease(), [](Result<Lease> read) { return error_text(read); }));
        auto writer = spawn_local(stream.write_all(pattern(4 << 20)));
        co_await settled();
        REQUIRE(Reactor::current().in_flight() == 2);
        value_of(co_await std::move(stream).close());
        CHECK(Reactor::current().in_flight() == 0);
        std::size_t closing = position_of(SpyEvent::submitted, IORING_OP_CLOSE);
        CHECK(closing < spy.events().size());
        CHECK(position_of(SpyEvent::completed, IORING_OP_RECV) < closing);
        CHECK(position_of(SpyEvent::completed, IORING_OP_SEND) < closing);
        CHECK((co_await reader).value() == "receive: Operation canceled");
        CHECK(error_text((co_await writer).value().n) == "send: Broken pipe");
    });
}

TEST_CASE("R26: a listener that is dropped with its accept in flight is gone: nobody connects any more") {
    run_io([]() -> Co<void> {
        std::uint16_t port = 0;
        {
            auto listener = value_of(TcpListener::bind(SocketAddress::loopback(0)));
            port = port_of(listener);
            auto accept = listener.accept();
            static_cast<void>(co_await poll_once(accept));
            co_await settled();
            REQUIRE(Reactor::current().in_flight() == 1);
        }
        co_await all_ended();
        CHECK(spy.completed(IORING_OP_ACCEPT, -ECANCELED) == 1);
        UniqueFd client = raw_tcp_socket();
        CHECK(!raw_connect(client.get(), port));
        CHECK(errno == ECONNREFUSED);
    });
}

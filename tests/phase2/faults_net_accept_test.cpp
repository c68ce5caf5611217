// RELIABILITY rows 36 and 53: listeners that run out of descriptors, and tear-down with everything armed.
#include "kernel_spy.hpp"
#include "net_support.hpp"

#include <sys/resource.h>

using namespace support;

namespace {

// While it lives this process can open no descriptor more.
class NoMoreDescriptors {
public:
    NoMoreDescriptors() {
        getrlimit(RLIMIT_NOFILE, &before_);
        rlimit now = before_;
        UniqueFd next(dup(0));
        now.rlim_cur = static_cast<rlim_t>(next.get());
        setrlimit(RLIMIT_NOFILE, &now);
    }
    NoMoreDescriptors(const NoMoreDescriptors&) = delete;
    NoMoreDescriptors& operator=(const NoMoreDescriptors&) = delete;
    ~NoMoreDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

}  // namespace

TEST_CASE("R36: without descriptors accepting backs off and does not spin, and goes on when there are some") {
    run_io([]() -> Co<void> {
        auto listener = value_of(TcpListener::bind(SocketAddress::loopback(0)));
        std::vector<UniqueFd> clients;
        for (int i = 0; i < 5; ++i) clients.push_back(raw_tcp_socket());
        {
            NoMoreDescriptors limit;
            REQUIRE(dup(0) == -1);
            REQUIRE(errno == EMFILE);
            for (auto& client : clients) REQUIRE(raw_connect(client.get(), port_of(listener)));
            std::uint64_t enters = Reactor::current().stats().enters;
            auto accepted = co_await timeout(240ms, listener.accept());
            CHECK(!accepted);  // neither a connection nor an error
            REQUIRE(spy.completed(IORING_OP_ACCEPT, -EMFILE) >= 2);
            CHECK(listener.back_offs() >= 2);
            CHECK(listener.back_offs() <= 5);  // every 50 ms
            CHECK(Reactor::current().stats().enters - enters <= 20);
        }
        for (int i = 0; i < 5; ++i) {
            auto accepted = co_await timeout(5s, listener.accept());
            REQUIRE(accepted.has_value());
            auto stream = value_of(std::move(*accepted));
            co_await send_text(stream, "welcome");
        }
        for (auto& client : clients) CHECK(get(client.get()) == "welcome");
    });
}

TEST_CASE("R36: while one listener backs off, streams that are open are served") {
    run_io([]() -> Co<void> {
        auto listener = value_of(TcpListener::bind(SocketAddress::loopback(0)));
        auto [stream, peer] = half_raw_pair();
        UniqueFd client = raw_tcp_socket();
        // What opens descriptors at its first use is opened before.
        put(peer.get(), "!");
        std::string first = co_await read_exactly(stream, 1);
        std::optional limit(std::make_unique<NoMoreDescriptors>());
        REQUIRE(raw_connect(client.get(), port_of(listener)));
        auto accepting =
            spawn_local(map(listener.accept(), [](Result<TcpStream> got) { return error_text(got); }));
        auto backed_off = [&] { return listener.back_offs() > 0; };
        co_await until(backed_off);
        for (int i = 0; i < 100; ++i) {
            put(peer.get(), "ping");
            std::string heard = co_await read_exactly(stream, 4);
            CHECK(heard == "ping");
        }
        CHECK(!accepting.is_finished());
        limit.reset();
        CHECK((co_await accepting).value() == "no error");
    });
}

TEST_CASE("R36: a listener that backs off can be dropped at once") {
    run_io([]() -> Co<void> {
        auto listener = std::optional(value_of(TcpListener::bind(SocketAddress::loopback(0))));
        UniqueFd client = raw_tcp_socket();
        {
            NoMoreDescriptors limit;
            REQUIRE(raw_connect(client.get(), port_of(*listener)));
            auto accepted = co_await timeout(5ms, listener->accept());
            CHECK(!accepted);
            REQUIRE(listener->back_offs() == 1);
        }
        listener.reset();
        CHECK(Reactor::current().in_flight() == 0);
        CHECK(peek_one(client.get()) <= 0);
    });
}

TEST_CASE("R36: a task that waits while the listener backs off learns that the listener is dropped") {
    run_io([]() -> Co<void> {
        auto listener = std::optional(value_of(TcpListener::bind(SocketAddress::loopback(0))));
        UniqueFd client = raw_tcp_socket();
        NoMoreDescriptors limit;
        REQUIRE(raw_connect(client.get(), port_of(*listener)));
        auto accepting =
            spawn_local(map(listener->accept(), [](Result<TcpStream> got) { return error_text(got); }));
        auto backed_off = [&] { return listener->back_offs() > 0; };
        co_await until(backed_off);
        listener.reset();
        CHECK((co_await accepting).value() == "accept: Operation canceled");
    });
}

TEST_CASE("R53: an executor with an armed accept and a hundred idle connections ends within 100 ms") {
    std::size_t before = open_descriptors();
    std::vector<UniqueFd> clients;
    auto executor = make_io_executor();
    std::optional<TcpListener> listener;
    // Runs until it has accepted all; its tasks wait for ever.
    executor->run([&]() -> Co<void> {
        listener.emplace(value_of(TcpListener::bind(SocketAddress::loopback(0))));
        for (int i = 0; i < 100; ++i) {
            clients.push_back(raw_connection(port_of(*listener)));
            auto stream = value_of(co_await listener->accept());
            auto serve = [stream = std::move(stream)]() mutable -> Co<void> { co_await read_to_end(stream); };
            spawn_local(std::move(serve)).detach();
        }
        spawn_local([listener = std::move(*listener)]() mutable -> Co<void> {
            static_cast<void>(co_await listener.accept());
        }).detach();
        listener.reset();
        co_await settled();
        CHECK(Reactor::current().in_flight() == 101);
    });
    Time start = Clock::now();
    executor.reset();
    CHECK(Clock::now() - start < 100ms);
    CHECK(spy.completed(IORING_OP_ACCEPT, -ECANCELED) == 1);
    CHECK(spy.completed(IORING_OP_RECV, -ECANCELED) == 100);
    CHECK(open_descriptors() == before + clients.size());
    for (auto& client : clients) CHECK(get(client.get()).empty());
}

TEST_CASE("R53: streams and listeners that outlive the executor do not hold it up") {
    std::optional<TcpListener> listener;
    std::vector<std::pair<Stream, UniqueFd>> pairs;
    auto executor = make_io_executor();
    executor->run([&]() -> Co<void> {
        listener.emplace(value_of(TcpListener::bind(SocketAddress::loopback(0))));
        {
            auto accept = listener->accept();
            CHECK(!co_await poll_once(accept));
        }
        for (int i = 0; i < 20; ++i) {
            pairs.push_back(half_raw_pair());
            auto read = pairs.back().first.read_lease();
            CHECK(!co_await poll_once(read));
        }
        co_await settled();
        CHECK(Reactor::current().in_flight() == 21);
    });
    Time start = Clock::now();
    executor.reset();
    CHECK(Clock::now() - start < 100ms);
}

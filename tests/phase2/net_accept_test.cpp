// Listeners: floods, accepts that are dropped and tried again, listeners that end.
#include "net_support.hpp"

#include <set>

using namespace support;

namespace {

// Each client says its number; what the accepted streams hear must be each number once.
struct Crowd {
    std::vector<UniqueFd> sockets;

    void join(std::uint16_t port, int count) {
        for (int i = 0; i < count; ++i) {
            sockets.push_back(raw_connection(port));
            put(sockets.back().get(), name(sockets.size() - 1));
        }
    }
    static std::string name(std::size_t number) { return std::to_string(10'000 + number); }
};

Co<std::string> name_of(TcpStream& stream) { return read_exactly(stream, 5); }

Co<std::string> accept_error(TcpListener& listener) {
    auto accepted = co_await listener.accept();
    co_return error_text(accepted);
}

}  // namespace

TEST_CASE("three hundred connections that are there before anybody accepts are all accepted, each once") {
    run_io([]() -> Co<void> {
        auto listener = value_of(TcpListener::bind(SocketAddress::loopback(0)));
        Crowd crowd;
        crowd.join(port_of(listener), 300);
        std::set<std::string> names;
        std::vector<TcpStream> streams;
        for (int i = 0; i < 300; ++i) {
            streams.push_back(value_of(co_await listener.accept()));
            names.insert(co_await name_of(streams.back()));
        }
        CHECK(names.size() == 300);
        CHECK(*names.begin() == Crowd::name(0));
        CHECK(*names.rbegin() == Crowd::name(299));
        for (int i = 0; i < 300; ++i) co_await send_text(streams[i], "welcome");
        for (auto& socket : crowd.sockets) CHECK(get(socket.get()) == "welcome");
    });
}

TEST_CASE("a listener that is not asked keeps 256 connections, and leaves the others to the kernel") {
    run_io([]() -> Co<void> {
        auto listener = value_of(TcpListener::bind(SocketAddress::loopback(0)));
        std::size_t before = open_descriptors();
        {
            auto accept = listener.accept();
            auto answer = co_await polled(accept);
            CHECK(!answer);
        }
        Crowd crowd;
        std::size_t accepted = 0;
        while (crowd.sockets.size() < 400) {
            crowd.join(port_of(listener), 1);
            co_await settled();
            accepted = open_descriptors() - before - crowd.sockets.size();
        }
        CHECK(accepted == 256);
        std::set<std::string> names;
        for (int i = 0; i < 400; ++i) {
            auto stream = value_of(co_await listener.accept());
            names.insert(co_await name_of(stream));
        }
        CHECK(names.size() == 400);
    });
}

TEST_CASE("an accept that is dropped and tried again loses no connection") {
    run_io([]() -> Co<void> {
        auto listener = value_of(TcpListener::bind(SocketAddress::loopback(0)));
        std::mt19937_64 random(11);
        Crowd crowd;
        std::set<std::string> names;
        int drops = 0;
        while (names.size() < 200) {
            if (crowd.sockets.size() < 200) {
                crowd.join(port_of(listener), std::min<int>(random() % 3, 200 - crowd.sockets.size()));
            }
            auto longest = std::chrono::microseconds(random() % 30);
            auto accepted = co_await timeout(longest, listener.accept());
            if (!accepted) {
                ++drops;
                continue;
            }
            auto stream = value_of(std::move(*accepted));
            names.insert(co_await name_of(stream));
        }
        CHECK(drops > 10);
    });
}

TEST_CASE("a listener that is dropped closes the connections that wait in it") {
    run_io([]() -> Co<void> {
        std::size_t before = open_descriptors();
        std::optional listener(value_of(TcpListener::bind(SocketAddress::loopback(0))));
        Crowd crowd;
        crowd.join(port_of(*listener), 20);
        auto first = std::optional(value_of(co_await listener->accept()));
        co_await settled();
        CHECK(open_descriptors() == before + 1 + 20 + 20);
        listener.reset();
        co_await all_ended();
        CHECK(open_descriptors() == before + 20 + 1);
        // The accepted one lives, the others have been told.
        std::string name = co_await name_of(*first);
        CHECK(name == Crowd::name(0));
        for (std::size_t i = 1; i < crowd.sockets.size(); ++i) {
            CHECK(get(crowd.sockets[i].get()).empty());
        }
        co_await send_text(*first, "still here");
        CHECK(get(crowd.sockets[0].get()) == "still here");
    });
}

TEST_CASE("a listener that is dropped while a task accepts frees its port, and the task learns of it") {
    run_io([]() -> Co<void> {
        std::optional listener(value_of(TcpListener::bind(SocketAddress::loopback(0))));
        auto address = value_of(listener->local_address());
        auto taken = TcpListener::bind(address);
        CHECK(error_text(taken) == "bind: Address already in use");
        auto accepting = spawn_local(accept_error(*listener));
        co_await settled();
        CHECK(!accepting.is_finished());
        listener.reset();
        CHECK((co_await accepting).value() == "accept: Operation canceled");
        auto again = TcpListener::bind(address);
        CHECK(error_text(again) == "no error");
    });
}

TEST_CASE("accepts that outlive their listener are cancelled, whether they were polled before or not") {
    run_io([]() -> Co<void> {
        std::optional listener(value_of(TcpListener::bind(SocketAddress::loopback(0))));
        auto begun = listener->accept();
        auto not_begun = listener->accept();
        auto answer = co_await polled(begun);
        CHECK(!answer);
        listener.reset();
        co_await all_ended();
        auto first = co_await begun;
        CHECK(error_text(first) == "accept: Operation canceled");
        auto second = co_await not_begun;
        CHECK(error_text(second) == "accept: Operation canceled");
    });
}

TEST_CASE("a listening socket that is adopted accepts, waits if it was non-blocking, and keeps its address") {
    run_io([]() -> Co<void> {
        UniqueFd socket = value_of(open_listener(SocketAddress::loopback(0), 10));
        int fd = socket.get();
        REQUIRE(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
        std::uint16_t port = value_of(address_of(&sys::local_address, fd)).port();
        auto listener = value_of(TcpListener::adopt(std::move(socket)));
        CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
        CHECK(port_of(listener) == port);
        auto accept = listener.accept();
        auto answer = co_await polled(accept);
        CHECK(!answer);
        Crowd crowd;
        crowd.join(port, 1);
        auto stream = value_of(co_await accept);
        std::string name = co_await name_of(stream);
        CHECK(name == Crowd::name(0));
        CHECK(error_text(TcpListener::adopt(UniqueFd())) == "descriptor flags: Bad file descriptor");
    });
}

TEST_CASE("a listener outlives its executor") {
    std::optional<TcpListener> listener;
    Crowd crowd;
    std::size_t before = open_descriptors();
    run_io([&]() -> Co<void> {
        listener.emplace(value_of(TcpListener::bind(SocketAddress::loopback(0))));
        crowd.join(port_of(*listener), 2);
        auto first = value_of(co_await listener->accept());
        co_await settled();
    });
    listener.reset();
    CHECK(open_descriptors() == before + 2);
}

// Streams: bytes there and back, many at once, the end of each direction.
#include "net_support.hpp"

#include <netinet/tcp.h>
#include <numeric>
#include <thread>

using namespace support;

namespace {

Co<void> echo_by_leases(Stream& stream) {
    while (true) {
        Lease lease = value_of(co_await stream.read_lease());
        if (lease.empty()) break;
        auto sent = co_await stream.write_all(std::move(lease));
        value_of(std::move(sent.n));
    }
    value_of(stream.shutdown_write());
}

Co<void> echo_by_copies(Stream& stream) {
    std::vector<std::byte> buffer(1000);
    while (true) {
        std::size_t count = value_of(co_await stream.read(buffer));
        if (count == 0) break;
        auto sent = co_await stream.write_all(std::vector<std::byte>(buffer.begin(), buffer.begin() + count));
        value_of(std::move(sent.n));
    }
    value_of(stream.shutdown_write());
}

// Writes in one task and reads in another, as much as there is, in pieces of random sizes.
Co<void> talk(Stream& stream, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::vector<std::size_t> sizes(20);
    for (std::size_t& size : sizes) size = 1 + random() % (random() % 4 ? 3000 : 200'000);
    std::string text = pattern(std::accumulate(sizes.begin(), sizes.end(), std::size_t{0}), seed);

    auto write = [&]() -> Co<void> {
        std::size_t at = 0;
        for (std::size_t size : sizes) {
            co_await send_text(stream, text.substr(at, size));
            at += size;
        }
        value_of(stream.shutdown_write());
    };
    auto writer = spawn_local(write());
    std::string back = co_await read_to_end(stream);
    co_await writer;
    CHECK(back.size() == text.size());
    CHECK(back == text);
}

// Echoes each connection until `expected` of them have come to their end.
Co<void> serve(TcpListener& listener, int expected) {
    std::vector<JoinHandle<void>> tasks;
    for (int i = 0; i < expected; ++i) {
        auto stream = value_of(co_await listener.accept());
        auto echo = [stream = std::move(stream)]() mutable -> Co<void> { co_await echo_by_leases(stream); };
        tasks.push_back(spawn_local(std::move(echo)));
    }
    for (auto& task : tasks) co_await task;
}

}  // namespace

TEST_CASE("what is sent over TCP comes back, whatever the sizes") {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        run_io([seed]() -> Co<void> {
            auto [client, server] = co_await tcp_pair();
            auto echo = spawn_local(seed % 2 ? echo_by_leases(server) : echo_by_copies(server));
            co_await talk(client, seed);
            co_await echo;
        });
    }
}

TEST_CASE("what is sent over a Unix socket comes back, whatever the sizes") {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        run_io([seed]() -> Co<void> {
            auto [client, server] = value_of(UnixStream::pair());
            auto echo = spawn_local(seed % 2 ? echo_by_copies(server) : echo_by_leases(server));
            co_await talk(client, seed);
            co_await echo;
        });
    }
}

TEST_CASE("a client of system calls only gets its bytes back") {
    auto executor = make_io_executor();
    executor->run([]() -> Co<void> {
        auto listener = value_of(TcpListener::bind(SocketAddress::loopback(0)));
        std::string text = pattern(3 << 20);
        std::string back;
        std::thread client([&back, &text, port = port_of(listener)] {
            UniqueFd socket = raw_connection(port);
            std::thread writer([&] {
                put_all(socket.get(), text);
                shutdown(socket.get(), SHUT_WR);
            });
            back = get_to_end(socket.get());
            writer.join();
        });
        co_await serve(listener, 1);
        client.join();
        CHECK(back == text);
    });
}

TEST_CASE("two executors on two threads talk to each other") {
    std::uint16_t port = 0;
    auto executor = make_io_executor();
    executor->run([&]() -> Co<void> {
        auto listener = value_of(TcpListener::bind(SocketAddress::loopback(0)));
        port = port_of(listener);
        auto client = LocalExecutorBuilder().name("client").spawn([port]() -> Co<void> {
            auto stream = value_of(co_await TcpStream::connect(SocketAddress::loopback(port)));
            co_await talk(stream, 99);
        });
        REQUIRE(client.has_value());
        co_await serve(listener, 1);
        client->join();
    });
}

TEST_CASE("two hundred connections at once keep their bytes apart") {
    run_io([]() -> Co<void> {
        constexpr int clients = 200;
        auto listener = value_of(TcpListener::bind(SocketAddress::loopback(0)));
        auto address = value_of(listener.local_address());
        auto server = spawn_local(serve(listener, clients));
        std::vector<JoinHandle<void>> tasks;
        for (int i = 0; i < clients; ++i) {
            tasks.push_back(spawn_local([address, i]() -> Co<void> {
                auto stream = value_of(co_await TcpStream::connect(address));
                for (int round = 0; round < 5; ++round) {
                    std::string text = pattern(1 + i * 7, i * 1000 + round);
                    co_await send_text(stream, text);
                    std::string back = co_await read_exactly(stream, text.size());
                    CHECK(back == text);
                }
            }));
        }
        for (auto& task : tasks) co_await task;
        co_await server;
    });
}

TEST_CASE("a stream whose one direction has ended goes on in the other") {
    run_io([]() -> Co<void> {
        auto [client, server] = co_await tcp_pair();
        co_await send_text(client, "question");
        value_of(client.shutdown_write());
        std::string heard = co_await read_to_end(server);
        CHECK(heard == "question");
        co_await send_text(server, "answer");
        std::string answer = co_await read_exactly(client, 6);
        CHECK(answer == "answer");

        auto late = co_await client.write_all(std::string("after the end"));
        CHECK(error_text(late.n) == "send: Broken pipe");
        CHECK(late.buffer == "after the end");
    });
}

TEST_CASE("the end of a stream stays, however often it is read") {
    run_io([]() -> Co<void> {
        auto [client, server] = value_of(UnixStream::pair());
        co_await send_text(client, "last words");
        {
            auto ended = std::move(client);
        }
        std::string text = co_await read_to_end(server);
        CHECK(text == "last words");
        std::vector<std::byte> buffer(10);
        for (int i = 0; i < 3; ++i) {
            Lease lease = value_of(co_await server.read_lease());
            CHECK(lease.empty());
            std::size_t count = value_of(co_await server.read(buffer));
            CHECK(count == 0);
        }
    });
}

TEST_CASE("reads into memory and reads of leases can be mixed") {
    run_io([]() -> Co<void> {
        auto [client, server] = value_of(UnixStream::pair());
        std::string text = pattern(100);
        co_await send_text(client, text);
        std::string first = co_await read_exactly(server, 30);
        CHECK(first == text.substr(0, 30));
        Lease rest = value_of(co_await server.read_lease());
        CHECK(rest.text() == text.substr(30));
    });
}

TEST_CASE("every kind of owned buffer can be written, and comes back") {
    run_io([]() -> Co<void> {
        auto [client, server] = value_of(UnixStream::pair());
        auto text = co_await client.write_all(std::string("text "));
        CHECK(text.buffer == "text ");
        auto bytes = co_await client.write_all(std::vector<std::byte>(3, std::byte{'b'}));
        CHECK(bytes.buffer.size() == 3);
        auto constant = co_await client.write_all(StaticBytes(" constant"));
        CHECK(value_of(constant.n) == 9);
        auto none = co_await client.write_all(std::string());
        CHECK(value_of(none.n) == 0);
        std::string all = co_await read_exactly(server, 17);
        CHECK(all == "text bbb constant");
    });
}

TEST_CASE("both ends of a connection agree on its addresses") {
    run_io([]() -> Co<void> {
        auto [client, server] = co_await tcp_pair();
        CHECK(value_of(client.local_address()).to_string() == value_of(server.peer_address()).to_string());
        CHECK(value_of(client.peer_address()).to_string() == value_of(server.local_address()).to_string());
    });
}

TEST_CASE("nodelay can be set and unset") {
    run_io([]() -> Co<void> {
        auto [client, server] = co_await tcp_pair();
        for (bool wanted : {true, false}) {
            value_of(client.set_nodelay(wanted));
            int value = -1;
            socklen_t bytes = sizeof value;
            REQUIRE(getsockopt(client.fd(), IPPROTO_TCP, TCP_NODELAY, &value, &bytes) == 0);
            CHECK((value != 0) == wanted);
        }
        auto refused = client.set_option(IPPROTO_TCP, 9999, 1);
        CHECK(error_text(refused) == "set socket option: Protocol not available");
    });
}

TEST_CASE("accepted and connected sockets are closed in programs that this one starts") {
    run_io([]() -> Co<void> {
        auto [client, server] = co_await tcp_pair();
        CHECK(fcntl(client.fd(), F_GETFD) == FD_CLOEXEC);
        CHECK(fcntl(server.fd(), F_GETFD) == FD_CLOEXEC);
    });
}

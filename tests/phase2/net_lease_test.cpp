// Leases: received bytes in the kernel's buffers: how long they live, and how many one stream may hold.
#include "net_support.hpp"

#include <thread>

using namespace support;

namespace {

BufferGroup& group() { return *value_of(Reactor::current().buffers()); }

// Eight leases of one message each; the receive that filled them has been called off by then.
Co<std::vector<Lease>> spend_budget(Stream& stream, int peer) {
    std::vector<Lease> leases;
    for (int i = 0; i < 8; ++i) {
        put(peer, "message " + std::to_string(i));
        leases.push_back(value_of(co_await stream.read_lease()));
    }
    co_await all_ended();
    co_return leases;
}

}  // namespace

TEST_CASE("leases outlive their stream, their reactor and their executor") {
    std::string text = pattern(40'000);
    std::vector<Lease> leases;
    run_io([&]() -> Co<void> {
        auto [client, server] = value_of(UnixStream::pair());
        co_await send_text(client, text);
        for (std::size_t bytes = 0; bytes < text.size(); bytes += leases.back().size()) {
            leases.push_back(value_of(co_await server.read_lease()));
        }
    });
    std::string kept;
    for (const Lease& lease : leases) kept += lease.text();
    CHECK(kept == text);
    leases.clear();
}

TEST_CASE("a stream may outlive its executor, unread leases and all") {
    std::optional<std::pair<Stream, UniqueFd>> pair;
    run_io([&]() -> Co<void> {
        pair.emplace(half_raw_pair());
        put(pair->second.get(), "first");
        Lease first = value_of(co_await pair->first.read_lease());
        put(pair->second.get(), "never read");
        co_await settled();
        CHECK(group().free() == group().count() - 2);
    });
    pair->first = std::move(half_raw_pair().first);
    CHECK(peek_one(pair->second.get()) == 0);  // the stream was closed
}

TEST_CASE("a lease is a view of bytes that can be eaten from the front, and empty once moved from") {
    run_io([]() -> Co<void> {
        auto [stream, peer] = half_raw_pair();
        put(peer.get(), "header body");
        Lease lease = value_of(co_await stream.read_lease());
        lease.remove_prefix(7);
        CHECK(lease.text() == "body");
        CHECK(lease.size() == 4);
        Lease moved = std::move(lease);
        CHECK(lease.empty());
        CHECK(moved.text() == "body");
        unsigned free = group().free();
        moved = Lease();
        CHECK(group().free() == free + 1);
    });
}

TEST_CASE("a received lease can be sent on without a copy, and goes back when it is sent") {
    run_io([]() -> Co<void> {
        auto [stream, peer] = half_raw_pair();
        put(peer.get(), "there and back");
        Lease lease = value_of(co_await stream.read_lease());
        CHECK(group().free() == group().count() - 1);
        {
            auto sent = co_await stream.write_all(std::move(lease));
            CHECK(sent.buffer.text() == "there and back");
        }
        CHECK(get(peer.get()) == "there and back");
        CHECK(group().free() == group().count());
    });
}

TEST_CASE("connections that wait for data hold no buffer") {
    run_io([]() -> Co<void> {
        std::vector<std::pair<Stream, UniqueFd>> pairs;
        std::vector<JoinHandle<std::string>> readers;
        for (int i = 0; i < 50; ++i) pairs.push_back(half_raw_pair());
        for (auto& pair : pairs) readers.push_back(spawn_local(read_to_end(pair.first)));
        co_await settled();
        for (auto& pair : pairs) put(pair.second.get(), "hello");
        co_await settled();
        CHECK(Reactor::current().in_flight() == 50);
        CHECK(group().free() == group().count());
        for (auto& reader : readers) reader.cancel();
        for (auto& reader : readers) co_await reader;
    });
}

TEST_CASE("a stream that was read to the last byte holds no buffer") {
    run_io([]() -> Co<void> {
        auto [stream, peer] = half_raw_pair();
        put(peer.get(), "all of it");
        std::string first = co_await read_exactly(stream, 8);
        CHECK(group().free() == group().count() - 1);
        std::string rest = co_await read_exactly(stream, 1);
        CHECK(first + rest == "all of it");
        CHECK(group().free() == group().count());
    });
}

TEST_CASE("a reader that holds eight leases is paused: what comes then waits in the socket") {
    run_io([]() -> Co<void> {
        auto [stream, peer] = half_raw_pair();
        auto leases = co_await spend_budget(stream, peer.get());
        put(peer.get(), "message 8");
        auto ninth = stream.read_lease();
        for (int i = 0; i < 5; ++i) {
            auto answer = co_await polled(ninth);
            REQUIRE(!answer);
            co_await settled();
        }
        CHECK(peek_one(stream.fd()) == 1);
        CHECK(group().free() == group().count() - 8);
        for (int i = 0; i < 8; ++i) CHECK(leases[i].text() == "message " + std::to_string(i));
    });
}

TEST_CASE("a paused reader goes on when one lease comes back, and other streams are served meanwhile") {
    run_io([]() -> Co<void> {
        auto [stream, peer] = half_raw_pair();
        auto leases = co_await spend_budget(stream, peer.get());
        put(peer.get(), "message 8");
        auto paused = spawn_local([&stream = stream]() -> Co<std::string> {
            Lease lease = value_of(co_await stream.read_lease());
            co_return std::string(lease.text());
        });
        auto [client, server] = value_of(UnixStream::pair());
        for (int i = 0; i < 20; ++i) {
            std::string text = pattern(10'000, i);
            auto sender = spawn_local(send_text(client, text));
            std::string heard = co_await read_exactly(server, text.size());
            CHECK(heard == text);
            co_await sender;
        }
        CHECK(!paused.is_finished());
        leases.erase(leases.begin() + 3);
        CHECK((co_await paused).value() == "message 8");
    });
}

TEST_CASE("a reader that keeps eight leases at a time gets every byte of a long stream, in order") {
    run_io([]() -> Co<void> {
        auto [client, server] = co_await tcp_pair();
        std::string text = pattern(2 << 20);
        auto sender = spawn_local([client = std::move(client), text]() mutable -> Co<void> {
            co_await send_text(client, std::move(text));
            value_of(client.shutdown_write());
        });
        std::string heard;
        std::vector<Lease> held;
        while (heard.size() < text.size()) {
            held.push_back(value_of(co_await server.read_lease()));
            heard += held.back().text();
            if (held.size() == 8) held.erase(held.begin(), held.begin() + 1 + heard.size() % 8);
        }
        co_await sender;
        CHECK(heard == text);
    });
}

TEST_CASE("a firehose whose reader keeps what it gets does not stop the other streams") {
    run_io([]() -> Co<void> {
        auto [client, server] = co_await tcp_pair();
        UniqueFd hose(dup(client.fd()));
        std::thread peer([fd = hose.get()] { put_all(fd, pattern(16 << 20)); });
        std::vector<Lease> kept;
        for (int i = 0; i < 8; ++i) kept.push_back(value_of(co_await server.read_lease()));

        auto [stream, other] = half_raw_pair();
        for (int i = 0; i < 100; ++i) {
            put(other.get(), std::to_string(i));
            Lease lease = value_of(co_await stream.read_lease());
            CHECK(lease.text() == std::to_string(i));
        }
        CHECK(group().free() > group().count() / 2);
        shutdown(hose.get(), SHUT_RDWR);
        peer.join();
    });
}

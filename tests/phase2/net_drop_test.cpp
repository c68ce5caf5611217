// Futures of reads and writes that are dropped before they are ready: no byte is lost, no memory is touched.
#include "net_support.hpp"

#include <ringlet/future/select.hpp>

using namespace support;

namespace {

// Sends `text` in pieces, now quickly, now slowly, and ends the stream.
Co<void> dribble(Stream stream, std::string text, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    for (std::size_t at = 0; at < text.size();) {
        std::size_t size = std::min<std::size_t>(1 + random() % 5000, text.size() - at);
        co_await send_text(stream, text.substr(at, size));
        at += size;
        for (std::uint64_t pauses = random() % 60; pauses > 0; --pauses) co_await round_trip();
    }
}

struct Tally {
    std::string text;
    int reads = 0;
    int drops = 0;
};

// Reads to the end, with a patience of up to 50 us each time.
Co<Tally> read_impatiently(Stream& stream) {
    std::mt19937_64 random(5);
    std::vector<std::byte> buffer(3000);
    Tally tally;
    while (true) {
        auto longest = std::chrono::microseconds(random() % 50);
        auto read = co_await timeout(longest, stream.read(buffer));
        if (!read) {
            ++tally.drops;
            continue;
        }
        std::size_t count = value_of(std::move(*read));
        if (count == 0) co_return tally;
        tally.text.append(reinterpret_cast<const char*>(buffer.data()), count);
        ++tally.reads;
    }
}

// The same with leases, dropped as soon as another task was ready.
Co<Tally> read_leases_impatiently(Stream& stream) {
    Tally tally;
    while (true) {
        auto first = co_await select(stream.read_lease(), yield_now());
        if (first.index() == 1) {
            ++tally.drops;
            continue;
        }
        Lease lease = value_of(std::get<0>(std::move(first)));
        if (lease.empty()) co_return tally;
        tally.text += lease.text();
        ++tally.reads;
    }
}

Co<void> check_nothing_lost(Co<Tally> (*read)(Stream&), std::uint64_t seed) {
    auto [client, server] = co_await tcp_pair();
    std::string text = pattern(400'000, seed);
    auto sender = spawn_local(dribble(std::move(client), text, seed));
    Tally tally = co_await read(server);
    co_await sender;
    CHECK(tally.reads > 20);
    CHECK(tally.drops > 20);
    CHECK(tally.text == text);
}

}  // namespace

TEST_CASE("a read that times out loses nothing") {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) run_io(check_nothing_lost(&read_impatiently, seed));
}

TEST_CASE("a read_lease that loses a select loses nothing") {
    for (std::uint64_t seed = 1; seed <= 3; ++seed)
        run_io(check_nothing_lost(&read_leases_impatiently, seed));
}

TEST_CASE("what arrives after a read was dropped belongs to the next one, in whichever task") {
    run_io([]() -> Co<void> {
        auto [stream, peer] = half_raw_pair();
        {
            auto dropped = stream.read_lease();
            auto answer = co_await polled(dropped);
            CHECK(!answer);
        }
        put(peer.get(), "one");
        co_await settled();
        auto other = spawn_local(
            [&stream = stream]() -> Co<std::string> { co_return co_await read_exactly(stream, 3); });
        CHECK((co_await other).value() == "one");
    });
}

TEST_CASE("a task that is cancelled while it reads leaves the bytes to others") {
    run_io([]() -> Co<void> {
        auto [stream, peer] = half_raw_pair();
        auto reader = spawn_local(read_to_end(stream));
        co_await settled();
        reader.cancel();
        put(peer.get(), "for the next");
        auto result = co_await reader;
        CHECK(!result);
        std::string text = co_await read_exactly(stream, 12);
        CHECK(text == "for the next");
    });
}

TEST_CASE("a stream that is asked on another executor fails there, and is whole on its own") {
    auto own = make_io_executor();
    auto other = make_io_executor();
    auto [stream, peer] = half_raw_pair();
    std::vector<Lease> held;
    own->run([&, &stream = stream, &peer = peer]() -> Co<void> {
        for (unsigned i = 0; i < LeaseBudget::leases_max; ++i) {
            put(peer.get(), "x");
            held.push_back(value_of(co_await stream.read_lease()));
        }
        co_await settled();  // paused: the kernel has nothing of it
    });
    other->run([&stream = stream]() -> Co<void> {
        auto read = co_await stream.read_lease();
        CHECK(error_text(read) == "receive: Operation canceled");
    });
    held.clear();
    put(peer.get(), "more");
    own->run([&stream = stream]() -> Co<void> {
        std::string heard = co_await read_exactly(stream, 4);
        CHECK(heard == "more");
    });
}

TEST_CASE("a write that is dropped sends a part at most, and its buffer lives until the kernel is done") {
    run_io([]() -> Co<void> {
        auto [stream, peer] = half_raw_pair();
        std::string text = pattern(4 << 20);
        {
            auto write = stream.write_all(text);
            auto answer = co_await polled(write);
            CHECK(!answer);
            co_await settled();
            REQUIRE(Reactor::current().in_flight() == 1);  // the socket is full
        }
        co_await all_ended();
        {
            auto ended = std::move(stream);
        }
        std::string heard = get_to_end(peer.get());
        CHECK(heard.size() > 0);
        CHECK(heard.size() < text.size());
        CHECK(heard == text.substr(0, heard.size()));
    });
}

TEST_CASE("a write that was never polled sends nothing") {
    run_io([]() -> Co<void> {
        auto [stream, peer] = half_raw_pair();
        {
            auto unused = stream.write_all(std::string("never"));
        }
        co_await settled();
        CHECK(peek_one(peer.get()) == -1);
        CHECK(errno == EAGAIN);
    });
}

TEST_CASE("a write whose time is over says so, even if a part was sent") {
    run_io([]() -> Co<void> {
        auto [stream, peer] = half_raw_pair();
        std::string text = pattern(4 << 20);
        auto done = co_await stream.write_all(text).timeout(20ms);
        CHECK(error_text(done.n) == "send: Connection timed out");
        CHECK(done.buffer == text);
        CHECK(peek_one(peer.get()) == 1);
    });
}

TEST_CASE("a connect that is dropped closes its socket") {
    run_io([]() -> Co<void> {
        auto listener = value_of(TcpListener::bind(SocketAddress::loopback(0)));
        auto address = value_of(listener.local_address());
        std::size_t before = open_descriptors();
        for (int i = 0; i < 20; ++i) {
            auto connect = TcpStream::connect(address);
            auto answer = co_await polled(connect);
            CHECK(!answer);
        }
        co_await all_ended();
        CHECK(open_descriptors() == before);
    });
}

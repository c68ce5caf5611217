// RELIABILITY row 53: the end of an executor with operations of all kinds in flight, and the life of what
// outlasts it.
#include "counted_buffer.hpp"
#include "net_support.hpp"

#include <ringlet/time/interval.hpp>

using namespace support;

namespace {

auto read_from(const SharedFd& file) {
    return Operation(operations::Read(file, CountedBuffer(64), operations::at_current_position));
}

Co<void> accept_for_ever(TcpListener& listener) {
    while (true) {
        auto accepted = co_await listener.accept();
        if (!accepted) break;
    }
}

Co<void> read_for_ever(TcpStream stream) {
    while (true) {
        auto lease = co_await stream.read_lease();
        if (!lease || lease->empty()) break;
    }
}

Co<void> sleep_for_ever() { co_await sleep(Duration::max()); }

// Takes `count` leases, after which `stream` can get no more: a ninth is over its budget, or the group is
// dry.
Co<std::vector<Lease>> take_all_leases(Stream& stream, int peer, unsigned count) {
    std::vector<Lease> leases;
    for (unsigned i = 0; i < count; ++i) {
        put(peer, "x");
        leases.push_back(value_of(co_await stream.read_lease()));
    }
    co_await settled();
    put(peer, "one too many");
    auto next = stream.read_lease();
    auto answer = co_await polled(next);
    CHECK(!answer);
    co_await all_ended();
    // Now it waits in line, and not for the kernel.
    answer = co_await polled(next);
    CHECK(!answer);
    co_return leases;
}

}  // namespace

TEST_CASE("R53: an executor with accepts, reads and sleeps in flight ends within 100 ms and leaves nothing") {
    std::size_t before = open_descriptors();
    Pipe pipe = make_pipe();
    {
        SharedFd reader(std::move(pipe.reader));
        auto executor = make_io_executor();
        auto listener = TcpListener::bind(SocketAddress::loopback(0));
        REQUIRE(listener);
        auto read_pipe = [&]() -> Co<void> { co_await read_from(reader); };
        executor->run([&]() -> Co<void> {
            auto address = listener->local_address();
            for (int i = 0; i < 50; ++i) {
                auto client = co_await TcpStream::connect(*address);
                REQUIRE(client);
                auto server = co_await listener->accept();
                REQUIRE(server);
                spawn_local(read_for_ever(std::move(*client))).detach();
                spawn_local(read_for_ever(std::move(*server))).detach();
                spawn_local(read_pipe).detach();
                spawn_local(sleep_for_ever()).detach();
            }
            spawn_local(accept_for_ever(*listener)).detach();
            co_await round_trip();
            co_await sleep(1ms);
        });
        Reactor& reactor = reactor_of(*executor);
        // The fault: all this is armed.
        REQUIRE(reactor.in_flight() == 151);
        REQUIRE(reactor.timers().size() == 50);
        REQUIRE(CountedBuffer::alive == 50);
        Time start = Clock::now();
        executor.reset();
        CHECK(Clock::now() - start < 100ms);
        CHECK(CountedBuffer::alive == 0);
        CHECK(reader.is_sole_holder());
    }
    pipe.writer = UniqueFd();
    CHECK(open_descriptors() == before);
}

TEST_CASE("R53: an operation that holds a thread of the kernel's ends with its executor") {
    std::string path = "/tmp/ringlet-fifo-" + std::to_string(getpid());
    REQUIRE(mkfifo(path.c_str(), 0600) == 0);
    auto executor = make_io_executor();
    // With O_CREAT the kernel opens on a thread; a FIFO waits there for its other side.
    executor->spawn_local(Operation(operations::Open(path, O_RDONLY | O_CREAT, 0600))).detach();
    executor->turn(false);
    executor->turn(false);
    REQUIRE(reactor_of(*executor).in_flight() == 1);
    Time start = Clock::now();
    executor.reset();
    CHECK(Clock::now() - start < 100ms);
    unlink(path.c_str());
}

TEST_CASE("R53: operations that outlive their executor have ended, and are freed with their owner") {
    std::size_t before = open_descriptors();
    WakerCounts counts;
    {
        Pipe pipe = make_pipe();
        SharedFd reader(std::move(pipe.reader));
        auto never_polled = read_from(reader);
        auto in_queue = read_from(reader);
        auto in_flight = read_from(reader);
        auto completed = Operation(operations::Open("/dev/null", O_RDONLY, 0));
        Operation close{operations::Close(UniqueFd(dup(reader.get())))};
        auto executor = make_io_executor();
        executor->run([&]() -> Co<void> {
            CHECK(poll_with(in_flight, make_waker(counts)).is_pending());
            CHECK(poll_with(completed, make_waker(counts)).is_pending());
            co_await round_trip();
            CHECK(poll_with(in_queue, make_waker(counts)).is_pending());
            CHECK(poll_with(close, make_waker(counts)).is_pending());
        });
        REQUIRE(reactor_of(*executor).in_flight() == 3);
        executor.reset();
        CHECK(CountedBuffer::alive == 3);
        CHECK(counts.references == 0);
        // Whoever still asks learns how it ended.
        auto polled = poll(in_flight);
        REQUIRE(polled.is_ready());
        CHECK(polled.take().n.error() == std::errc::operation_canceled);
        polled = poll(in_queue);
        REQUIRE(polled.is_ready());
        CHECK(polled.take().n.error() == std::errc::operation_canceled);
        CHECK(run_io(std::move(completed)));
    }
    CHECK(CountedBuffer::alive == 0);
    CHECK(open_descriptors() == before);
}

namespace {

// A buffer that, when it is dropped, leaves word to a task.
struct SpawningBuffer {
    std::string bytes = std::string(64, '\0');
    int* dropped;

    explicit SpawningBuffer(int& counter) : dropped(&counter) {}
    SpawningBuffer(SpawningBuffer&& other) noexcept
        : bytes(std::move(other.bytes)), dropped(std::exchange(other.dropped, nullptr)) {}
    SpawningBuffer& operator=(SpawningBuffer&& other) noexcept {
        std::swap(bytes, other.bytes);
        std::swap(dropped, other.dropped);
        return *this;
    }
    ~SpawningBuffer() {
        if (!dropped) return;
        ++*dropped;
        if (current_executor()) spawn_local(ready(0)).detach();
    }

    char* data() { return bytes.data(); }
    const char* data() const { return bytes.data(); }
    std::size_t size() const { return bytes.size(); }
};

}  // namespace

TEST_CASE("R53: a buffer that spawns as its operation ends with the executor leaves no task behind") {
    Pipe pipe = make_pipe();
    SharedFd reader(std::move(pipe.reader));
    int dropped = 0;
    auto executor = make_io_executor();
    executor->run([&]() -> Co<void> {
        auto reading = [&]() -> Co<void> {
            using Read = operations::Read<SpawningBuffer>;
            co_await Operation(Read(reader, SpawningBuffer(dropped), operations::at_current_position));
        };
        spawn_local(reading()).detach();
        co_await round_trip();
    });
    REQUIRE(dropped == 0);
    executor.reset();
    CHECK(dropped == 1);
}

TEST_CASE("R53: streams, listeners, leases and handles may outlive their executor") {
    std::size_t before = open_descriptors();
    {
        auto executor = make_io_executor();
        auto listener = TcpListener::bind(SocketAddress::loopback(0));
        REQUIRE(listener);
        std::optional<TcpStream> client;
        std::optional<TcpStream> server;
        std::optional<Lease> lease;
        Interval interval(1h);
        auto sleeper = executor->spawn_local(sleep_for_ever());
        executor->run([&]() -> Co<void> {
            auto connected = co_await TcpStream::connect(*listener->local_address());
            REQUIRE(connected);
            client.emplace(std::move(*connected));
            auto accepted = co_await listener->accept();
            REQUIRE(accepted);
            server.emplace(std::move(*accepted));
            CHECK((co_await client->write_all(std::string("kept"))).n == std::size_t{4});
            auto read = co_await server->read_lease();
            REQUIRE(read);
            lease.emplace(std::move(*read));
        });
        REQUIRE(reactor_of(*executor).in_flight() > 0);
        executor.reset();
        CHECK(sleeper.is_finished());
        CHECK(lease->text() == "kept");
        // The next executor can still speak on the socket, though not read from it.
        run_io([&]() -> Co<void> {
            CHECK((co_await client->write_all(std::string("more"))).n == std::size_t{4});
            auto read = co_await server->read_lease();
            CHECK(read.error() == std::errc::operation_canceled);
        });
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE(
    "R53: a stream that was paused or without a buffer may outlive its executor, and then reads no more") {
    for (unsigned buffers : {64u, 4u}) {
        CAPTURE(buffers);
        auto [stream, peer] = half_raw_pair();
        std::vector<Lease> leases;
        auto exhaust = [&stream = stream, &peer = peer, &leases, buffers]() -> Co<void> {
            leases = co_await take_all_leases(stream, peer.get(), std::min(8u, buffers));
        };
        run_io(exhaust, ParkerOptions{.buffer_count = buffers, .buffer_bytes = 64});
        leases.clear();
        // Twice: errors stay. Another stream reads, with the new executor's buffers.
        run_io([&stream = stream]() -> Co<void> {
            auto [other, other_peer] = half_raw_pair();
            for (int i = 0; i < 2; ++i) {
                auto read = co_await stream.read_lease();
                CHECK(error_text(read) == "receive: Operation canceled");
                put(other_peer.get(), "served");
                std::string heard = co_await read_exactly(other, 6);
                CHECK(heard == "served");
            }
        });
    }
}

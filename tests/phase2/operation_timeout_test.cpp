// op.timeout(d): says "timed out" when nothing came, and never loses what did.
#include "support.hpp"

#include <ringlet/reactor/sys.hpp>

#include <random>

using namespace support;

namespace {

using Bytes = std::vector<char>;

auto read_from(const SharedFd& file, std::size_t size = 64) {
    return Operation(operations::Read(file, Bytes(size, '.'), operations::at_current_position));
}
auto write_to(const SharedFd& file, std::size_t size, bool all = true) {
    return Operation(operations::Write(file, Bytes(size, 'w'), operations::at_current_position, size, all));
}
std::string text_of(const IoResult<Bytes>& result) {
    return std::string(result.buffer.data(), result.n.value_or(0));
}

// Busy, so that what happens meanwhile is seen by the executor all at once.
void spin_past(Time deadline) {
    while (Clock::now() <= deadline) {
    }
}

}  // namespace

TEST_CASE("an operation that nothing happens to has timed out: not cancelled, not early, its buffer intact") {
    Pipe pipe = make_pipe();
    SharedFd reader(std::move(pipe.reader));
    Time start = Clock::now();
    auto got = run_io(read_from(reader).timeout(5ms));
    CHECK(Clock::now() - start >= 5ms);
    REQUIRE_FALSE(got.n);
    CHECK(got.n.error() == std::errc::timed_out);
    CHECK(got.n.error() != std::errc::operation_canceled);
    CHECK(got.n.error().message() == "read: Connection timed out");
    CHECK(got.buffer == Bytes(64, '.'));
}

TEST_CASE("an operation that blocks a thread of the kernel's times out too") {
    // Opening a FIFO waits for the other side; with O_CREAT the kernel tries it on a thread only.
    std::string path = "/tmp/ringlet-fifo-" + std::to_string(getpid());
    REQUIRE(mkfifo(path.c_str(), 0600) == 0);
    auto opened = run_io(Operation(operations::Open(path, O_RDONLY | O_CREAT, 0600)).timeout(5ms));
    unlink(path.c_str());
    REQUIRE_FALSE(opened);
    CHECK(opened.error() == std::errc::timed_out);
}

TEST_CASE("an operation that ends in time takes its timer with it") {
    Pipe pipe = make_pipe();
    SharedFd reader(std::move(pipe.reader));
    put(pipe.writer.get(), "in time");
    run_io([&]() -> Co<void> {
        auto got = co_await read_from(reader).timeout(1h);
        CHECK(text_of(got) == "in time");
        CHECK(Reactor::current().timers().empty());
    });
}

TEST_CASE("no limit is no limit") {
    Pipe pipe = make_pipe();
    SharedFd reader(std::move(pipe.reader));
    run_io([&]() -> Co<void> {
        auto timed = read_from(reader).timeout(Duration::max());
        CHECK_FALSE(co_await poll_once(timed));
        co_await sleep(2ms);
        CHECK_FALSE(co_await poll_once(timed));
        put(pipe.writer.get(), "patience");
        CHECK(text_of(co_await timed) == "patience");
    });
}

TEST_CASE("data that is there when the time is over is returned") {
    Pipe pipe = make_pipe(O_NONBLOCK);
    SharedFd reader(std::move(pipe.reader));
    run_io([&]() -> Co<void> {
        SUBCASE("although there was no time at all") {
            put(pipe.writer.get(), "at once");
            CHECK(text_of(co_await read_from(reader).timeout(0ms)) == "at once");
        }
        SUBCASE("the kernel got the operation when the time was over") {
            auto timed = read_from(reader).timeout(2ms);
            CHECK_FALSE(co_await poll_once(timed));
            put(pipe.writer.get(), "meanwhile");
            spin_past(after(Clock::now(), 3ms));
            CHECK(text_of(co_await timed) == "meanwhile");
        }
        SUBCASE("it came while the executor was busy past the deadline") {
            auto timed = read_from(reader).timeout(20ms);
            CHECK_FALSE(co_await poll_once(timed));
            co_await round_trip();
            Time late = after(Clock::now(), 21ms);
            put(pipe.writer.get(), "meanwhile");
            spin_past(late);
            CHECK(text_of(co_await timed) == "meanwhile");
        }
    });
}

TEST_CASE("data that came too late to be returned is left where it was") {
    Pipe pipe = make_pipe();
    SharedFd reader(std::move(pipe.reader));
    run_io([&]() -> Co<void> {
        auto timed = read_from(reader).timeout(1ms);
        CHECK_FALSE(co_await poll_once(timed));
        co_await sleep(2ms);
        // Asks for the cancellation, which the kernel has not seen yet when the data comes.
        CHECK_FALSE(co_await poll_once(timed));
        CHECK(Reactor::current().ring().queued() == 1);
        put(pipe.writer.get(), "just so");
        auto got = co_await timed;
        // The kernel decides; it is never both.
        if (got.n) {
            CHECK(text_of(got) == "just so");
        } else {
            CHECK(got.n.error() == std::errc::timed_out);
            CHECK(get(reader.get()) == "just so");
        }
    });
}

TEST_CASE("a write or a send that needs no time says how much it wrote") {
    Pipe pipe = make_pipe(O_NONBLOCK);  // else it is left to a thread of the kernel before Linux 6.4
    auto sockets = sys::socket_pair(SOCK_STREAM);
    REQUIRE(sockets);
    SharedFd writer(std::move(pipe.writer));
    SharedFd socket(std::move(sockets->first));
    auto written = run_io(write_to(writer, 100).timeout(0ms));
    CHECK(get(pipe.reader.get()).size() == 100);
    CHECK(written.n == std::size_t{100});
    auto sent = run_io(Operation(operations::SendAll(socket, Bytes(100, 's'))).timeout(0ms));
    CHECK(get(sockets->second.get()).size() == 100);
    CHECK(sent.n == std::size_t{100});
}

TEST_CASE("a write or a send of all bytes that is half done when the time is over has timed out") {
    Pipe pipe = make_pipe();
    auto sockets = sys::socket_pair(SOCK_STREAM);
    REQUIRE(sockets);
    SharedFd writer(std::move(pipe.writer));
    SharedFd socket(std::move(sockets->first));
    REQUIRE(sys::set_nonblocking(pipe.reader.get(), true));
    constexpr std::size_t more_than_fits = 8 << 20;
    // Long enough for a thread of the kernel to begin.
    auto written = run_io(write_to(writer, more_than_fits).timeout(100ms));
    REQUIRE_FALSE(written.n);
    CHECK(written.n.error() == std::errc::timed_out);
    CHECK(written.buffer.size() == more_than_fits);
    CHECK(get(pipe.reader.get()).size() > 0);
    auto sent = run_io(Operation(operations::SendAll(socket, Bytes(more_than_fits, 's'))).timeout(5ms));
    REQUIRE_FALSE(sent.n);
    CHECK(sent.n.error() == std::errc::timed_out);
    CHECK(sent.buffer.size() == more_than_fits);
    CHECK(get(sockets->second.get()).size() > 0);
}

TEST_CASE("one write that is short when the time is over says how short") {
    Pipe pipe = make_pipe();
    SharedFd writer(std::move(pipe.writer));
    std::size_t room = static_cast<std::size_t>(fcntl(writer.get(), F_GETPIPE_SZ));
    REQUIRE(sys::set_nonblocking(writer.get(), true));
    CHECK(run_io(write_to(writer, room + 1000, false).timeout(0ms)).n == room);
}

TEST_CASE("a dropped operation with a limit leaves neither timer nor operation behind") {
    Pipe pipe = make_pipe();
    SharedFd reader(std::move(pipe.reader));
    run_io([&]() -> Co<void> {
        Reactor& reactor = Reactor::current();
        {
            auto timed = read_from(reader).timeout(1h);
            CHECK_FALSE(co_await poll_once(timed));
            CHECK(reactor.timers().size() == 1);
        }
        CHECK(reactor.timers().empty());
        auto gone = [&] { return reactor.in_flight() == 0; };
        CHECK(co_await eventually(gone));
        CHECK(reader.is_sole_holder());
    });
}

TEST_CASE("closing with a limit closes once, whichever is first") {
    std::size_t before = open_descriptors();
    for (Duration longest : {Duration(0), Duration(1h)}) {
        Pipe pipe = make_pipe();
        CHECK(run_io(Operation(operations::Close(std::move(pipe.reader))).timeout(longest)));
        pipe.writer = UniqueFd();
        CHECK(open_descriptors() == before);
    }
}

// The writer aims at the deadline. Whoever is first, each byte is either returned or still in the pipe.
TEST_CASE("in a thousand races between data and deadline no byte is lost") {
    Pipe pipe = make_pipe(O_NONBLOCK);
    SharedFd reader(UniqueFd(dup(pipe.reader.get())));
    // The ring's reads wait, the test's own do not: an open file of its own for each.
    std::string path = "/proc/self/fd/" + std::to_string(pipe.reader.get());
    reader = SharedFd(UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)));
    unsigned seed = std::random_device()();
    CAPTURE(seed);
    std::mt19937 random(seed);
    int returned = 0;
    int timed_out = 0;
    int left = 0;
    auto writes_after = [&](Duration wait) -> Co<void> {
        co_await sleep(wait);
        put(pipe.writer.get(), "x");
    };
    run_io([&]() -> Co<void> {
        for (int race = 0; race < 1000; ++race) {
            auto writer = spawn_local(writes_after(std::chrono::microseconds(random() % 200)));
            auto got = co_await read_from(reader, 1).timeout(std::chrono::microseconds(random() % 200));
            co_await writer;
            returned += got.n == std::size_t{1};
            timed_out += !got.n && got.n.error() == std::errc::timed_out;
            left += static_cast<int>(get(pipe.reader.get(), 10).size());
        }
    });
    CHECK(returned + timed_out == 1000);
    CHECK(returned + left == 1000);
    CHECK(returned > 0);
    CHECK(timed_out > 0);
}

TEST_CASE("the shortest limit there is has passed, and no other timer is lost over it") {
    Pipe pipe = make_pipe();
    SharedFd reader(std::move(pipe.reader));
    run_io([&]() -> Co<void> {
        auto other = spawn_local([]() -> Co<void> { co_await sleep(5ms); });
        auto got = co_await read_from(reader).timeout(Duration::min());
        CHECK(got.n.error() == std::errc::timed_out);
        co_await other;
    });
}

// Each operation: what it gives when all is well, and what it says when not.
#include "support.hpp"

#include <netinet/in.h>
#include <ringlet/reactor/sys.hpp>

using namespace support;

namespace {

using Bytes = std::vector<char>;

Bytes bytes(std::string_view text) { return Bytes(text.begin(), text.end()); }
std::string text_of(const Bytes& buffer, std::size_t count) { return std::string(buffer.data(), count); }

// A file without a name.
UniqueFd scratch_file() { return UniqueFd(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)); }

std::pair<SharedFd, SharedFd> sockets() {
    auto made = sys::socket_pair(SOCK_STREAM);
    if (!made) throw std::runtime_error(made.error().message());
    return {SharedFd(std::move(made->first)), SharedFd(std::move(made->second))};
}

// A loopback port that nobody listens on any more.
sockaddr_storage closed_port() {
    sockaddr_storage storage{};
    auto& address = reinterpret_cast<sockaddr_in&>(storage);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    UniqueFd bound(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    socklen_t size = sizeof address;
    REQUIRE(bind(bound.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(getsockname(bound.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    return storage;
}

template <class Op>
auto run_operation(Op op) {
    return run_io(Operation(std::move(op)));
}

}  // namespace

TEST_CASE("poll gives the events that struck") {
    Pipe pipe = make_pipe();
    CHECK(run_operation(operations::PollAdd(pipe.writer.get(), POLLOUT)).value() == POLLOUT);
    put(pipe.writer.get(), "x");
    pipe.writer = UniqueFd();
    CHECK(run_operation(operations::PollAdd(pipe.reader.get(), POLLIN)).value() == (POLLIN | POLLHUP));
}

TEST_CASE("read gives the bytes and the buffer that was moved in") {
    Pipe pipe = make_pipe();
    put(pipe.writer.get(), "hello");
    SharedFd reader(std::move(pipe.reader));
    Bytes buffer(16, '.');
    const char* memory = buffer.data();
    auto got = run_operation(operations::Read(reader, std::move(buffer), operations::at_current_position));
    CHECK(got.n == std::size_t{5});
    CHECK(got.buffer.data() == memory);
    CHECK(text_of(got.buffer, 16) == "hello...........");
    pipe.writer = UniqueFd();
    auto end =
        run_operation(operations::Read(reader, std::move(got.buffer), operations::at_current_position));
    CHECK(end.n == std::size_t{0});
}

TEST_CASE("read and write go to the position they are given") {
    SharedFd file(scratch_file());
    REQUIRE(file.get() >= 0);
    CHECK(run_operation(operations::Write(file, bytes("0123456789"), 0, 10, true)).n == std::size_t{10});
    CHECK(run_operation(operations::Write(file, bytes("xyz..."), 4, 3, true)).n == std::size_t{3});
    auto got = run_operation(operations::Read(file, Bytes(64), 2));
    REQUIRE(got.n == std::size_t{8});
    CHECK(text_of(got.buffer, 8) == "23xyz789");
    CHECK(run_operation(operations::Read(file, Bytes(64), 10)).n == std::size_t{0});
}

TEST_CASE("a write of all bytes goes on until all are written, one write does not") {
    Pipe pipe = make_pipe();
    REQUIRE(fcntl(pipe.writer.get(), F_SETPIPE_SZ, 4096) == 4096);
    // A pipe that does not block takes what fits: so a write to it is short.
    SharedFd writer(std::move(pipe.writer));
    REQUIRE(sys::set_nonblocking(writer.get(), true));
    auto once = run_operation(
        operations::Write(writer, Bytes(10'000), operations::at_current_position, 10'000, false));
    CHECK(once.n == std::size_t{4096});

    // A file-size limit makes the first write short and the second fail.
    ChildEnd child = run_in_child([] {
        std::signal(SIGXFSZ, SIG_IGN);
        SharedFd file(scratch_file());
        rlimit limit{4096, 4096};
        CHILD_REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
        auto one = run_operation(operations::Write(file, Bytes(10'000), 0, 10'000, false));
        CHILD_REQUIRE(one.n == std::size_t{4096});
        auto all = run_operation(operations::Write(file, Bytes(10'000), 0, 10'000, true));
        CHILD_REQUIRE(!all.n);
        CHILD_REQUIRE(all.n.error() == std::errc::file_too_large);
        CHILD_REQUIRE(all.buffer.size() == 10'000);
    });
    CHECK_MESSAGE(child.exited_well(), child.errors);
}

TEST_CASE("a send of more than a socket holds is whole when the peer has read it") {
    auto [here, there] = sockets();
    std::size_t total = 3 << 20;
    Bytes sent(total);
    for (std::size_t i = 0; i < total; ++i) sent[i] = static_cast<char>(i * 31 % 251);
    Bytes expected = sent;
    Bytes received;
    auto read_all = [&, &there = there]() -> Co<void> {
        Bytes buffer(50'000);
        while (received.size() < total) {
            auto got = co_await Operation(operations::Receive(there, std::move(buffer)));
            if (!got.n || *got.n == 0) break;
            buffer = std::move(got.buffer);
            received.insert(received.end(), buffer.begin(), buffer.begin() + static_cast<long>(*got.n));
        }
    };
    run_io([&, &here = here]() -> Co<void> {
        auto reader = spawn_local(read_all);
        auto result = co_await Operation(operations::SendAll(here, std::move(sent)));
        CHECK(result.n == total);
        CHECK(result.buffer.size() == total);
        co_await reader;
    });
    bool same = received == expected;
    CHECK(same);
}

TEST_CASE("an operation of no bytes is one all the same") {
    auto [here, there] = sockets();
    CHECK(run_operation(operations::SendAll(here, Bytes())).n == std::size_t{0});
    Pipe pipe = make_pipe();
    SharedFd writer(std::move(pipe.writer));
    CHECK(run_operation(operations::Write(writer, Bytes(), operations::at_current_position, 0, true)).n ==
          std::size_t{0});
}

TEST_CASE("to write more than the buffer has is a bug") {
    SharedFd file(UniqueFd(::open("/dev/null", O_WRONLY | O_CLOEXEC)));
    CHECK(run_operation(operations::Write(file, Bytes(10), 0, 10, true)).n == std::size_t{10});
    ChildEnd child = run_in_child([&] { operations::Write(file, Bytes(10), 0, 11, true); });
    CHECK(child.aborted());
    CHECK(child.says("a write of more bytes than its buffer has"));
}

TEST_CASE("open gives a descriptor that closes on exec") {
    auto opened = run_operation(operations::Open("/dev/null", O_RDWR, 0));
    REQUIRE(opened);
    bool close_on_exec = fcntl(opened->get(), F_GETFD) & FD_CLOEXEC;
    CHECK(close_on_exec);
}

TEST_CASE("close closes once, and dropped before its first poll it closes all the same") {
    std::size_t before = open_descriptors();
    Pipe pipe = make_pipe();
    CHECK(run_operation(operations::Close(std::move(pipe.reader))));
    CHECK(open_descriptors() == before + 1);
    {
        Operation never_polled{operations::Close(std::move(pipe.writer))};
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("each error names its operation and compares equal to std::errc") {
    SharedFd none(UniqueFd(-1));
    auto at = operations::at_current_position;
    auto says = [](const std::error_code& error, std::errc condition, const char* text) {
        CHECK(error == condition);
        CHECK(error.message() == text);
    };
    constexpr auto bad = std::errc::bad_file_descriptor;
    says(run_operation(operations::PollAdd(-1, POLLIN)).error(), bad, "poll: Bad file descriptor");
    says(run_operation(operations::Read(none, Bytes(1), at)).n.error(), bad, "read: Bad file descriptor");
    says(run_operation(operations::Write(none, Bytes(1), at, 1, true)).n.error(), bad,
         "write: Bad file descriptor");
    says(run_operation(operations::Receive(none, Bytes(1))).n.error(), bad, "receive: Bad file descriptor");
    says(run_operation(operations::SendAll(none, Bytes(1))).n.error(), bad, "send: Bad file descriptor");
    says(run_operation(operations::Accept(none)).error(), bad, "accept: Bad file descriptor");
    says(run_operation(operations::Sync(none, 0)).error(), bad, "sync: Bad file descriptor");
    says(run_operation(operations::Close(UniqueFd(1'000'000))).error(), bad, "close: Bad file descriptor");
    says(run_operation(operations::Open("/nowhere/at/all", O_RDONLY, 0)).error(),
         std::errc::no_such_file_or_directory, "open: No such file or directory");
    SharedFd socket(UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    says(run_operation(operations::Connect(socket, closed_port(), sizeof(sockaddr_in))).error(),
         std::errc::connection_refused, "connect: Connection refused");
    Pipe pipe = make_pipe();
    says(run_io(Operation(operations::PollAdd(pipe.reader.get(), POLLIN)).timeout(1ms)).error(),
         std::errc::timed_out, "poll: Connection timed out");
}

TEST_CASE("a buffer comes back with an error too") {
    SharedFd none(UniqueFd(-1));
    Bytes buffer = bytes("still here");
    const char* memory = buffer.data();
    auto got = run_operation(operations::SendAll(none, std::move(buffer)));
    CHECK_FALSE(got.n);
    CHECK(got.buffer.data() == memory);
    CHECK(text_of(got.buffer, 10) == "still here");
}

TEST_CASE("a send to a peer that is gone is an error and no signal") {
    auto [here, there] = sockets();
    there = SharedFd();
    auto got = run_operation(operations::SendAll(here, bytes("anyone?")));
    REQUIRE_FALSE(got.n);
    CHECK(got.n.error() == std::errc::broken_pipe);
}

TEST_CASE("the sole holder of a descriptor is known when its operations have ended") {
    Pipe pipe = make_pipe();
    SharedFd reader(std::move(pipe.reader));
    run_io([&]() -> Co<void> {
        CHECK(reader.is_sole_holder());
        Operation read{operations::Read(reader, Bytes(1), operations::at_current_position)};
        CHECK_FALSE(reader.is_sole_holder());
        CHECK_FALSE(co_await poll_once(read));
        auto alone = operations::sole_holder_of(reader);
        CHECK_FALSE(co_await poll_once(alone));
        auto ends_later = [read = std::move(read)]() mutable -> Co<void> { co_await read; };
        auto reading = spawn_local(std::move(ends_later));
        put(pipe.writer.get(), "x");
        co_await alone;
        CHECK(reader.is_sole_holder());
        co_await reading;
    });
}

TEST_CASE("two may wait to be the sole holder, and one of them may go") {
    Pipe pipe = make_pipe();
    SharedFd first(std::move(pipe.reader));
    run_io([&]() -> Co<void> {
        auto wait_for_it = [](SharedFd& fd) -> Co<void> { co_await operations::sole_holder_of(fd); };
        std::optional<SharedFd> second(first);
        auto waits = spawn_local(wait_for_it(first));
        co_await yield_now();
        {
            auto waits_too = operations::sole_holder_of(*second);
            CHECK_FALSE(co_await poll_once(waits_too));
        }
        CHECK(!waits.is_finished());
        second.reset();
        CHECK(co_await timeout(10s, waits));
    });
}

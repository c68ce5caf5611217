// The end of a stream from this side: close() and drops, with reads and writes under way; and how a socket
// made elsewhere becomes a stream.
#include "net_support.hpp"

using namespace support;

namespace {

Co<std::string> read_error(Stream& stream) {
    auto lease = co_await stream.read_lease();
    co_return error_text(lease);
}

struct WriteEnd {
    Result<std::size_t> n;
    std::string buffer;
};

Co<WriteEnd> write(Stream& stream, std::string text) {
    auto done = co_await stream.write_all(std::move(text));
    WriteEnd end{std::move(done.n), std::move(done.buffer)};
    co_return end;
}

}  // namespace

TEST_CASE("close tells how it went, and the peer sees the end") {
    run_io([]() -> Co<void> {
        std::size_t before = open_descriptors();
        auto [client, server] = co_await tcp_pair();
        int fd = client.fd();
        co_await send_text(client, "last words");
        auto closed = co_await std::move(client).close();
        CHECK(error_text(closed) == "no error");
        CHECK(!is_open(fd));
        std::string heard = co_await read_to_end(server);
        CHECK(heard == "last words");
        value_of(co_await std::move(server).close());
        co_await all_ended();
        CHECK(open_descriptors() == before);
    });
}

TEST_CASE("close ends the reads of other tasks") {
    run_io([]() -> Co<void> {
        auto [stream, peer] = half_raw_pair();
        auto lease_reader = spawn_local(read_error(stream));
        co_await settled();
        value_of(co_await std::move(stream).close());
        CHECK((co_await lease_reader).value() == "receive: Operation canceled");

        auto [second, second_peer] = half_raw_pair();
        auto reader = spawn_local(read_exactly(second, 10));
        put(second_peer.get(), "half");
        co_await settled();
        value_of(co_await std::move(second).close());
        std::string thrown;
        try {
            co_await reader;
        } catch (const std::runtime_error& error) {
            thrown = error.what();
        }
        CHECK(thrown == "receive: Operation canceled");
    });
}

TEST_CASE("close ends the writes of other tasks, who get their buffers back") {
    run_io([]() -> Co<void> {
        auto [stream, peer] = half_raw_pair();
        std::string text = pattern(4 << 20);
        auto writer = spawn_local(write(stream, text));
        co_await settled();
        CHECK(!writer.is_finished());
        int fd = stream.fd();
        value_of(co_await std::move(stream).close());
        CHECK(!is_open(fd));
        REQUIRE(writer.is_finished());
        auto end = (co_await writer).value();
        CHECK(error_text(end.n) == "send: Broken pipe");
        CHECK(end.buffer == text);
        std::string heard = get_to_end(peer.get());
        CHECK(heard.size() < text.size());
        CHECK(heard == text.substr(0, heard.size()));
    });
}

TEST_CASE("close with a reader and a writer at work ends both, and closes once") {
    run_io([]() -> Co<void> {
        for (int i = 0; i < 100; ++i) {
            auto [client, server] = co_await tcp_pair();
            auto reader = spawn_local(read_error(client));
            auto writer = spawn_local(write(client, pattern(8 << 20)));
            for (int turns = 1 + i % 4; turns > 0; --turns) co_await round_trip();
            int fd = client.fd();
            value_of(co_await std::move(client).close());
            CHECK(!is_open(fd));
            CHECK((co_await reader).value() == "receive: Operation canceled");
            CHECK(!(co_await writer).value().n);
        }
    });
}

TEST_CASE("dropping a stream ends the reads of other tasks") {
    run_io([]() -> Co<void> {
        std::optional<std::pair<Stream, UniqueFd>> pair(half_raw_pair());
        auto reader = spawn_local(read_error(pair->first));
        co_await settled();
        pair.reset();
        CHECK((co_await reader).value() == "receive: Operation canceled");

        // The same while it waits not for the kernel but for a lease to come back.
        pair.emplace(half_raw_pair());
        std::vector<Lease> leases;
        for (int i = 0; i < 8; ++i) {
            put(pair->second.get(), "x");
            leases.push_back(value_of(co_await pair->first.read_lease()));
        }
        auto paused = spawn_local(read_error(pair->first));
        co_await all_ended();
        pair.reset();
        CHECK((co_await paused).value() == "receive: Operation canceled");
    });
}

TEST_CASE("reads that outlive their stream are cancelled, whether they were polled before or not") {
    run_io([]() -> Co<void> {
        auto [stream, peer] = half_raw_pair();
        std::string text(10, '\0');
        auto begun = stream.read(bytes_in(text));
        auto not_begun = stream.read_lease();
        auto answer = co_await polled(begun);
        CHECK(!answer);
        value_of(co_await std::move(stream).close());
        auto first = co_await begun;
        CHECK(error_text(first) == "receive: Operation canceled");
        auto second = co_await not_begun;
        CHECK(error_text(second) == "receive: Operation canceled");
    });
}

TEST_CASE("a close that another task is left with closes the stream, which is gone by then") {
    run_io([]() -> Co<void> {
        std::optional<std::pair<Stream, UniqueFd>> pair(half_raw_pair());
        UniqueFd peer = std::move(pair->second);
        int fd = pair->first.fd();
        auto closing = spawn_local(std::move(pair->first).close());
        pair.reset();
        CHECK(is_open(fd));
        CHECK(error_text((co_await closing).value()) == "no error");
        CHECK(!is_open(fd));
        CHECK(get(peer.get()).empty());
    });
}

TEST_CASE("writes in flight go on when the stream is dropped, and the descriptor closes after the last") {
    run_io([]() -> Co<void> {
        std::optional<std::pair<Stream, UniqueFd>> pair(half_raw_pair());
        UniqueFd peer = std::move(pair->second);
        std::string text = pattern(4 << 20);
        auto writer = spawn_local(write(pair->first, text));
        co_await settled();
        int fd = pair->first.fd();
        pair.reset();
        co_await settled();
        CHECK(is_open(fd));
        CHECK(!writer.is_finished());

        Stream other = value_of(Stream::adopt(std::move(peer)));
        std::string heard = co_await read_to_end(other);
        CHECK(heard == text);
        auto end = (co_await writer).value();
        CHECK(value_of(end.n) == text.size());
        CHECK(end.buffer == text);
        CHECK(!is_open(fd));
    });
}

TEST_CASE("a stream that was moved is the same stream, for those who wait on it as well") {
    run_io([]() -> Co<void> {
        auto [stream, peer] = half_raw_pair();
        auto reader = spawn_local(read_exactly(stream, 4));
        put(peer.get(), "ab");
        co_await settled();
        auto waiting = stream.read_lease();
        Stream moved = std::move(stream);
        reader.cancel();
        co_await reader;
        put(peer.get(), "cd");
        Lease lease = value_of(co_await waiting);
        CHECK(lease.text() == "cd");
        co_await send_text(moved, "back");
        CHECK(get(peer.get()) == "back");
    });
}

TEST_CASE("a non-blocking socket that is adopted waits like any other") {
    run_io([]() -> Co<void> {
        auto [ours, theirs] = raw_pair(SOCK_STREAM | SOCK_NONBLOCK);
        REQUIRE((fcntl(ours.get(), F_GETFL) & O_NONBLOCK) != 0);
        int flags = fcntl(ours.get(), F_GETFL) & ~O_NONBLOCK;
        Stream stream = value_of(Stream::adopt(std::move(ours)));
        CHECK(fcntl(stream.fd(), F_GETFL) == flags);

        auto reader = spawn_local(read_exactly(stream, 5));
        co_await settled();
        CHECK(!reader.is_finished());
        put(theirs.get(), "later");
        CHECK((co_await reader).value() == "later");
        auto writer = spawn_local(write(stream, pattern(1 << 20)));
        co_await settled();
        CHECK(!writer.is_finished());  // full, and it waits
    });
}

TEST_CASE("what is no descriptor cannot be adopted") {
    CHECK(error_text(Stream::adopt(UniqueFd())) == "descriptor flags: Bad file descriptor");
}

TEST_CASE("what is no socket can be adopted, and each use says what is wrong") {
    run_io([]() -> Co<void> {
        Stream stream = value_of(Stream::adopt(UniqueFd(open("/dev/null", O_RDWR))));
        auto read = co_await stream.read_lease();
        CHECK(error_text(read) == "receive: Socket operation on non-socket");
        auto again = co_await stream.read_lease();
        CHECK(error_text(again) == "receive: Socket operation on non-socket");
        auto written = co_await stream.write_all(std::string("x"));
        CHECK(error_text(written.n) == "send: Socket operation on non-socket");
        CHECK(error_text(stream.peer_address()) == "socket address: Socket operation on non-socket");
        CHECK(error_text(stream.shutdown_write()) == "shutdown: Socket operation on non-socket");
        value_of(co_await std::move(stream).close());
    });
}

TEST_CASE("a stream closes, though a write that has ended still has a name") {
    run_io([]() -> Co<void> {
        auto [stream, peer] = half_raw_pair();
        auto write = stream.write_all(std::string("last words"));
        CHECK((co_await write).n == 10);
        auto closing = spawn_local(std::move(stream).close());
        co_await until([&closing] { return closing.is_finished(); });
        CHECK(get(peer.get()) == "last words");
        CHECK(peek_one(peer.get()) == 0);
    });
}

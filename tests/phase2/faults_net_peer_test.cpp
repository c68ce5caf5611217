// RELIABILITY rows 31, 34 and 35: peers that are slow, gone, or rude.
#include "kernel_spy.hpp"
#include "net_support.hpp"
#include "raw_ring.hpp"

#include <thread>

using namespace support;

namespace {

constexpr std::size_t mebibyte = 1 << 20;

void make_send_buffer_small(int socket) { value_of(sys::set_option(socket, SOL_SOCKET, SO_SNDBUF, 4096)); }

// Counts SIGPIPE while it lives; by default the signal ends the process.
class SigpipeCount {
public:
    SigpipeCount() {
        signals = 0;
        struct sigaction action{};
        action.sa_handler = [](int) { signals = signals + 1; };
        sigaction(SIGPIPE, &action, &before_);
    }
    SigpipeCount(const SigpipeCount&) = delete;
    SigpipeCount& operator=(const SigpipeCount&) = delete;
    ~SigpipeCount() { sigaction(SIGPIPE, &before_, nullptr); }

    static inline volatile std::sig_atomic_t signals = 0;

private:
    struct sigaction before_{};
};

// What a task hears until its stream ends or fails.
Co<std::string> hear(Stream stream) {
    std::string text;
    while (true) {
        auto lease = co_await stream.read_lease();
        if (!lease) co_return text + "; " + lease.error().message();
        if (lease->empty()) co_return text + "; end";
        text += lease->text();
    }
}

std::pair<Stream, UniqueFd> tcp_with_raw_peer() {
    UniqueFd listener = value_of(open_listener(SocketAddress::loopback(0), 1));
    UniqueFd client = raw_connection(value_of(address_of(&sys::local_address, listener.get())).port());
    UniqueFd server(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    return {value_of(Stream::adopt(std::move(server))), std::move(client)};
}

}  // namespace

TEST_CASE("R31: contract: one send of a mebibyte into a small socket buffer is short") {
    RawRing ring;
    auto [stream, peer] = tcp_with_raw_peer();
    make_send_buffer_small(stream.fd());
    std::string text = pattern(mebibyte);
    io_uring_prep_send(ring.entry(), stream.fd(), text.data(), text.size(), 0);
    ring.submit();
    auto seen = ring.wait_for(1);
    CHECK(seen[0].result > 0);
    CHECK(seen[0].result < static_cast<int>(mebibyte));
}

TEST_CASE("R31: write_all of a mebibyte into a small socket buffer sends all of it") {
    run_io([]() -> Co<void> {
        auto [stream, peer] = tcp_with_raw_peer();
        make_send_buffer_small(stream.fd());
        std::string text = pattern(mebibyte);
        auto sending = spawn_local(stream.write_all(text));
        co_await settled();
        REQUIRE(!sending.is_finished());  // the buffer is full, a part is sent
        CHECK(peek_one(peer.get()) == 1);
        std::string heard(mebibyte, '\0');
        std::thread reader([&] { recv(peer.get(), heard.data(), heard.size(), MSG_WAITALL); });
        auto sent = (co_await sending).value();
        reader.join();
        CHECK(value_of(sent.n) == mebibyte);
        CHECK(sent.buffer == text);
        CHECK(heard == text);
    });
}

TEST_CASE("R31: writes to a full pipe are short, and write_all goes on until all is written") {
    run_io([]() -> Co<void> {
        auto [reader, writer] = make_pipe();
        value_of(sys::set_nonblocking(writer.get(), true));
        std::string text = pattern(mebibyte);
        BufferedFile file(std::move(writer));
        auto one = co_await file.write_at(text, operations::at_current_position);
        std::size_t first = value_of(one.n);
        REQUIRE(first < mebibyte);
        auto draining = std::thread([&, fd = reader.get()] {
            std::string heard = get_to_end(fd);
            CHECK(heard == text.substr(0, first) + text);
        });
        spy.forget();
        auto all = co_await file.write_all_at(text, operations::at_current_position);
        CHECK(value_of(all.n) == mebibyte);
        CHECK(spy.submitted(IORING_OP_WRITE) >= 2);
        CHECK(spy.completed(IORING_OP_WRITE, mebibyte) == 0);
        value_of(co_await std::move(file).close());
        draining.join();
    });
}

TEST_CASE("R31: reads are as short as what has arrived, and whoever asks again gets the rest") {
    run_io([]() -> Co<void> {
        auto [stream, peer] = tcp_with_raw_peer();
        std::string text = pattern(mebibyte);
        std::thread writer([&, fd = peer.get()] { put_all(fd, text); });
        std::string heard;
        int short_reads = 0;
        std::string piece(100'000, '\0');
        while (heard.size() < text.size()) {
            std::size_t count = value_of(co_await stream.read(bytes_in(piece)));
            if (count < piece.size()) ++short_reads;
            heard.append(piece, 0, count);
        }
        writer.join();
        CHECK(short_reads > 10);
        CHECK(heard == text);
    });
}

TEST_CASE("R34: contract: a write operation on a socket whose peer is gone raises SIGPIPE, a send does not") {
    SigpipeCount pipes;
    RawRing ring;
    auto [ours, theirs] = raw_pair();
    theirs = UniqueFd();
    io_uring_prep_send(ring.entry(), ours.get(), "x", 1, MSG_NOSIGNAL);
    ring.submit();
    CHECK(ring.wait_for(1)[0].result == -EPIPE);
    CHECK(pipes.signals == 0);
    io_uring_prep_write(ring.entry(), ours.get(), "x", 1, 0);
    ring.submit();
    CHECK(ring.wait_for(1)[0].result == -EPIPE);
    CHECK(pipes.signals == 1);
}

TEST_CASE("R34: writing to a peer that is gone is an error, EPIPE, and no signal") {
    run_io([]() -> Co<void> {
        SigpipeCount pipes;
        auto [stream, peer] = half_raw_pair();
        peer = UniqueFd();
        for (int i = 0; i < 3; ++i) {
            auto sent = co_await stream.write_all(std::string("anybody there?"));
            CHECK(error_text(sent.n) == "send: Broken pipe");
            CHECK(sent.n.error() == std::errc::broken_pipe);
            CHECK(sent.buffer == "anybody there?");
        }
        CHECK(pipes.signals == 0);
        std::string rest = co_await read_to_end(stream);
        CHECK(rest.empty());
    });
}

TEST_CASE("R34: a peer that goes in the middle of a long write ends it, and only it") {
    run_io([]() -> Co<void> {
        SigpipeCount pipes;
        auto [stream, peer] = half_raw_pair();
        auto [client, server] = value_of(UnixStream::pair());
        auto writing = spawn_local(stream.write_all(pattern(4 << 20)));
        co_await settled();
        REQUIRE(!writing.is_finished());
        peer = UniqueFd();
        auto sent = (co_await writing).value();
        CHECK(error_text(sent.n) == "send: Broken pipe");
        CHECK(sent.buffer == pattern(4 << 20));
        CHECK(pipes.signals == 0);
        co_await send_text(client, "unharmed");
        std::string heard = co_await read_exactly(server, 8);
        CHECK(heard == "unharmed");
    });
}

TEST_CASE("R35: a connection that is reset fails its own task with ECONNRESET, and no other") {
    run_io([]() -> Co<void> {
        std::vector<UniqueFd> peers;
        std::vector<JoinHandle<std::string>> tasks;
        for (int i = 0; i < 3; ++i) {
            auto [stream, peer] = tcp_with_raw_peer();
            put(peer.get(), "hello");
            tasks.push_back(spawn_local(hear(std::move(stream))));
            peers.push_back(std::move(peer));
        }
        co_await settled();
        reset_on_close(peers[1].get());
        peers[1] = UniqueFd();
        CHECK((co_await tasks[1]).value() == "hello; receive: Connection reset by peer");
        CHECK(spy.completed(IORING_OP_RECV, -ECONNRESET) == 1);
        CHECK(!tasks[0].is_finished());
        CHECK(!tasks[2].is_finished());
        for (int i : {0, 2}) {
            put(peers[i].get(), ", goodbye");
            peers[i] = UniqueFd();
            CHECK((co_await tasks[i]).value() == "hello, goodbye; end");
        }
    });
}

TEST_CASE("R35: the error of a reset connection stays, for reads and for writes") {
    run_io([]() -> Co<void> {
        auto [stream, peer] = tcp_with_raw_peer();
        reset_on_close(peer.get());
        peer = UniqueFd();
        for (int i = 0; i < 3; ++i) {
            auto lease = co_await stream.read_lease();
            CHECK(failed_with(lease, ECONNRESET));
        }
        auto sent = co_await stream.write_all(std::string("x"));
        CHECK(failed_with(sent.n, EPIPE));
        value_of(co_await std::move(stream).close());
    });
}

TEST_CASE("R35: a reset during a long write fails it, though the kernel first tells what it had sent") {
    run_io([]() -> Co<void> {
        auto [stream, peer] = tcp_with_raw_peer();
        auto writing = spawn_local(stream.write_all(pattern(8 << 20)));
        co_await settled();
        REQUIRE(!writing.is_finished());
        reset_on_close(peer.get());
        peer = UniqueFd();
        auto sent = (co_await writing).value();
        CHECK(spy.ended_silently(IORING_OP_SEND) == 1);  // a short count, which has used up the ECONNRESET
        CHECK(error_text(sent.n) == "send: Broken pipe");
        CHECK(sent.buffer == pattern(8 << 20));
    });
}

TEST_CASE("R35: a connection that is refused is ECONNREFUSED, leaves no descriptor, and harms nobody") {
    run_io([]() -> Co<void> {
        UniqueFd bound = raw_tcp_socket();  // a port where nobody listens
        SocketAddress any = SocketAddress::loopback(0);
        REQUIRE(bind(bound.get(), any.get(), any.bytes()) == 0);
        auto address = value_of(address_of(&sys::local_address, bound.get()));
        std::size_t before = open_descriptors();
        auto refused = co_await TcpStream::connect(address);
        CHECK(error_text(refused) == "connect: Connection refused");
        CHECK(refused.error() == std::errc::connection_refused);
        CHECK(spy.completed(IORING_OP_CONNECT, -ECONNREFUSED) == 1);
        CHECK(open_descriptors() == before);
        auto [client, server] = co_await tcp_pair();
        co_await send_text(client, "fine");
        std::string heard = co_await read_exactly(server, 4);
        CHECK(heard == "fine");
    });
}

// R56 for I/O: whichever allocation fails, while operations are submitted, awaited or abandoned,
// std::bad_alloc or an error comes out, memory and descriptors are back, and the same executor does the same
// thing afterwards.
#include "failing_io.hpp"

using namespace support;

#if defined(OPERATOR_NEW_IS_FIXED)

TEST_CASE("operator new cannot be counted here; every other build runs this suite") {}

#else

namespace {

using ReadText = operations::Read<std::string>;

Operation<ReadText> read_from(const SharedFd& file) {
    return Operation(ReadText(file, std::string(100, '\0'), operations::at_current_position));
}

Step submit_many() {
    std::vector<Operation<operations::Nop>> started;
    started.reserve(20);
    for (int i = 0; i < 20; ++i) {
        started.emplace_back(operations::Nop());
        static_cast<void>(co_await poll_once(started.back()));
    }
    for (auto& nop : started) {
        if (!co_await nop) co_return false;
    }
    co_return true;
}

Step connect_and_accept() {
    auto listener = TcpListener::bind(SocketAddress::loopback(0));
    if (!listener) co_return false;
    auto client = co_await TcpStream::connect(value_of(listener->local_address()));
    if (!client) co_return false;
    auto server = co_await listener->accept();
    if (!server) co_return false;
    co_return (co_await std::move(*client).close()).has_value();
}

Step accept_once() {
    SharedFd listener(value_of(open_listener(SocketAddress::loopback(0), 8)));
    Operation accept{operations::Accept(listener)};
    static_cast<void>(co_await poll_once(accept));
    auto address = value_of(address_of(&sys::local_address, listener.get()));
    auto client = co_await connect_stream(address);
    if (!client) co_return false;
    co_return (co_await accept).has_value();
}

Step sleep_many() {
    std::vector<Sleep> sleeps;
    sleeps.reserve(20);
    for (int i = 0; i < 20; ++i) {
        sleeps.push_back(sleep(100us));
        static_cast<void>(co_await poll_once(sleeps.back()));
    }
    for (auto& one : sleeps) co_await one;
    co_return true;
}

Step time_out() {
    auto pipe = make_pipe();
    auto read = co_await read_from(SharedFd(std::move(pipe.reader))).timeout(100us);
    co_return failed_with(read.n, ETIMEDOUT);
}

Co<bool> write_after_a_turn(int writer) {
    co_await yield_now();
    co_return put(writer, "x");
}

// What fails here leaves a read behind that is in flight.
Step spawn_beside_a_read() {
    auto pipe = make_pipe();
    auto read = read_from(SharedFd(std::move(pipe.reader)));
    static_cast<void>(co_await poll_once(read));
    auto writer = spawn_local(write_after_a_turn(pipe.writer.get()));
    auto got = co_await read;
    auto wrote = co_await writer;
    co_return got.n == 1 && wrote == true;
}

// More than one buffer holds, and read in both ways.
Step read_with_buffers() {
    auto [ours, theirs] = half_raw_pair();
    constexpr std::size_t all = 30'000;
    auto write = ours.write_all(std::string(all, 'x'));
    static_cast<void>(co_await poll_once(write));
    Stream peer = value_of(Stream::adopt(std::move(theirs)));
    std::vector<Lease> leases;
    std::size_t received = 0;
    while (received < all / 2) {
        leases.push_back(value_of(co_await peer.read_lease()));
        received += leases.back().size();
    }
    std::string target(4096, '\0');
    while (received < all) received += value_of(co_await peer.read(bytes_in(target)));
    auto sent = co_await write;
    co_return sent.n == all&& received == all;
}

Step send_datagram() {
    auto socket = UdpSocket::bind(SocketAddress::loopback(0));
    if (!socket) co_return false;
    auto address = value_of(socket->local_address());
    auto sent = co_await socket->send_to(std::string(100, 'x'), address);
    if (!sent.n) co_return false;
    auto received = co_await socket->receive_from(std::string(200, '\0'));
    co_return received.n == 100;
}

Step wait_until_readable() {
    auto pipe = make_pipe();
    auto reader = value_of(Async<>::adopt(std::move(pipe.reader)));
    char byte;
    auto read = reader.read(std::as_writable_bytes(std::span(&byte, 1)));
    static_cast<void>(co_await poll_once(read));
    if (!put(pipe.writer.get(), "x")) co_return false;
    co_return (co_await read) == 1;
}

Step use_a_file(const std::string& path) {
    auto file = co_await BufferedFile::create(path);
    if (!file) co_return false;
    auto written = co_await file->write_all_at(std::string(10'000, 'x'), 0);
    auto synced = co_await file->fdatasync();
    auto status = co_await file->stat();
    auto closed = co_await std::move(*file).close();
    std::string other = path + ".moved";
    auto renamed = co_await rename(path, other);
    auto removed = co_await remove(other);
    co_return written.n&& synced&& status&& closed&& renamed&& removed;
}

}  // namespace

TEST_CASE("R56: an allocation fails while operations are submitted") { CHECK(fail_each(submit_many) > 20); }

TEST_CASE("R56: an allocation fails in connect, accept or close") {
    CHECK(fail_each(connect_and_accept) > 10);
    CHECK(fail_each(accept_once) > 5);
}

TEST_CASE("R56: an allocation fails while sleeps and timeouts are armed") {
    CHECK(fail_each(sleep_many) > 5);
    CHECK(fail_each(time_out) > 5);
}

TEST_CASE("R56: an allocation fails in spawn, with an operation in flight") {
    CHECK(fail_each(spawn_beside_a_read) > 5);
}

TEST_CASE("R56: an allocation fails while a stream is read into buffers of the group") {
    CHECK(fail_each(read_with_buffers) > 5);
}

TEST_CASE("R56: bytes for which there is neither buffer nor memory end the stream, after those before them") {
    // What the first copy of a stream takes: a queue, and its bytes, which are an array: ASan's to allocate.
#if defined(RINGLET_ASAN)
    constexpr long allocations = 3;
#else
    constexpr long allocations = 4;
#endif
    for (long which = 0; which < allocations; ++which) {
        CAPTURE(which);
        auto executor = make_io_executor();
        auto [stream, peer] = half_raw_pair();
        std::string text = pattern(16 * 8192);
        executor->run([&, &stream = stream, &peer = peer]() -> Co<void> {
            put(peer.get(), "it reads");
            auto lease = co_await stream.read_lease();
            CHECK(lease->text() == "it reads");
        });
        put_all(peer.get(), text);
        {
            FailsAt fails(which);
            CHECK(turn_until(*executor, [] { return counted_new::has_failed; }));
        }
        executor->run([&, &stream = stream]() -> Co<void> {
            std::string heard;
            while (auto lease = co_await stream.read_lease()) heard += lease->text();
            CHECK(heard == text.substr(0, 8 * 8192));
            CHECK(failed_with(co_await stream.read_lease(), ENOMEM));
        });
    }
}

TEST_CASE("R56: an allocation fails while datagrams are sent and received") {
    CHECK(fail_each(send_datagram) > 5);
}

TEST_CASE("R56: an allocation fails while a descriptor is awaited") {
    CHECK(fail_each(wait_until_readable) > 2);
}

TEST_CASE("R56: an allocation fails while a file is written, moved and removed") {
    TemporaryFolder folder;
    std::string path = folder / "a name too long for the small string buffer";
    CHECK(fail_each([&path] { return use_a_file(path); }) > 15);
}

TEST_CASE("R56: an allocation fails while an executor with its rings is made") {
    long allocations = fail_each_allocation([](long n) {
        std::size_t descriptors = open_descriptors();
        auto surfaced = Surfaced::nothing;
        try {
            FailsAt fails(n);
            if (!LocalExecutorBuilder().make()) surfaced = Surfaced::returned;
        } catch (const std::bad_alloc&) {
            surfaced = Surfaced::thrown;
        }
        CHECK(open_descriptors() == descriptors);
        CHECK(make_executor()->run(ready(1)) == 1);
        return surfaced;
    });
    CHECK(allocations >= 5);
}

TEST_CASE("R56: a connection that cannot be kept is closed, the others wait, and accepting goes on") {
    constexpr int connections = 200;  // more than the queue has room for at first
    auto executor = make_io_executor();
    auto listener = value_of(TcpListener::bind(SocketAddress::loopback(0)));
    executor->run([&]() -> Co<void> {
        auto accept = listener.accept();
        static_cast<void>(co_await poll_once(accept));
    });
    std::vector<UniqueFd> peers;
    for (int i = 0; i < connections; ++i) peers.push_back(raw_connection(port_of(listener)));
    {
        FailsAt fails(0);
        CHECK(turn_until(*executor, [&] { return listener.back_offs() > 0; }));
        CHECK(counted_new::has_failed);
    }
    CHECK(listener.back_offs() == 1);
    std::vector<TcpStream> accepted;
    executor->run([&]() -> Co<void> {
        while (accepted.size() < connections - 1) accepted.push_back(value_of(co_await listener.accept()));
    });
    CHECK(std::ranges::count_if(peers, [](UniqueFd& peer) { return peek_one(peer.get()) == 0; }) == 1);
}

#endif

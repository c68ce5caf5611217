// RELIABILITY row 28, and rows 21 and 29, whose mechanisms Ringlet does not build.
#include "kernel_spy.hpp"
#include "net_support.hpp"
#include "raw_ring.hpp"

#include <sys/stat.h>

using namespace support;

namespace {

// Takes the number of a descriptor that has just been closed. If that is closed a second time, this one is
// the victim.
class Canary {
public:
    explicit Canary(int number) : fd_(open("/dev/null", O_RDONLY | O_CLOEXEC)), number_(number) {}
    bool has_number() const { return fd_.get() == number_; }
    bool lives() const {
        struct stat status;
        return fstat(number_, &status) == 0 && S_ISCHR(status.st_mode);
    }

private:
    UniqueFd fd_;
    int number_;
};

// `number` is closed once: gone when all has ended, and not closed again by what comes late.
Co<void> check_closed_once(int number) {
    co_await all_ended();
    REQUIRE(!is_open(number));
    Canary canary(number);
    REQUIRE(canary.has_number());
    co_await settled();
    REQUIRE(canary.lives());
}

// Opens a stream or a file whose number is the lowest that is free, and leaves it at one of many moments.
Co<int> drop_a_stream(std::mt19937_64& random) {
    auto [ours, theirs] = raw_pair();
    int number = ours.get();
    std::optional<Stream> stream(value_of(Stream::adopt(std::move(ours))));
    auto read = stream->read_lease();
    std::optional write(stream->write_all(std::string(random() % 2 ? 10 : 1 << 20, 'x')));
    if (random() % 2) static_cast<void>(co_await poll_once(read));
    if (random() % 2) static_cast<void>(co_await poll_once(*write));
    if (random() % 2) put(theirs.get(), "something");
    if (random() % 2) co_await round_trip();
    if (random() % 2) write.reset();
    if (!write && random() % 2) {
        value_of(co_await std::move(*stream).close());
    } else if (random() % 2) {
        stream.reset();
    }
    co_return number;
}

Co<int> drop_a_file(std::mt19937_64& random) {
    auto file = value_of(co_await BufferedFile::open("/proc/self/exe"));
    co_await all_ended();
    UniqueFd next(open("/dev/null", O_RDONLY));
    int number = next.get() - 1;
    auto read = file.read_at(std::string(5000, '\0'), 0);
    if (random() % 2) static_cast<void>(co_await poll_once(read));
    if (random() % 2) co_await round_trip();
    if (random() % 2) {
        auto close = std::move(file).close();
        if (random() % 2) static_cast<void>(co_await poll_once(close));
        if (random() % 2) co_await round_trip();
        if (random() % 2) static_cast<void>(co_await poll_once(close));
    }
    co_return number;
}

}  // namespace

TEST_CASE("R28: a thousand streams, dropped or closed at any moment, are closed once each") {
    run_io([]() -> Co<void> {
        std::mt19937_64 random(28);
        std::size_t before = open_descriptors();
        for (int i = 0; i < 1000; ++i) {
            int number = co_await drop_a_stream(random);
            co_await check_closed_once(number);
            REQUIRE(open_descriptors() == before);
        }
    });
}

TEST_CASE("R28: a thousand files, dropped or closed at any moment, are closed once each") {
    run_io([]() -> Co<void> {
        std::mt19937_64 random(29);
        std::size_t before = open_descriptors();
        for (int i = 0; i < 1000; ++i) {
            int number = co_await drop_a_file(random);
            co_await check_closed_once(number);
            REQUIRE(open_descriptors() == before);
        }
    });
}

// Row 21: Ringlet has no send_zc. Its sends own their buffers until their only completion, as the second
// case shows; whoever adds send_zc needs the first.
TEST_CASE("R21: contract: send_zc completes twice, and only the second gives the buffer back") {
    RawRing ring;
    UniqueFd listener = value_of(open_listener(SocketAddress::loopback(0), 1));
    UniqueFd client = raw_connection(value_of(address_of(&sys::local_address, listener.get())).port());
    std::string text = pattern(10'000);
    io_uring_prep_send_zc(ring.entry(), client.get(), text.data(), text.size(), 0, 0);
    ring.submit();
    auto seen = ring.wait_for(2);
    REQUIRE(seen.size() == 2);
    CHECK(seen[0].result == 10'000);
    CHECK((seen[0].flags & IORING_CQE_F_MORE) != 0);
    CHECK((seen[1].flags & IORING_CQE_F_NOTIF) != 0);
    CHECK((seen[1].flags & IORING_CQE_F_MORE) == 0);
}

TEST_CASE("R21: sends are plain sends with one completion, before which no buffer comes back") {
    run_io([]() -> Co<void> {
        auto [stream, peer] = half_raw_pair();
        auto sending = spawn_local(stream.write_all(pattern(1 << 20)));
        co_await settled();
        CHECK(!sending.is_finished());
        CHECK(spy.submitted(IORING_OP_SEND) == 1);
        std::string heard;
        while (heard.size() < 1 << 20) {
            heard += get(peer.get(), 1 << 20);
            co_await round_trip();
        }
        CHECK((co_await sending).value().buffer == heard);
        CHECK(spy.submitted(IORING_OP_SEND_ZC) == 0);
        int completions = spy.count(
            [](const SpyEvent& e) { return e.kind == SpyEvent::completed && e.opcode == IORING_OP_SEND; });
        CHECK(completions == 1);
    });
}

// Row 29: Ringlet registers no descriptors: the slots that could be full are not there, and every
// descriptor is a plain one, which is what the row asks to fall back to.
TEST_CASE(
    "R29: contract: without a free slot an open fails with ENFILE, and a plain descriptor is to be had") {
    RawRing ring;
    REQUIRE(io_uring_register_files_sparse(ring.get(), 2) == 0);
    auto open_in_slot = [&] {
        io_uring_sqe* entry = ring.entry();
        io_uring_prep_openat(entry, AT_FDCWD, "/dev/null", O_RDONLY, 0);
        entry->file_index = IORING_FILE_INDEX_ALLOC;
        ring.submit();
        return ring.wait_for(1)[0].result;
    };
    CHECK(open_in_slot() == 0);
    CHECK(open_in_slot() == 1);
    CHECK(open_in_slot() == -ENFILE);
    io_uring_prep_openat(ring.entry(), AT_FDCWD, "/dev/null", O_RDONLY, 0);
    ring.submit();
    UniqueFd plain(ring.wait_for(1)[0].result);
    CHECK(is_open(plain.get()));

    // A close with the flag of other operations is refused, and the slot stays taken.
    io_uring_sqe* wrong = ring.entry();
    io_uring_prep_close(wrong, 0);
    wrong->flags |= IOSQE_FIXED_FILE;
    ring.submit();
    CHECK(ring.wait_for(1)[0].result == -EBADF);
    CHECK(open_in_slot() == -ENFILE);
    io_uring_prep_close_direct(ring.entry(), 0);
    ring.submit();
    CHECK(ring.wait_for(1)[0].result == 0);
    CHECK(open_in_slot() == 0);
}

TEST_CASE("R29: no operation of sockets and files uses a fixed slot") {
    TemporaryFolder folder;
    run_io([&]() -> Co<void> {
        auto [client, server] = co_await tcp_pair();
        co_await send_text(client, "hello");
        std::string heard = co_await read_exactly(server, 5);
        CHECK(heard == "hello");
        value_of(co_await std::move(client).close());
        auto file = value_of(co_await BufferedFile::create(folder / "file"));
        value_of((co_await file.write_all_at(heard, 0)).n);
        value_of(co_await std::move(file).close());
        for (unsigned opcode : {IORING_OP_ACCEPT, IORING_OP_CONNECT, IORING_OP_SEND, IORING_OP_RECV,
                                IORING_OP_OPENAT, IORING_OP_WRITE, IORING_OP_CLOSE}) {
            CHECK(spy.submitted(opcode) >= 1);
        }
        CHECK(spy.count([](const SpyEvent& e) {
            return e.kind == SpyEvent::submitted && e.flags & IOSQE_FIXED_FILE;
        }) == 0);
    });
}

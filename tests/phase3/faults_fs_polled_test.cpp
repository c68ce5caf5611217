// RELIABILITY row 37: devices that cannot be polled for completions. What a device says of itself is this
// file's to say: it stands in for polled_block.cpp at link time.
#include "../phase1/failing_new.hpp"
#include "dma_support.hpp"

#include <ringlet/reactor/direct_device.hpp>

#include <cerrno>

namespace {

bool claims_to_poll = false;
int asked = 0;

}  // namespace

namespace ringlet::sys {

std::size_t polled_block_bytes(dev_t) {
    ++asked;
    return claims_to_poll ? 128 << 10 : 0;
}

}  // namespace ringlet::sys

using namespace support;

namespace {

// What a ring that polls says to a read of the file.
int read_polled(const std::string& path) {
    io_uring ring{};
    if (io_uring_queue_init(8, &ring, Ring::poll_flags) < 0) throw std::runtime_error("io_uring");
    UniqueFd file(open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
    alignas(4096) static char buffer[4096];
    io_uring_prep_read(io_uring_get_sqe(&ring), file.get(), buffer, sizeof buffer, 0);
    io_uring_cqe* entry;
    if (io_uring_submit_and_wait(&ring, 1) < 0 || io_uring_wait_cqe(&ring, &entry) < 0) {
        throw std::runtime_error("io_uring");
    }
    int result = entry->res;
    io_uring_queue_exit(&ring);
    return result;
}

bool is_notice(const std::string& text, const std::string& path, const char* why) {
    return text.starts_with(path + ": direct I/O on device ") && text.find(why) != std::string::npos;
}

}  // namespace

// In children, since a notice is given once in a process.

TEST_CASE("R37: a device that says it does not poll is not polled, with one notice") {
    DiskFolder folder(usual_folder());
    make_file(folder / "a", pattern(8192));
    make_file(folder / "b", pattern(8192, 2));
    auto child = run_in_child([&] {
        Notices notices;
        auto root = [&]() -> Co<void> {
            auto a = value_of(co_await DmaFile::open(folder / "a"));
            auto b = value_of(co_await DmaFile::open(folder / "b"));
            CHILD_REQUIRE(asked == 1);
            CHILD_REQUIRE(a.io_path() == IoPath::interrupt);
            CHILD_REQUIRE(value_of(co_await a.read_at(100, 1000)).text() == pattern(8192).substr(100, 1000));
            CHILD_REQUIRE(value_of(co_await b.read_at(0, 10)).text() == pattern(8192, 2).substr(0, 10));
            CHILD_REQUIRE(Reactor::current().poll_stats().enters == 0);
        };
        run_io(root);
        asked = 0;
        run_io(root);  // another executor says nothing new
        CHILD_REQUIRE(notices.texts.size() == 1);
        CHILD_REQUIRE(is_notice(notices.texts[0], folder / "a", "waits for interrupts: it does not poll"));
    });
    CHECK_MESSAGE(child.exited_well(), child.errors);
}

TEST_CASE("R37: what polling refuses with EOPNOTSUPP is read on the main ring, all of it, with one notice") {
    DiskFolder folder(usual_folder());
    std::string text = pattern(1 << 20);
    make_file(folder / "file", text);
    if (read_polled(folder / "file") != -EOPNOTSUPP) {
        return skip(37, "this disk polls, or this kernel does not refuse to poll one that cannot");
    }
    auto child = run_in_child([&] {
        Notices notices;
        claims_to_poll = true;
        run_io([&]() -> Co<void> {
            auto file = value_of(co_await DmaFile::open(folder / "file", O_RDWR));
            CHILD_REQUIRE(file.io_path() == IoPath::polled);
            CHILD_REQUIRE(notices.texts.empty());
            // All of them are in flight when the first is refused.
            std::vector<JoinHandle<Result<ReadResult>>> reads;
            for (unsigned i = 0; i < 50; ++i) reads.push_back(spawn_local(file.read_at(i * 1000, 1000)));
            for (unsigned i = 0; i < 50; ++i) {
                ReadResult read = value_of((co_await reads[i]).value());
                CHILD_REQUIRE(read.text() == text.substr(i * 1000, 1000));
            }
            Reactor& reactor = Reactor::current();
            CHILD_REQUIRE(reactor.poll_stats().completions == 50);
            CHILD_REQUIRE(reactor.stats().fixed == 50);
            CHILD_REQUIRE(file.io_path() == IoPath::interrupt);
            CHILD_REQUIRE(notices.texts.size() == 1);
            CHILD_REQUIRE(is_notice(notices.texts[0], folder / "file", "does not poll it"));

            // From now on it is not tried, until a file is opened: that one may be another.
            auto written = co_await file.write_all_at(buffer_of(file, text.substr(0, 4096)), 4096);
            CHILD_REQUIRE(value_of(written.n) == 4096);
            CHILD_REQUIRE(reactor.poll_stats().completions == 50);
            auto again = value_of(co_await DmaFile::open(folder / "file"));
            CHILD_REQUIRE(again.io_path() == IoPath::polled);
            CHILD_REQUIRE(value_of(co_await again.read_at(4096, 4096)).text() == text.substr(0, 4096));
            CHILD_REQUIRE(reactor.poll_stats().completions == 51);
            CHILD_REQUIRE(again.io_path() == IoPath::interrupt);
            CHILD_REQUIRE(notices.texts.size() == 1);
        });
    });
    CHECK_MESSAGE(child.exited_well(), child.errors);
}

#if !defined(OPERATOR_NEW_IS_FIXED)

TEST_CASE("R37: what polling refuses is read on the main ring also if there is no memory to say so") {
    DiskFolder folder(usual_folder());
    std::string text = pattern(8192);
    make_file(folder / "file", text);
    if (read_polled(folder / "file") != -EOPNOTSUPP) {
        return skip(37, "this disk polls, or this kernel does not refuse to poll one that cannot");
    }
    auto child = run_in_child([&] {
        Notices notices;
        claims_to_poll = true;
        run_io([&]() -> Co<void> {
            auto file = value_of(co_await DmaFile::open(folder / "file"));
            auto read = file.read_at_aligned(file.alloc_dma_buffer(4096), 0);
            static_cast<void>(co_await poll_once(read));
            FailsAt fails(0);
            auto done = co_await read;
            CHILD_REQUIRE(counted_new::has_failed);
            CHILD_REQUIRE(done.n == 4096);
            CHILD_REQUIRE(file.io_path() == IoPath::interrupt);
        });
        CHILD_REQUIRE(notices.texts.empty());
    });
    CHECK_MESSAGE(child.exited_well(), child.errors);
}

#endif

TEST_CASE("R37: a failure that has nothing to do with polling condemns no device") {
    DiskFolder folder(usual_folder());
    make_file(folder / "file", pattern(8192));
    auto child = run_in_child([&] {
        Notices notices;
        claims_to_poll = true;
        run_io([&]() -> Co<void> {
            // For writing only: a read to try it out would fail.
            auto file = value_of(co_await DmaFile::open(folder / "file", O_WRONLY));
            auto read = co_await file.read_at(0, 10);
            CHILD_REQUIRE(error_text(read) == "read: Bad file descriptor");
            CHILD_REQUIRE(Reactor::current().poll_stats().completions == 1);
            CHILD_REQUIRE(file.io_path() == IoPath::polled);
            auto other = value_of(co_await DmaFile::open(folder / "file"));
            CHILD_REQUIRE(other.io_path() == IoPath::polled);
        });
    });
    CHECK_MESSAGE(child.exited_well(), child.errors);
}

TEST_CASE("a notice goes to stderr, once for its subject, if the program has no other place for it") {
    auto child = run_in_child([] {
        set_notice_handler(quiet.before());
        notice_once("a device", "it is slow");
        notice_once("a device", "it is still slow");
        notice_once("another", "it is fast");
    });
    CHECK(child.errors == "ringlet: it is slow\nringlet: it is fast\n");
}

// DmaFile: reads and writes past the page cache; aligned and not, short, refused, dropped, on disks that are
// full or fail.
#include "../phase2/loop_device.hpp"
#include "dma_support.hpp"

#include <sched.h>
#include <sys/mount.h>

using namespace support;

namespace {

constexpr int cannot = 77;  // a child's exit code: the machine does not let it

// A file system of one mebibyte over `folder`, which only this process sees and which goes with it.
bool mount_one_mebibyte(const std::string& folder) {
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
           mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=1m") == 0;
}

Co<void> fill_the_disk(std::string path) {
    constexpr std::size_t mebibyte = 1 << 20;
    auto file = co_await DmaFile::create(path);
    if (!file) _exit(cannot);  // tmpfs has direct I/O since kernel 6.6
    auto short_write = co_await file->write_at(buffer_of(*file, pattern(2 * mebibyte)), 0);
    std::size_t fitted = value_of(std::move(short_write.n));
    CHILD_REQUIRE(fitted > 0 && fitted <= mebibyte);
    auto all = co_await file->write_all_at(std::move(short_write.buffer), 0);
    CHILD_REQUIRE(error_text(all.n) == "write: No space left on device");
    CHILD_REQUIRE(all.buffer.text() == pattern(2 * mebibyte));
    value_of(file->truncate(0));
    auto fits = co_await file->write_all_at(buffer_of(*file, "fits"), 0);
    CHILD_REQUIRE(value_of(fits.n) == file->alignment());
    value_of(co_await std::move(*file).close());
}

RingStats direct_stats(const DmaFile& file) {
    Reactor& reactor = Reactor::current();
    return file.io_path() == IoPath::polled ? reactor.poll_stats() : reactor.stats();
}

}  // namespace

TEST_CASE("what is written directly can be read, directly and through the cache") {
    in_each_folder([](const DiskFolder& folder) {
        std::string text = pattern(300 << 10);
        run_io([&]() -> Co<void> {
            auto file = value_of(co_await DmaFile::create(folder / "file"));
            auto written = co_await file.write_all_at(buffer_of(file, text), 0);
            CHECK(value_of(written.n) == text.size());
            CHECK(written.buffer.text() == text);
            CHECK(value_of(co_await file.size()) == text.size());
            auto read = co_await file.read_at_aligned(file.alloc_dma_buffer(200 << 10), 64 << 10);
            CHECK(value_of(read.n) == 200 << 10);
            CHECK(read.buffer.text() == std::string_view(text).substr(64 << 10, 200 << 10));
            value_of(co_await file.fdatasync());
            value_of(co_await std::move(file).close());
        });
        CHECK(content_of(folder / "file") == text);
    });
}

TEST_CASE("on a device that polls the poll ring completes the reads, and on another the main ring does") {
    in_each_folder([](const DiskFolder& folder) {
        make_file(folder / "file", pattern(1 << 20));
        run_io([&]() -> Co<void> {
            auto file = value_of(co_await DmaFile::open(folder / "file"));
            Reactor& reactor = Reactor::current();
            std::uint64_t before = direct_stats(file).completions;
            for (int i = 0; i < 100; ++i) {
                auto read = co_await file.read_at(static_cast<std::uint64_t>(i) * 1000, 1000);
                CHECK(value_of(std::move(read)).text() == pattern(1 << 20).substr(i * 1000u, 1000));
            }
            CHECK(direct_stats(file).completions == before + 100);
            if (file.io_path() == IoPath::interrupt) CHECK(reactor.poll_stats().enters == 0);
        });
    });
    if (!polled_folder()) return;
    DiskFolder folder(polled_folder());
    run_io([&]() -> Co<void> {
        auto file = value_of(co_await DmaFile::create(folder / "file"));
        CHECK(file.io_path() == IoPath::polled);
        if (const char* path = std::getenv("RINGLET_POLLED_DEVICE")) {
            auto device = value_of(co_await DmaFile::open(path, O_RDWR));
            CHECK(device.io_path() == IoPath::polled);
            std::uint64_t before = direct_stats(device).completions;
            auto written = co_await device.write_all_at(buffer_of(device, pattern(65536)), 1 << 20);
            CHECK(value_of(written.n) == 65536);
            CHECK(value_of(co_await device.read_at(1 << 20, 65536)).text() == pattern(65536));
            CHECK(direct_stats(device).completions == before + 2);
        }
    });
}

TEST_CASE("any bytes can be read: across blocks, at the end and past it") {
    in_each_folder([](const DiskFolder& folder) {
        std::string text = pattern(20'001);
        make_file(folder / "file", text);
        run_io([&]() -> Co<void> {
            auto file = value_of(co_await DmaFile::open(folder / "file"));
            std::mt19937_64 random(7);
            for (int i = 0; i < 300; ++i) {
                std::uint64_t position = random() % 21'000;
                std::size_t bytes = random() % 9'000;
                auto read = value_of(co_await file.read_at(position, bytes));
                std::string_view expected = text;
                expected = expected.substr(std::min<std::uint64_t>(position, text.size()), bytes);
                REQUIRE(read.text() == expected);
            }
            CHECK(value_of(co_await file.read_at(20'000, 5)).text() == text.substr(20'000));
            CHECK(value_of(co_await file.read_at(20'001, 5)).empty());
            CHECK(value_of(co_await file.read_at(1ULL << 40, 5)).empty());
            CHECK(value_of(co_await file.read_at(5, 0)).empty());
            auto aligned = co_await file.read_at_aligned(file.alloc_dma_buffer(8192), 16384);
            CHECK(value_of(aligned.n) == 20'001 - 16384);
            CHECK(aligned.buffer.size() == 8192);
            auto past = co_await file.read_at_aligned(file.alloc_dma_buffer(8192), 32768);
            CHECK(value_of(past.n) == 0);
        });
    });
}

TEST_CASE("the alignment is a power of two, buffers are rounded up to it, and the kernel insists on it") {
    in_each_folder([](const DiskFolder& folder) {
        make_file(folder / "file", pattern(65536));
        run_io([&]() -> Co<void> {
            auto file = value_of(co_await DmaFile::open(folder / "file", O_RDWR));
            std::size_t alignment = file.alignment();
            CHECK(std::has_single_bit(alignment));
            CHECK(file.align_down(alignment + 1) == alignment);
            CHECK(file.align_up(alignment + 1) == 2 * alignment);
            CHECK(file.align_up(alignment) == alignment);
            CHECK(file.alloc_dma_buffer(1).size() == alignment);
            auto read = co_await file.read_at_aligned(file.alloc_dma_buffer(alignment), 1);
            CHECK(error_text(read.n) == "read: Invalid argument");
            CHECK(read.buffer.size() == alignment);
            auto written = co_await file.write_all_at(file.alloc_dma_buffer(alignment), alignment / 2);
            CHECK(error_text(written.n) == "write: Invalid argument");
            CHECK(written.buffer.size() == alignment);
            // To the kernel, of the ring, this would be where the last write ended.
            auto nowhere = co_await file.write_at(file.alloc_dma_buffer(alignment), ~0ULL);
            CHECK(error_text(nowhere.n) == "write: Invalid argument");
            auto from_nowhere = co_await file.read_at_aligned(file.alloc_dma_buffer(alignment), ~0ULL);
            CHECK(error_text(from_nowhere.n) == "read: Invalid argument");
        });
        CHECK(content_of(folder / "file") == pattern(65536));
    });
}

TEST_CASE("what cannot be opened for direct I/O says so, and other reasons read as ever") {
    DiskFolder folder(usual_folder());
    run_io([&]() -> Co<void> {
        std::size_t before = open_descriptors();
        auto made_up = co_await DmaFile::open("/proc/self/stat");
        CHECK(error_text(made_up) == "open for direct I/O: Operation not supported");
        CHECK(made_up.error() == std::errc::operation_not_supported);
        auto missing = co_await DmaFile::open(folder / "missing");
        CHECK(error_text(missing) == "open: No such file or directory");
        CHECK(open_descriptors() == before);
    });
}

// Linux 6.1 never completes the first of these writes if it is polled.
TEST_CASE("a file that ends anywhere can be made longer") {
    in_each_folder([](const DiskFolder& folder) {
        std::string text = pattern(200'000);
        make_file(folder / "file", text.substr(0, 10'000));
        run_io([&]() -> Co<void> {
            auto file = value_of(co_await DmaFile::open(folder / "file", O_RDWR));
            auto over_the_end = co_await file.write_all_at(buffer_of(file, text.substr(8192, 65536)), 8192);
            CHECK(value_of(over_the_end.n) == 65536);
            auto at_the_end = co_await file.write_all_at(buffer_of(file, text.substr(73'728, 8192)), 73'728);
            CHECK(value_of(at_the_end.n) == 8192);
            auto beyond = co_await file.write_all_at(buffer_of(file, text.substr(0, 4096)), 1 << 20);
            CHECK(value_of(beyond.n) == 4096);
        });
        CHECK(content_of(folder / "file").substr(0, 81'920) == text.substr(0, 81'920));
    });
}

TEST_CASE("room can be got in advance, and a file can be cut") {
    in_each_folder([](const DiskFolder& folder) {
        run_io([&]() -> Co<void> {
            auto file = value_of(co_await DmaFile::create(folder / "file"));
            value_of(co_await file.pre_allocate(1 << 20));
            CHECK(value_of(co_await file.stat()).stx_blocks * 512 >= 1 << 20);
            CHECK(value_of(co_await file.size()) == 1 << 20);
            value_of(file.truncate(100));
            CHECK(value_of(co_await file.size()) == 100);
            auto readable = value_of(co_await DmaFile::open(folder / "file"));
            CHECK(error_text(readable.truncate(0)) == "truncate: Invalid argument");
            CHECK(error_text(co_await readable.pre_allocate(10)) == "allocate: Bad file descriptor");
            auto written = co_await readable.write_at(readable.alloc_dma_buffer(1), 0);
            CHECK(error_text(written.n) == "write: Bad file descriptor");
        });
    });
}

TEST_CASE("views of one read share its buffer, which goes with the last of them") {
    DiskFolder folder(usual_folder());
    make_file(folder / "file", pattern(9000));
    run_io([&]() -> Co<void> {
        auto file = value_of(co_await DmaFile::open(folder / "file"));
        ReadResult part;
        {
            ReadResult whole = value_of(co_await file.read_at(100, 5000));
            part = whole.part(1000, 10'000);
            CHECK(whole.part(6000, 1).empty());
            CHECK(!all_io_memory_is_free());
        }
        CHECK(part.text() == pattern(9000).substr(1100, 4000));
        part = ReadResult();
        CHECK(all_io_memory_is_free());
    });
}

TEST_CASE("a read or write is with the kernel as soon as it is started") {
    DiskFolder folder(usual_folder());
    make_file(folder / "file", pattern(65536));
    run_io([&]() -> Co<void> {
        auto file = value_of(co_await DmaFile::open(folder / "file"));
        Reactor& reactor = Reactor::current();
        std::uint64_t enters = direct_stats(file).enters;
        auto reading = file.read_at(0, 100);
        CHECK(!co_await poll_once(reading));
        CHECK(direct_stats(file).enters == enters + 1);
        CHECK(reactor.ring().queued() == 0);
        auto early = file.read_at_aligned(file.alloc_dma_buffer(4096), 4096);
        early.start();  // and nobody waits
        CHECK(direct_stats(file).enters == enters + 2);
        CHECK(value_of(co_await reading).text() == pattern(65536).substr(0, 100));
        co_await all_ended();
        auto done = co_await early;
        CHECK(value_of(done.n) == 4096);
    });
}

TEST_CASE("reads dropped at any moment keep their memory until the kernel is done, and leak none") {
    in_each_folder([](const DiskFolder& folder) {
        make_file(folder / "file", pattern(1 << 20));
        for (std::size_t io_memory : {std::size_t{1} << 20, std::size_t{0}}) {
            ParkerOptions options;
            options.io_memory = io_memory;
            auto root = [&]() -> Co<void> {
                auto file = value_of(co_await DmaFile::open(folder / "file"));
                std::mt19937_64 random(3);
                for (int i = 0; i < 200; ++i) {
                    auto reading = file.read_at(random() % 900'000, 50'000);
                    if (random() % 4) static_cast<void>(co_await poll_once(reading));
                    for (std::uint64_t turns = random() % 3; turns > 0; --turns) co_await round_trip();
                }
                co_await all_ended();
                CHECK((io_memory == 0 || all_io_memory_is_free()));
            };
            run_io(root, options);
        }
    });
}

TEST_CASE("an executor that is torn down waits for its reads and writes") {
    in_each_folder([](const DiskFolder& folder) {
        make_file(folder / "file", pattern(1 << 20));
        auto executor = make_io_executor();  // checks at its end that nothing was leaked
        executor->run([&]() -> Co<void> {
            auto file = value_of(co_await DmaFile::open(folder / "file", O_RDWR));
            for (int i = 0; i < 20; ++i) {
                spawn_local(file.read_at(static_cast<std::uint64_t>(i) * 4096, 100'000)).detach();
                spawn_local(file.write_at(file.alloc_dma_buffer(4096), 512 << 10)).detach();
            }
            co_await yield_now();
            CHECK(Reactor::current().in_flight() > 0);
        });
    });
}

TEST_CASE("a file is closed when its operations have ended") {
    in_each_folder([](const DiskFolder& folder) {
        make_file(folder / "file", pattern(1 << 20));
        run_io([&]() -> Co<void> {
            static_cast<void>(co_await DmaFile::open(folder / "file"));  // the poll ring may be made
            std::size_t before = open_descriptors();
            auto file = value_of(co_await DmaFile::open(folder / "file"));
            auto reading = spawn_local(file.read_at(0, 1 << 20));
            value_of(co_await std::move(file).close());
            CHECK(reading.is_finished());
            CHECK(value_of((co_await reading).value()).text() == pattern(1 << 20));
            CHECK(open_descriptors() == before);
        });
    });
}

TEST_CASE("what a queue whose latency matters reads goes through the latency ring") {
    in_each_folder([](const DiskFolder& folder) {
        make_file(folder / "file", pattern(65536));
        auto executor = make_executor();
        TaskQueueHandle urgent = executor->create_task_queue(Shares{}, Latency::Matters{1ms}, "urgent");
        executor->run([&]() -> Co<void> {
            auto file = value_of(co_await DmaFile::open(folder / "file"));
            Reactor& reactor = Reactor::current();
            std::uint64_t before = reactor.latency_stats().fixed;
            auto reading = spawn_local_into(urgent, file.read_at(10, 1000)).value();
            CHECK(value_of((co_await reading).value()).text() == pattern(65536).substr(10, 1000));
            CHECK(reactor.latency_stats().fixed == before + 1);
            CHECK(reactor.poll_stats().fixed == 0);
        });
    });
}

TEST_CASE("R32: a full disk gives a short count and then ENOSPC, past the cache too") {
    DiskFolder folder(usual_folder());
    auto child = run_in_child([&] {
        if (!mount_one_mebibyte(folder / "")) _exit(cannot);
        run_io(fill_the_disk(folder / "file"));
    });
    if (WIFEXITED(child.status) && WEXITSTATUS(child.status) == cannot) {
        return skip(32, "no small file system with direct I/O can be mounted here");
    }
    CHECK_MESSAGE(child.exited_well(), child.errors);
}

TEST_CASE("R33: a device that fails gives EIO to its reader, past the cache too") {
    if (!is_root()) return skip(33, "not root, so no loop device");
    DiskFolder folder(usual_folder());
    make_file(folder / "image", pattern(1 << 20));
    UniqueFd image(open((folder / "image").c_str(), O_RDWR | O_CLOEXEC));
    LoopDevice device(image.get());
    if (!device.works()) return skip(33, "no loop device to be had");
    REQUIRE(ftruncate(image.get(), 4096) == 0);  // the rest of the device is now broken
    run_io([&]() -> Co<void> {
        std::size_t before = open_descriptors();
        auto file = value_of(co_await DmaFile::open(device.path(), O_RDWR));
        CHECK(file.io_path() == IoPath::interrupt);
        auto broken = co_await file.read_at(1 << 19, 100);
        CHECK(error_text(broken) == "read: Input/output error");
        CHECK(value_of(co_await file.read_at(96, 4000)).text() == pattern(1 << 20).substr(96, 4000));
        value_of(co_await std::move(file).close());
        CHECK(open_descriptors() == before);
        CHECK(all_io_memory_is_free());
    });
}

TEST_CASE("a direct file goes on with the next executor of its thread") {
    in_each_folder([](const DiskFolder& folder) {
        make_file(folder / "file", pattern(8192));
        std::optional<DmaFile> file;
        run_io([&]() -> Co<void> {
            file.emplace(value_of(co_await DmaFile::open(folder / "file")));
            CHECK(value_of(co_await file->read_at(0, 100)).size() == 100);
        });
        run_io([&]() -> Co<void> {
            auto read = value_of(co_await file->read_at(4096, 4096));
            CHECK(read.text() == pattern(8192).substr(4096));
            value_of(co_await std::move(*file).close());
        });
    });
}

TEST_CASE("more bytes than there is memory for are refused, and not rounded to none") {
    in_each_folder([](const DiskFolder& folder) {
        make_file(folder / "file", pattern(8192));
        run_io([&]() -> Co<void> {
            auto file = value_of(co_await DmaFile::open(folder / "file"));
            CHECK_THROWS_AS(file.alloc_dma_buffer(SIZE_MAX), std::bad_alloc);
            CHECK_THROWS_AS(static_cast<void>(file.read_at(0, SIZE_MAX)), std::bad_alloc);
            CHECK_THROWS_AS(static_cast<void>(file.read_at(4097, SIZE_MAX - 4096)), std::bad_alloc);
        });
    });
}

// The poll ring: it is asked as long as something is in flight on it, and never at the cost of anything else.
#include "polled_kernel.hpp"

#include <ringlet/fs/dma_stream.hpp>

#include <sys/resource.h>

using namespace support;

namespace {

void hold(bool holds) {
    poll_ring.holds = holds;
    poll_ring.enters = 0;
}

Duration cpu_time() {
    rusage used{};
    getrusage(RUSAGE_THREAD, &used);
    return std::chrono::microseconds((used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1'000'000 +
                                     used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

const std::string text = pattern(1 << 20);

// Made once, on the polled device if there is one.
struct PolledFile {
    DiskFolder folder{polled_folder() ? polled_folder() : usual_folder()};
    std::string path = folder / "file";
    PolledFile() { make_file(path, text); }

    Co<DmaFile> open() {
        auto file = value_of(co_await DmaFile::open(path, O_RDWR));
        REQUIRE(file.io_path() == IoPath::polled);
        REQUIRE(poll_ring.ring);
        co_return file;
    }
};

Co<void> check_read(DmaFile& file, std::uint64_t position, std::size_t bytes) {
    auto read = value_of(co_await file.read_at(position, bytes));
    CHECK(read.text() == std::string_view(text).substr(position, bytes));
}

// After which nothing of what the test started is left, and only reads and writes were on the ring.
Co<void> check_end() {
    hold(false);
    co_await all_ended();
    CHECK(all_io_memory_is_free());
    CHECK(poll_ring.foreign == 0);
}

}  // namespace

TEST_CASE("the poll ring is made for the first file that can be polled, and completes its reads") {
    PolledFile on_disk;
    run_io([&]() -> Co<void> {
        Reactor& reactor = Reactor::current();
        poll_ring = {};
        value_of(co_await BufferedFile::open(on_disk.path));
        CHECK(!poll_ring.ring);
        auto file = co_await on_disk.open();
        co_await check_read(file, 1000, 50'000);
        auto written = co_await file.write_all_at(buffer_of(file, text.substr(0, 8192)), 0);
        CHECK(value_of(written.n) == 8192);
        written.buffer = DmaBuffer();
        CHECK(reactor.poll_stats().completions == 1);  // Linux 6.1 may not complete a polled write to a file
        int rings = 0;
        reactor.for_each_ring([&](const char*, const RingDriver&) { ++rings; });
        CHECK(rings == 3);
        value_of(co_await file.fdatasync());  // which the poll ring would refuse
        co_await check_end();
    });
}

TEST_CASE(
    "a polled read for which the device has no room while the executor ends is over, and its owner told") {
    PolledFile on_disk;
    using Reading = Operation<operations::DirectRead>;
    std::optional<Reading> reading;
    {
        auto executor = make_io_executor();
        executor->run([&]() -> Co<void> {
            auto file = co_await on_disk.open();
            hold(true);
            reading.emplace(file.read_at_aligned(file.alloc_dma_buffer(4096), 0));
            static_cast<void>(co_await poll_once(*reading));
        });
        hold(false);
        poll_ring.crowded = 1;
    }
    CHECK(poll_ring.crowded == 0);
    auto polled = poll(*reading);
    REQUIRE(polled.is_ready());
    CHECK(polled.take().n.error() == std::errc::operation_canceled);
}

TEST_CASE("a root that waits for a polled read alone is no deadlock") {
    PolledFile on_disk;
    auto executor = make_io_executor();
    auto file = executor->run([&] { return on_disk.open(); });
    executor->run([&] { return check_read(file, 70'000, 100); });
}

TEST_CASE("while a polled read is in flight the executor does not sleep, and serves all others") {
    PolledFile on_disk;
    auto executor = make_executor();
    TaskQueueHandle urgent = executor->create_task_queue(Shares{}, Latency::Matters{1ms}, "urgent");
    auto unparker = value_of(executor->unparker());
    executor->run([&]() -> Co<void> {
        auto file = co_await on_disk.open();
        hold(true);
        auto reading = spawn_local(file.read_at(0, 1000));
        co_await yield_now();
        std::uint64_t waits = Reactor::current().stats().waits;
        std::thread other([&] { unparker.unpark(); });
        co_await sleep(5ms);
        co_await round_trip();
        auto on_latency_ring = spawn_local_into(urgent, round_trip()).value();
        co_await on_latency_ring;
        auto nap = spawn_local_into(urgent, sleep(2ms)).value();
        co_await nap;
        other.join();
        CHECK(Reactor::current().stats().waits == waits);
        CHECK(poll_ring.enters > 10);
        CHECK(!reading.is_finished());
        hold(false);
        CHECK(value_of((co_await reading).value()).text() == text.substr(0, 1000));
        co_await check_end();
    });
}

TEST_CASE("when nothing is in flight on it, the poll ring is not asked, and the executor sleeps") {
    PolledFile on_disk;
    run_io([&]() -> Co<void> {
        auto file = co_await on_disk.open();
        co_await check_read(file, 0, 10);
        hold(false);
        std::uint64_t waits = Reactor::current().stats().waits;
        Duration before = cpu_time();
        co_await sleep(500ms);
        CHECK(cpu_time() - before < 100ms);  // under QEMU, other guests' time counts as its own
        CHECK(Reactor::current().stats().waits > waits);
        CHECK(poll_ring.enters == 0);
    });
}

TEST_CASE("a flood of polled reads keeps nobody from running, nor timers from firing") {
    PolledFile on_disk;
    run_io([&]() -> Co<void> {
        auto file = co_await on_disk.open();
        bool stop = false;
        std::uint64_t reads = 0;
        auto flood = [&](std::uint64_t position) -> Co<void> {
            while (!stop) {
                co_await check_read(file, position, 4096);
                ++reads;
            }
        };
        std::vector<JoinHandle<void>> floods;
        for (std::uint64_t i = 0; i < 32; ++i) floods.push_back(spawn_local(flood(i * 4096)));
        for (int i = 0; i < 10; ++i) {
            std::uint64_t before = reads;
            co_await sleep(2ms);
            co_await round_trip();
            CHECK(reads - before < 20'000);
        }
        CHECK(reads > 32);
        stop = true;
        for (auto& task : floods) co_await task;
        co_await check_end();
    });
}

TEST_CASE("a hog that yields lets polled completions through") {
    PolledFile on_disk;
    auto executor = make_executor();
    TaskQueueHandle other = executor->create_task_queue("other");
    executor->run([&]() -> Co<void> {
        auto file = co_await on_disk.open();
        int reads = 0;
        auto read_often = [&]() -> Co<void> {
            for (; reads < 5; ++reads) co_await check_read(file, 0, 4096);
        };
        auto reading = spawn_local_into(other, read_often()).value();
        CHECK(co_await hog_until([&] { return reads == 5; }));
        co_await reading;
        co_await check_end();
    });
}

TEST_CASE("a dropped read stays until the device is done with its memory") {
    PolledFile on_disk;
    run_io([&]() -> Co<void> {
        auto file = co_await on_disk.open();
        hold(true);
        {
            auto reading = file.read_at(0, 100'000);
            CHECK(!co_await poll_once(reading));
        }
        for (int i = 0; i < 3; ++i) co_await round_trip();
        CHECK(Reactor::current().in_flight() == 1);
        CHECK(!all_io_memory_is_free());
        co_await check_end();
    });
}

TEST_CASE("a polled read that times out cannot be called back, and brings its bytes") {
    PolledFile on_disk;
    run_io([&]() -> Co<void> {
        auto file = co_await on_disk.open();
        hold(true);
        auto read = [&]() -> Co<IoResult<DmaBuffer>> {
            co_return co_await file.read_at_aligned(file.alloc_dma_buffer(4096), 0).timeout(1ms);
        };
        auto reading = spawn_local(read());
        co_await sleep(20ms);
        CHECK(!reading.is_finished());
        hold(false);
        auto done = (co_await reading).value();
        CHECK(value_of(done.n) == 4096);
        CHECK(done.buffer.text() == text.substr(0, 4096));
        done.buffer = DmaBuffer();
        co_await check_end();
    });
}

TEST_CASE(
    "more reads than the ring has entries wait their turn; those that have not begun can be cancelled") {
    PolledFile on_disk;
    ParkerOptions options;
    options.ring_depth = 8;
    auto root = [&]() -> Co<void> {
        auto file = co_await on_disk.open();
        std::vector<JoinHandle<void>> reads;
        for (std::uint64_t i = 0; i < 100; ++i) {
            reads.push_back(spawn_local(check_read(file, i * 1000, 3000)));
        }
        for (auto& read : reads) co_await read;
        CHECK(Reactor::current().poll_stats().completions == 100);

        hold(true);
        std::vector<decltype(file.read_at(0, 1))> dropped;
        for (std::uint64_t i = 0; i < 20; ++i) dropped.push_back(file.read_at(i * 4096, 4096));
        for (auto& reading : dropped) static_cast<void>(co_await poll_once(reading));
        CHECK(Reactor::current().poll_stats().backlogged == 12);
        dropped.clear();
        CHECK(Reactor::current().in_flight() == 8);
        co_await check_end();
    };
    run_io(root, options);
}

TEST_CASE("tear-down waits for polled reads and writes") {
    PolledFile on_disk;
    auto executor = make_io_executor();  // checks in the end that none was leaked
    executor->run([&]() -> Co<void> {
        auto file = co_await on_disk.open();
        for (std::uint64_t i = 0; i < 20; ++i) {
            spawn_local(file.read_at(i * 4096, 100'000)).detach();
            spawn_local(file.write_at(file.alloc_dma_buffer(4096), 512 << 10)).detach();
        }
        co_await yield_now();
        CHECK(Reactor::current().in_flight() > 0);
    });
}

TEST_CASE("what a queue whose latency matters reads is not polled for, so that its end is seen at once") {
    PolledFile on_disk;
    auto executor = make_executor();
    TaskQueueHandle urgent = executor->create_task_queue(Shares{}, Latency::Matters{1ms}, "urgent");
    executor->run([&]() -> Co<void> {
        auto file = co_await on_disk.open();
        std::uint64_t before = Reactor::current().latency_stats().fixed;
        auto reading = spawn_local_into(urgent, check_read(file, 0, 4096)).value();
        CHECK(co_await hog_until([&] { return reading.is_finished(); }));
        co_await reading;
        CHECK(Reactor::current().latency_stats().fixed == before + 1);
        CHECK(Reactor::current().poll_stats().completions == 0);
    });
}

TEST_CASE("if the kernel makes no poll ring, the main ring serves, until another file is opened") {
    PolledFile on_disk;
    run_io([&]() -> Co<void> {
        poll_ring.refuse_with = EPERM;
        auto file = value_of(co_await DmaFile::open(on_disk.path));
        CHECK(poll_ring.refuse_with == 0);
        CHECK(file.io_path() == IoPath::interrupt);
        co_await check_read(file, 0, 10'000);
        CHECK(Reactor::current().stats().fixed == 1);
        auto later = co_await on_disk.open();
        co_await check_read(later, 0, 10'000);
        co_await check_read(file, 0, 10'000);
        CHECK(Reactor::current().poll_stats().completions == 2);
    });
}

TEST_CASE("if there is no memory for the poll ring, files opened later do not wait for it") {
    PolledFile on_disk;
    run_io([&]() -> Co<void> {
        poll_ring.out_of_memory_for = 1000;
        auto file = value_of(co_await DmaFile::open(on_disk.path));
        int left = std::exchange(poll_ring.out_of_memory_for, 0);
        CHECK(left < 980);  // it has been tried, again and again
        auto later = value_of(co_await DmaFile::open(on_disk.path));
        CHECK(later.io_path() == IoPath::interrupt);
        CHECK(!poll_ring.ring);
        co_await check_read(file, 0, 10'000);
        co_await check_read(later, 0, 10'000);
    });
}

TEST_CASE("a request that the device's queue had no room for is repeated on the main ring") {
    PolledFile on_disk;
    run_io([&]() -> Co<void> {
        auto file = co_await on_disk.open();
        poll_ring.crowded = 2;
        for (std::uint64_t i = 0; i < 5; ++i) co_await check_read(file, i * 5000, 5000);
        CHECK(poll_ring.crowded == 0);
        CHECK(Reactor::current().poll_stats().completions == 5);
        CHECK(Reactor::current().stats().fixed == 2);
        CHECK(file.io_path() == IoPath::polled);
        co_await check_end();
    });
}

// Linux 6.1 never completes a polled read that is larger than what the device takes at a time.
TEST_CASE("large reads and writes, and those across blocks, wait for interrupts") {
    PolledFile on_disk;
    run_io([&]() -> Co<void> {
        auto file = co_await on_disk.open();
        RingStats before = Reactor::current().poll_stats();
        co_await check_read(file, 0, text.size());
        co_await check_read(file, 100'000, 50'000);
        auto written = co_await file.write_all_at(buffer_of(file, text), 0);
        CHECK(value_of(written.n) == text.size());
        written.buffer = DmaBuffer();
        CHECK(Reactor::current().poll_stats().fixed == before.fixed);
        co_await check_read(file, 128 << 10, 128 << 10);
        CHECK(Reactor::current().poll_stats().fixed == before.fixed + 1);
        co_await check_end();
    });
}

TEST_CASE("streams go through the poll ring") {
    PolledFile on_disk;
    run_io([&]() -> Co<void> {
        auto target = value_of(co_await DmaFile::create(on_disk.folder / "copy"));
        DmaStreamReader reader(co_await on_disk.open());
        DmaStreamWriter writer(std::move(target));
        while (true) {
            ReadResult part = value_of(co_await reader.next_buffer());
            if (part.empty()) break;
            value_of(co_await writer.write(part.bytes()));
        }
        value_of(co_await std::move(writer).close());
        value_of(co_await std::move(reader).close());
        co_await check_end();
    });
    CHECK(content_of(on_disk.folder / "copy") == text);
}

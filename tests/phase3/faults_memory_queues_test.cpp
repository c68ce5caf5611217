// R56 for queues, channels, locks and direct I/O: whichever allocation fails, std::bad_alloc or an error
// comes out, memory and descriptors are back, and the same executor does the same thing afterwards.
#include "../phase2/failing_io.hpp"
#include "dma_support.hpp"

#include <ringlet/channel/local_channel.hpp>
#include <ringlet/fs/dma_stream.hpp>
#include <ringlet/fs/read_many.hpp>
#include <ringlet/sync/gate.hpp>
#include <ringlet/sync/semaphore.hpp>

using namespace support;

#if defined(OPERATOR_NEW_IS_FIXED)

TEST_CASE("operator new cannot be counted here; every other build runs this suite") {}

#else

namespace {

Co<int> seven() {
    co_await yield_now();
    co_return 7;
}

Step fill_queues() {
    for (int i = 0; i < 4; ++i) {
        Latency latency = i % 2 == 0 ? Latency{} : Latency{Latency::Matters{1ms}};
        auto queue = create_task_queue(Shares::Static{100}, latency, "longer than a small string holds");
        auto task = spawn_local_into(queue, seven()).value();
        if (co_await task != 7) co_return false;
        if (!current_executor()->remove_task_queue(queue)) co_return false;
    }
    co_return true;
}

Co<int> receive_all(LocalReceiver<std::string> receiver) {
    int received = 0;
    while (co_await receiver.recv()) ++received;
    co_return received;
}

// An unbounded one, which grows.
Step send_many() {
    auto [sender, receiver] = local_channel::new_unbounded<std::string>();
    for (int i = 0; i < 20; ++i) {
        if (!sender.try_send(std::string(100, 'x'))) co_return false;
    }
    auto task = spawn_local(receive_all(std::move(receiver)));
    {
        auto ended = std::move(sender);
    }
    co_return (co_await task) == 20;
}

struct Locks {
    Gate gate;
    Semaphore semaphore{1};
};

Co<bool> hold(std::shared_ptr<Locks> locks) {
    auto pass = locks->gate.enter();
    auto permit = co_await locks->semaphore.acquire_permit(1);
    co_await yield_now();
    co_return pass&& permit;
}

Step wait_for_each_other() {
    auto locks = std::make_shared<Locks>();
    auto first = spawn_local(hold(locks));
    auto second = locks->gate.spawn(hold(locks)).value();
    bool both = (co_await first) == true && (co_await second) == true;
    auto closed = co_await locks->gate.close();
    co_return both&& closed;
}

Step use_a_direct_file(const std::string& path) {
    auto file = co_await DmaFile::create(path);
    if (!file) co_return false;
    auto written = co_await file->write_all_at(buffer_of(*file, pattern(10'000)), 0);
    auto read = co_await file->read_at(100, 5000);
    auto closed = co_await std::move(*file).close();
    co_return written.n&& read && read->size() == 5000 && closed;
}

// A read for which there was no memory is asked for again, and no byte is missing then.
Co<bool> reads_all(std::string path, std::string_view text) {
    auto file = co_await DmaFile::open(path);
    if (!file) co_return false;
    DmaStreamReader reader(*std::move(file), 0, {.buffer_bytes = 4096, .buffers = 3});
    bool failed = false;
    std::string part(3000, '\0');
    std::string heard;
    heard.reserve(text.size() + part.size());
    for (bool ended = false; !ended;) {
        try {
            std::size_t count = value_of(co_await reader.read(bytes_in(part)));
            heard.append(part, 0, count);
            ended = count == 0;
        } catch (const std::bad_alloc&) {
            failed = true;
        }
    }
    CHECK(heard == text);
    co_return !failed;
}

Step write_a_direct_stream(const std::string& path) {
    auto file = co_await DmaFile::create(path);
    if (!file) co_return false;
    std::string text = pattern(40'000);
    DmaStreamWriter writer(*std::move(file), {.buffer_bytes = 4096, .buffers = 3});
    bool written = false;
    try {
        written = (co_await writer.write(std::as_bytes(std::span(text)))).has_value();
    } catch (const std::bad_alloc&) {
        // It can be closed all the same.
    }
    auto closed = co_await std::move(writer).close();
    co_return written&& closed&& content_of(path) == text;
}

// Each range has its bytes or an error.
Co<bool> reads_ranges(std::string path, std::string_view text) {
    auto file = co_await DmaFile::open(path);
    if (!file) co_return false;
    ReadMany ranges = read_many(*file, {{100, 50}, {8200, 50}, {8300, 50}, {30'000, 50}});
    bool failed = false;
    for (int handed_out = 0; handed_out < 4;) {
        std::optional<RangeRead> next;
        try {
            next = co_await ranges.next();
        } catch (const std::bad_alloc&) {
            failed = true;
            continue;
        }
        ++handed_out;
        failed = failed || !next->bytes;
        if (next->bytes) CHECK(next->bytes->text() == text.substr(next->range.position, 50));
    }
    co_return !failed;
}

}  // namespace

TEST_CASE("R56: an executor needs no memory to go to sleep") {
    // So many operations that the ring has room for no more of them, and then for its own.
    for (std::size_t in_flight = 1; in_flight < 9; ++in_flight) {
        CAPTURE(in_flight);
        auto executor = make_executor();
        auto unparker = value_of(executor->unparker());
        auto urgent = executor->create_task_queue(Shares{}, Latency::Matters{1ms}, "urgent");
        Pipe silent = make_pipe();
        SharedFd reader(std::move(silent.reader));
        auto wait_for_it = [&] {
            return Operation(operations::Read(reader, std::string(1, '\0'), operations::at_current_position));
        };
        executor->spawn_local_into(urgent, wait_for_it()).value().detach();
        std::vector<decltype(wait_for_it())> reads;
        for (std::size_t i = 0; i < in_flight; ++i) reads.push_back(wait_for_it());
        executor
            ->spawn_local([&]() -> Co<void> {
                for (auto& read : reads) static_cast<void>(co_await poll_once(read));
            })
            .detach();
        executor->turn(false);
        executor->turn(false);
        REQUIRE(reactor_of(*executor).in_flight() == in_flight + 1);
        std::atomic<bool> asleep = false;
        std::jthread waker([&] {
            while (!asleep) std::this_thread::sleep_for(1ms);
            unparker.unpark();
        });
        AtPoint hooks([&](std::string_view id) { asleep = asleep || id == "park: announced"; });
        FailsAt fails(0);
        CHECK_NOTHROW(executor->turn(true));
        CHECK(asleep.exchange(true));
        CHECK_FALSE(counted_new::has_failed);
    }
}

TEST_CASE("R56: an allocation fails while queues with shares and bounds are made and filled") {
    CHECK(fail_each(fill_queues) > 10);
}

TEST_CASE("R56: an allocation fails in a local channel") { CHECK(fail_each(send_many) > 20); }

TEST_CASE("R56: an allocation fails while tasks wait for a semaphore and a gate") {
    CHECK(fail_each(wait_for_each_other) > 5);
}

TEST_CASE("R56: an allocation fails while a direct file is written and read") {
    Notices notices;
    DiskFolder folder(usual_folder());
    std::string path = folder / "a name too long for the small string buffer";
    CHECK(fail_each([&path] { return use_a_direct_file(path); }) > 10);
}

TEST_CASE("R56: an allocation fails while a direct stream is written") {
    DiskFolder folder(usual_folder());
    std::string path = folder / "a name too long for the small string buffer";
    CHECK(fail_each([&path] { return write_a_direct_stream(path); }) > 20);
}

TEST_CASE("R56: an allocation fails while a direct file is read as a stream, or in ranges") {
    DiskFolder folder(usual_folder());
    std::string path = folder / "a name too long for the small string buffer";
    std::string text = pattern(40'000);
    make_file(path, text);
    CHECK(fail_each([&] { return reads_all(path, text); }) > 20);
    CHECK(fail_each([&] { return reads_ranges(path, text); }) > 10);
}

#endif

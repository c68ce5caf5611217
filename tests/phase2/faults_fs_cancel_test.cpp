// RELIABILITY rows 23 and 26 for files: opens that succeed although nobody wants them any more, and closing
// with operations in flight.
#include "kernel_spy.hpp"
#include "net_support.hpp"

using namespace support;

namespace {

// A thread of the kernel opens files: waits until it has, and enters the ring not once.
void wait_for_descriptors(std::size_t count) {
    for (Time give_up = after(Clock::now(), 10s); open_descriptors() != count;) {
        if (Clock::now() > give_up) throw std::runtime_error("the kernel has not opened the file");
    }
}

int opened() {
    return spy.count([](const SpyEvent& e) {
        return e.kind == SpyEvent::completed && e.opcode == IORING_OP_OPENAT && e.result >= 0;
    });
}

}  // namespace

TEST_CASE("R23: an open that was dropped after the kernel had opened the file closes it") {
    run_io([]() -> Co<void> {
        std::size_t before = open_descriptors();
        for (bool reaped : {false, true}) {
            int opened_before = opened();
            {
                auto opening = BufferedFile::open("/proc/self/exe");
                bool ready = co_await poll_once(opening);
                CHECK(!ready);
                Reactor::current().flush();
                wait_for_descriptors(before + 1);  // the open has won
                if (reaped) co_await until([&] { return opened() > opened_before; });
            }
            co_await all_ended();
            CHECK(opened() == opened_before + 1);
            CHECK(open_descriptors() == before);
        }
    });
}

TEST_CASE("R23: opens dropped at any moment leak nothing") {
    TemporaryFolder folder;
    run_io([&]() -> Co<void> {
        std::size_t before = open_descriptors();
        std::mt19937_64 random(23);
        // Until cancellation has lost often enough: how often it does is up to the machine.
        for (int i = 0; i < 300 || (opened() <= 30 && i < 30'000); ++i) {
            auto opening = BufferedFile::create(folder / "file");
            if (random() % 4) static_cast<void>(co_await poll_once(opening));
            for (std::uint64_t turns = random() % 4; turns > 0; --turns) co_await round_trip();
        }
        co_await all_ended();
        CHECK(opened() > 10);
        CHECK(open_descriptors() == before);
    });
}

TEST_CASE("R23: an open that was never polled touches nothing") {
    TemporaryFolder folder;
    run_io([&]() -> Co<void> {
        {
            auto opening = BufferedFile::create(folder / "file");
        }
        co_await settled();
        CHECK(spy.submitted(IORING_OP_OPENAT) == 0);
        CHECK(access((folder / "file").c_str(), F_OK) != 0);
    });
}

TEST_CASE("R26: a file's operations have ended before its descriptor is closed") {
    run_io([]() -> Co<void> {
        auto [reader, writer] = make_pipe();
        BufferedFile file(std::move(reader));
        auto reading = spawn_local(file.read_at(std::string(10, '\0'), operations::at_current_position));
        co_await settled();
        auto closing = spawn_local(std::move(file).close());
        co_await settled();
        REQUIRE(!reading.is_finished());
        CHECK(spy.submitted(IORING_OP_CLOSE) == 0);
        put(writer.get(), "bytes");
        CHECK(error_text((co_await closing).value()) == "no error");
        CHECK(spy.submitted(IORING_OP_CLOSE) == 1);
        auto read = (co_await reading).value();
        CHECK(value_of(read.n) == 5);
        CHECK(read.buffer.starts_with("bytes"));
    });
}

TEST_CASE("R26: a write in flight when its file is dropped is written, and the descriptor closed after it") {
    TemporaryFolder folder;
    run_io([&]() -> Co<void> {
        std::size_t before = open_descriptors();
        std::string text = pattern(1 << 20);
        auto file = std::optional(value_of(co_await BufferedFile::create(folder / "file")));
        auto writing = spawn_local(file->write_all_at(text, 0));
        file.reset();
        auto done = (co_await writing).value();
        CHECK(value_of(done.n) == text.size());
        CHECK(done.buffer == text);
        co_await all_ended();
        CHECK(open_descriptors() == before);
        UniqueFd written(open((folder / "file").c_str(), O_RDONLY));
        CHECK(get_to_end(written.get()) == text);
    });
}

TEST_CASE("a close that says it was called off was not: the number may be another file's by then") {
    Pipe pipe = make_pipe();
    int number = pipe.reader.get();
    auto executor = make_io_executor();
    executor->run([&]() -> Co<void> {
        spy.closes_to_deny = 1;
        auto closed = co_await Operation(operations::Close(std::move(pipe.reader)));
        CHECK(closed.error() == std::errc::operation_canceled);
    });
    REQUIRE(spy.opened_meanwhile == std::vector{number});
    CHECK(fcntl(number, F_GETFD) >= 0);
    UniqueFd of_another(number);
}

TEST_CASE("nobody asks to call off a close that the kernel has been given") {
    Pipe pipe = make_pipe();
    int number = pipe.reader.get();
    auto executor = make_io_executor();
    executor->run([&]() -> Co<void> {
        {
            Operation closing(operations::Close(std::move(pipe.reader)));
            CHECK_FALSE(co_await poll_once(closing));
        }
        CHECK(co_await eventually([&] { return Reactor::current().in_flight() == 0; }));
    });
    CHECK(spy.submitted(IORING_OP_CLOSE) == 1);
    CHECK(spy.submitted(IORING_OP_ASYNC_CANCEL) == 0);
    CHECK(fcntl(number, F_GETFD) == -1);
}

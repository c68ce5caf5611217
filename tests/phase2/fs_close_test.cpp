// The end of a file: close() and drops, with operations in flight. A pipe stands for a file that is slow:
// its reads wait until the test writes.
#include "net_support.hpp"

#include <algorithm>

using namespace support;

namespace {

constexpr auto anywhere = operations::at_current_position;

Co<std::string> read_text(BufferedFile& file) {
    auto done = co_await file.read_at(std::string(100, '\0'), anywhere);
    done.buffer.resize(value_of(std::move(done.n)));
    co_return std::move(done.buffer);
}

}  // namespace

TEST_CASE("close tells how it went, and the descriptor is gone") {
    TemporaryFolder folder;
    run_io([&]() -> Co<void> {
        std::size_t before = open_descriptors();
        auto file = value_of(co_await BufferedFile::create(folder / "file"));
        CHECK(open_descriptors() == before + 1);
        auto closed = co_await std::move(file).close();
        CHECK(error_text(closed) == "no error");
        CHECK(open_descriptors() == before);
    });
}

TEST_CASE("close waits for the operations in flight, which keep their bytes") {
    run_io([]() -> Co<void> {
        auto [reader, writer] = make_pipe();
        int fd = reader.get();
        BufferedFile file(std::move(reader));
        auto reading = spawn_local(read_text(file));
        co_await settled();
        auto closing = spawn_local(std::move(file).close());
        co_await settled();
        CHECK(!closing.is_finished());
        CHECK(is_open(fd));
        put(writer.get(), "just in time");
        CHECK((co_await reading).value() == "just in time");
        CHECK(error_text((co_await closing).value()) == "no error");
        CHECK(!is_open(fd));
    });
}

TEST_CASE("a close that is dropped while it waits closes after the last operation") {
    run_io([]() -> Co<void> {
        auto [reader, writer] = make_pipe();
        int fd = reader.get();
        BufferedFile file(std::move(reader));
        auto reading = spawn_local(read_text(file));
        co_await settled();
        auto closing = spawn_local(std::move(file).close());
        co_await settled();
        closing.cancel();
        co_await closing;
        CHECK(is_open(fd));
        put(writer.get(), "end");
        CHECK((co_await reading).value() == "end");
        CHECK(!is_open(fd));
    });
}

TEST_CASE("a close that another task is left with closes the file, which is gone by then") {
    run_io([]() -> Co<void> {
        auto [reader, writer] = make_pipe();
        int fd = reader.get();
        std::optional<BufferedFile> file(std::move(reader));
        auto closing = spawn_local(std::move(*file).close());
        file.reset();
        CHECK(is_open(fd));
        CHECK(error_text((co_await closing).value()) == "no error");
        CHECK(!is_open(fd));
    });
}

TEST_CASE("a file that is dropped is closed after its last operation") {
    run_io([]() -> Co<void> {
        auto [reader, writer] = make_pipe();
        int fd = reader.get();
        std::optional<BufferedFile> file(std::move(reader));
        std::vector<JoinHandle<std::string>> readers;
        for (int i = 0; i < 3; ++i) readers.push_back(spawn_local(read_text(*file)));
        co_await settled();
        file.reset();
        auto finished = [&] {
            return std::count_if(readers.begin(), readers.end(),
                                 [](auto& task) { return task.is_finished(); });
        };
        for (int i = 0; i < 3; ++i) {
            CHECK(is_open(fd));
            put(writer.get(), "one");
            co_await until([&] { return finished() == i + 1; });
        }
        CHECK(!is_open(fd));
    });
}

TEST_CASE(
    "a read that is dropped keeps its buffer until the kernel lets go, and takes nothing from the pipe") {
    run_io([]() -> Co<void> {
        auto [reader, writer] = make_pipe();
        BufferedFile file(std::move(reader));
        for (int i = 0; i < 100; ++i) {
            auto reading = file.read_at(std::string(1000, '\0'), anywhere);
            bool ready = co_await poll_once(reading);
            CHECK(!ready);
            if (i % 2) co_await round_trip();
        }
        co_await all_ended();
        put(writer.get(), "untouched");
        std::string text = co_await read_text(file);
        CHECK(text == "untouched");
    });
}

TEST_CASE("a write that is dropped keeps its buffer until the kernel lets go") {
    TemporaryFolder folder;
    run_io([&]() -> Co<void> {
        std::string text = pattern(100'000);
        auto file = value_of(co_await BufferedFile::open(folder / "file", O_RDWR | O_CREAT));
        for (int i = 0; i < 50; ++i) {
            auto writing = file.write_all_at(text, 0);
            bool ready = co_await poll_once(writing);
            CHECK(!ready);
        }
        co_await all_ended();
        // Some may have been written, but whatever is there are the bytes of the pattern.
        auto read = co_await file.read_at(std::string(text.size(), '\0'), 0);
        std::size_t count = value_of(std::move(read.n));
        CHECK(read.buffer.substr(0, count) == text.substr(0, count));
    });
}

TEST_CASE("what is in flight when the executor ends is called off, and all descriptors are closed") {
    std::size_t before = open_descriptors();
    auto [reader, writer] = make_pipe();
    std::optional<BufferedFile> file(std::move(reader));
    run_io([&]() -> Co<void> {
        for (int i = 0; i < 20; ++i) spawn_local(read_text(*file)).detach();
        co_await settled();
        CHECK(Reactor::current().in_flight() == 20);
    });
    put(writer.get(), "nobody reads");
    file.reset();
    writer = UniqueFd();
    CHECK(open_descriptors() == before);
}

TEST_CASE("close does not wait for an operation that has ended, though it still has a name") {
    TemporaryFolder folder;
    run_io([&]() -> Co<void> {
        auto file = value_of(co_await BufferedFile::create(folder / "file"));
        auto write = file.write_all_at(std::string("text"), 0);
        CHECK((co_await write).n == 4);
        auto sync = file.fdatasync();
        value_of(co_await sync);
        auto closing = spawn_local(std::move(file).close());
        co_await until([&closing] { return closing.is_finished(); });
        CHECK(error_text((co_await closing).value()) == "no error");
    });
}

TEST_CASE("a file that is closed already says so if it is closed again") {
    ChildEnd child = run_in_child([] {
        TemporaryFolder folder;
        run_io([&]() -> Co<void> {
            auto file = value_of(co_await BufferedFile::create(folder / "file"));
            value_of(co_await std::move(file).close());
            value_of(co_await std::move(file).close());
        });
    });
    CHECK(child.aborted());
    CHECK(child.says("used after it was moved from or closed"));
}

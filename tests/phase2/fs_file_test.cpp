// BufferedFile: reads, writes, copies; whole, short, at the end and past it.
#include "net_support.hpp"

using namespace support;

namespace {

constexpr std::size_t piece = 300'001;

std::string content_of(const std::string& path) {
    UniqueFd file(open(path.c_str(), O_RDONLY));
    return get_to_end(file.get());
}

// A file with `data` at each of `positions` and holes between, `bytes` long.
void make_holey_file(const std::string& path, std::string_view data, std::initializer_list<off_t> positions,
                     off_t bytes) {
    UniqueFd file(open(path.c_str(), O_CREAT | O_WRONLY, 0600));
    for (off_t at : positions) REQUIRE(pwrite(file.get(), data.data(), data.size(), at) > 0);
    REQUIRE(ftruncate(file.get(), bytes) == 0);
}

off_t blocks_of(const std::string& path) {
    struct stat status;
    REQUIRE(stat(path.c_str(), &status) == 0);
    return status.st_blocks;
}

Co<std::uint64_t> copy_file(std::string from, std::string to) {
    auto source = value_of(co_await BufferedFile::open(std::move(from)));
    auto target = value_of(co_await BufferedFile::create(std::move(to)));
    std::vector<std::byte> buffer(50'000);
    std::uint64_t position = 0;
    while (true) {
        auto read = co_await source.read_at(std::move(buffer), position);
        std::size_t count = value_of(std::move(read.n));
        if (count == 0) break;
        auto written = co_await target.write_all_at(std::move(read.buffer), position, count);
        position += value_of(std::move(written.n));
        buffer = std::move(written.buffer);
    }
    value_of(co_await std::move(source).close());
    value_of(co_await std::move(target).close());
    co_return position;
}

}  // namespace

TEST_CASE("what is written can be read, into a string or a vector") {
    TemporaryFolder folder;
    run_io([&]() -> Co<void> {
        auto file = value_of(co_await BufferedFile::open(folder / "file", O_RDWR | O_CREAT));
        auto written = co_await file.write_all_at(std::string("hello, file"), 0);
        CHECK(value_of(written.n) == 11);
        CHECK(written.buffer == "hello, file");
        auto text = co_await file.read_at(std::string(5, '\0'), 7);
        CHECK(value_of(text.n) == 4);
        CHECK(text.buffer == std::string("file\0", 5));
        auto bytes = co_await file.read_at(std::vector<std::byte>(5), 0);
        CHECK(value_of(bytes.n) == 5);
        CHECK(std::memcmp(bytes.buffer.data(), "hello", 5) == 0);
        CHECK(content_of(folder / "file") == "hello, file");
    });
}

TEST_CASE("reads are short before the end, and 0 at the end and past it") {
    TemporaryFolder folder;
    run_io([&]() -> Co<void> {
        auto file = value_of(co_await BufferedFile::open(folder / "file", O_RDWR | O_CREAT));
        value_of((co_await file.write_all_at(pattern(1000), 0)).n);
        for (auto [position, expected] :
             {std::pair(0u, 600u), {400u, 600u}, {401u, 599u}, {999u, 1u}, {1000u, 0u}, {5000u, 0u}}) {
            auto read = co_await file.read_at(std::string(600, 'u'), position);
            CHECK(value_of(read.n) == expected);
            CHECK(read.buffer.substr(0, expected) ==
                  pattern(1000).substr(std::min(position, 1000u), expected));
            CHECK(read.buffer.substr(expected) == std::string(600 - expected, 'u'));  // the rest is untouched
        }
        auto nothing = co_await file.read_at(std::string(), 0);
        CHECK(value_of(nothing.n) == 0);
    });
}

TEST_CASE("a part of a buffer can be written, anywhere") {
    TemporaryFolder folder;
    run_io([&]() -> Co<void> {
        auto file = value_of(co_await BufferedFile::create(folder / "file"));
        auto part = co_await file.write_at(std::string("abcdef"), 4, 3);
        CHECK(value_of(part.n) == 3);
        CHECK(part.buffer == "abcdef");
        auto all = co_await file.write_at(StaticBytes("XY"), 0);
        CHECK(value_of(all.n) == 2);
        auto none = co_await file.write_all_at(std::string("unwritten"), 0, 0);
        CHECK(value_of(none.n) == 0);
        CHECK(content_of(folder / "file") == std::string("XY\0\0abc", 7));
    });
}

TEST_CASE("megabytes written at once, at scattered positions, all arrive") {
    TemporaryFolder folder;
    run_io([&]() -> Co<void> {
        auto file = value_of(co_await BufferedFile::open(folder / "file", O_RDWR | O_CREAT));
        std::vector<JoinHandle<void>> tasks;
        for (int i : {7, 2, 9, 0, 4, 8, 1, 6, 3, 5}) {
            tasks.push_back(spawn_local([&file, i]() -> Co<void> {
                auto done = co_await file.write_all_at(pattern(piece, i), std::size_t(i) * piece);
                CHECK(value_of(done.n) == piece);
            }));
        }
        for (auto& task : tasks) co_await task;
        tasks.clear();
        for (int i = 0; i < 10; ++i) {
            tasks.push_back(spawn_local([&file, i]() -> Co<void> {
                auto done = co_await file.read_at(std::string(piece, '\0'), std::size_t(i) * piece);
                CHECK(value_of(done.n) == piece);
                CHECK(done.buffer == pattern(piece, i));
            }));
        }
        for (auto& task : tasks) co_await task;
    });
}

TEST_CASE("a copy of a file with holes has the same bytes") {
    TemporaryFolder folder;
    std::string data = pattern(70'000);
    make_holey_file(folder / "source", data, {0, 1 << 20, 3 << 20}, (4 << 20) + 123);
    CHECK(blocks_of(folder / "source") * 512 < 1 << 20);  // it has holes
    run_io([&]() -> Co<void> {
        std::uint64_t copied = co_await copy_file(folder / "source", folder / "target");
        CHECK(copied == (4 << 20) + 123);
    });
    CHECK(content_of(folder / "target") == content_of(folder / "source"));
    std::string copy = content_of(folder / "target");
    CHECK(copy.substr(3 << 20, data.size()) == data);
    CHECK(copy.substr(2 << 20, 1 << 20) == std::string(1 << 20, '\0'));
}

TEST_CASE("an empty file is copied to an empty file") {
    TemporaryFolder folder;
    make_holey_file(folder / "source", "", {}, 0);
    run_io([&]() -> Co<void> {
        std::uint64_t copied = co_await copy_file(folder / "source", folder / "target");
        CHECK(copied == 0);
    });
    CHECK(content_of(folder / "target").empty());
}

TEST_CASE("files that the kernel makes up are read to their end, although they have no size") {
    run_io([]() -> Co<void> {
        auto file = value_of(co_await BufferedFile::open("/proc/self/stat"));
        CHECK(value_of(co_await file.stat()).stx_size == 0);
        auto read = co_await file.read_at(std::string(4096, '\0'), 0);
        std::size_t count = value_of(std::move(read.n));
        CHECK(count > 10);
        CHECK(read.buffer.starts_with(std::to_string(getpid()) + " ("));
        auto end = co_await file.read_at(std::string(4096, '\0'), count);
        CHECK(value_of(end.n) == 0);
    });
}

TEST_CASE("create makes a new file with the mode, or empties the one that is there") {
    TemporaryFolder folder;
    mode_t mask = umask(0);
    run_io([&]() -> Co<void> {
        auto file = value_of(co_await BufferedFile::create(folder / "file", 0640));
        CHECK((value_of(co_await file.stat()).stx_mode & 07777) == 0640);
        value_of((co_await file.write_all_at(std::string("old content"), 0)).n);
        auto again = value_of(co_await BufferedFile::create(folder / "file", 0600));
        auto status = value_of(co_await again.stat());
        CHECK(status.stx_size == 0);
        CHECK((status.stx_mode & 07777) == 0640);
    });
    umask(mask);
}

TEST_CASE("a file can be cut, stretched and brought to the device") {
    TemporaryFolder folder;
    run_io([&]() -> Co<void> {
        auto file = value_of(co_await BufferedFile::create(folder / "file"));
        value_of((co_await file.write_all_at(std::string("0123456789"), 0)).n);
        value_of(file.truncate(4));
        CHECK(value_of(co_await file.stat()).stx_size == 4);
        value_of(file.truncate(6));
        value_of(co_await file.fdatasync());
        value_of(co_await file.fsync());
        CHECK(content_of(folder / "file") == std::string("0123\0\0", 6));
    });
}

TEST_CASE("what a file was not opened for is refused, and the buffer comes back") {
    TemporaryFolder folder;
    run_io([&]() -> Co<void> {
        auto writable = value_of(co_await BufferedFile::create(folder / "file"));
        auto read = co_await writable.read_at(std::string("mine"), 0);
        CHECK(error_text(read.n) == "read: Bad file descriptor");
        CHECK(read.buffer == "mine");
        auto readable = value_of(co_await BufferedFile::open(folder / "file"));
        auto written = co_await readable.write_all_at(std::string("mine too"), 0);
        CHECK(error_text(written.n) == "write: Bad file descriptor");
        CHECK(written.buffer == "mine too");
        CHECK(error_text(readable.truncate(0)) == "truncate: Invalid argument");
        auto device = value_of(co_await BufferedFile::open("/dev/null", O_RDWR));
        auto sync = co_await device.fsync();
        CHECK(error_text(sync) == "sync: Invalid argument");
    });
}

TEST_CASE("an opened file is closed in programs that this one starts") {
    run_io([]() -> Co<void> {
        auto opened = co_await Operation(operations::Open("/dev/null", O_RDONLY, 0));
        CHECK(fcntl(value_of(std::move(opened)).get(), F_GETFD) == FD_CLOEXEC);
    });
}

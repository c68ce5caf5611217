// The contract: files, and memory that is registered for them.
#include "contract_support.hpp"

#include <sys/stat.h>

using namespace sim_contract;

namespace {

int open(TestRing& ring, const std::string& where, int flags) {
    return ring.run(io_uring_prep_openat, AT_FDCWD, where.c_str(), flags | O_CLOEXEC, 0644);
}
// Empty, to be read and written.
UniqueFd create(TestRing& ring, const std::string& where) {
    return UniqueFd(open(ring, where, O_RDWR | O_CREAT | O_TRUNC));
}
int write_at(TestRing& ring, const UniqueFd& file, std::string_view text, std::uint64_t position) {
    return ring.run(io_uring_prep_write, file.get(), text.data(), text.size(), position);
}
std::string read_at(TestRing& ring, const UniqueFd& file, std::size_t longest, std::uint64_t position) {
    std::string text(longest, '\0');
    int count = ring.run(io_uring_prep_read, file.get(), text.data(), longest, position);
    REQUIRE(count >= 0);
    text.resize(static_cast<std::size_t>(count));
    return text;
}

std::uint64_t size_of(TestRing& ring, const std::string& where) {
    struct statx status{};
    CHECK(ring.run(io_uring_prep_statx, AT_FDCWD, where.c_str(), 0, STATX_BASIC_STATS, &status) == 0);
    return status.stx_size;
}

}  // namespace

TEST_CASE("a file that is not there cannot be opened, unless it is to be made") {
    TestRing ring;
    std::string where = path("made");
    CHECK(open(ring, where, O_RDONLY) == -ENOENT);
    CHECK(UniqueFd(open(ring, where, O_WRONLY | O_CREAT)));
    CHECK(UniqueFd(open(ring, where, O_RDONLY)));
    CHECK(open(ring, where, O_WRONLY | O_CREAT | O_EXCL) == -EEXIST);
    CHECK(open(ring, path("no-folder/made"), O_WRONLY | O_CREAT) == -ENOENT);
}

TEST_CASE("the path of an open need not live longer than the call that submits it") {
    TestRing ring;
    std::string where = path("short-lived");
    ring.queue(1, io_uring_prep_openat, AT_FDCWD, where.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    ring.ring().enter();
    std::fill(where.begin(), where.end(), 'x');
    CHECK(UniqueFd(ring.result_of(1)));
    CHECK(size_of(ring, path("short-lived")) == 0);
}

TEST_CASE("what is written at a position is read there, in this and in another opening") {
    TestRing ring;
    std::string where = path("positions");
    UniqueFd file = create(ring, where);
    CHECK(write_at(ring, file, "hello world", 0) == 11);
    CHECK(write_at(ring, file, "W", 6) == 1);
    CHECK(read_at(ring, file, 5, 6) == "World");
    UniqueFd again(open(ring, where, O_RDONLY));
    CHECK(read_at(ring, again, 11, 0) == "hello World");
}

TEST_CASE("a read at the end of a file is short, and past it gives 0") {
    TestRing ring;
    UniqueFd file = create(ring, path("short"));
    CHECK(write_at(ring, file, "0123456789", 0) == 10);
    CHECK(read_at(ring, file, 100, 4) == "456789");
    CHECK(read_at(ring, file, 100, 10).empty());
    CHECK(read_at(ring, file, 100, 1000).empty());
}

TEST_CASE("a gap in a file reads as zeros") {
    TestRing ring;
    UniqueFd file = create(ring, path("gap"));
    CHECK(write_at(ring, file, "end", 5000) == 3);
    std::string all = read_at(ring, file, 6000, 0);
    CHECK(all == std::string(5000, '\0') + "end");
}

TEST_CASE("reads and writes of many pages are whole") {
    TestRing ring;
    UniqueFd file = create(ring, path("long"));
    std::string text = pattern(1 << 20);
    CHECK(write_at(ring, file, text, 123) == 1 << 20);
    bool is_intact = read_at(ring, file, 1 << 20, 123) == text;
    CHECK(is_intact);
}

TEST_CASE("many reads of one file may be in flight at once") {
    TestRing ring;
    UniqueFd file = create(ring, path("many"));
    std::string text = pattern(8 * 512);
    CHECK(write_at(ring, file, text, 0) == 8 * 512);
    std::vector<std::string> parts(8, std::string(512, '\0'));
    for (unsigned i = 0; i < 8; ++i)
        ring.queue(i, io_uring_prep_read, file.get(), parts[i].data(), 512, i * 512);
    for (unsigned i = 0; i < 8; ++i) {
        CHECK(ring.result_of(i) == 512);
        CHECK(parts[i] == text.substr(i * 512, 512));
    }
}

TEST_CASE("fsync and fdatasync of a file end with 0") {
    TestRing ring;
    UniqueFd file = create(ring, path("synced"));
    CHECK(write_at(ring, file, "text", 0) == 4);
    CHECK(ring.run(io_uring_prep_fsync, file.get(), 0) == 0);
    CHECK(ring.run(io_uring_prep_fsync, file.get(), IORING_FSYNC_DATASYNC) == 0);
}

TEST_CASE("after a close the number means nothing: EBADF, for a second close as well") {
    TestRing ring;
    UniqueFd file = create(ring, path("closed"));
    char byte;
    CHECK(ring.run(io_uring_prep_close, file.get()) == 0);
    int number = file.release();
    CHECK(ring.run(io_uring_prep_read, number, &byte, 1, 0) == -EBADF);
    CHECK(ring.run(io_uring_prep_write, number, &byte, 1, 0) == -EBADF);
    CHECK(ring.run(io_uring_prep_fsync, number, 0) == -EBADF);
    CHECK(ring.run(io_uring_prep_close, number) == -EBADF);
}

TEST_CASE("a file is written and read only through a descriptor that was opened for it") {
    TestRing ring;
    std::string where = path("one-way");
    UniqueFd writer(open(ring, where, O_WRONLY | O_CREAT));
    UniqueFd reader(open(ring, where, O_RDONLY));
    char byte = 'x';
    CHECK(ring.run(io_uring_prep_write, reader.get(), &byte, 1, 0) == -EBADF);
    CHECK(ring.run(io_uring_prep_read, writer.get(), &byte, 1, 0) == -EBADF);
    CHECK(write_at(ring, writer, "ok", 0) == 2);
    CHECK(read_at(ring, reader, 8, 0) == "ok");
}

TEST_CASE("a file that is opened with O_TRUNC, or truncated, is as long as said") {
    TestRing ring;
    std::string where = path("truncated");
    UniqueFd file = create(ring, where);
    CHECK(write_at(ring, file, "0123456789", 0) == 10);
    value_of(sys::truncate(file.get(), 4));
    CHECK(size_of(ring, where) == 4);
    CHECK(read_at(ring, file, 8, 0) == "0123");
    file = create(ring, where);
    CHECK(size_of(ring, where) == 0);
}

TEST_CASE("a file can be renamed and removed, and lives on for who has it open") {
    TestRing ring;
    std::string before = path("before");
    std::string name = path("after");
    UniqueFd file = create(ring, before);
    CHECK(write_at(ring, file, "text", 0) == 4);
    CHECK(ring.run(io_uring_prep_renameat, AT_FDCWD, before.c_str(), AT_FDCWD, name.c_str(), 0) == 0);
    CHECK(open(ring, before, O_RDONLY) == -ENOENT);
    CHECK(size_of(ring, name) == 4);
    CHECK(ring.run(io_uring_prep_unlinkat, AT_FDCWD, name.c_str(), 0) == 0);
    CHECK(open(ring, name, O_RDONLY) == -ENOENT);
    CHECK(ring.run(io_uring_prep_unlinkat, AT_FDCWD, name.c_str(), 0) == -ENOENT);
    CHECK(read_at(ring, file, 8, 0) == "text");
}

// --- Registered memory --------------------------------------------------------------------------

TEST_CASE("memory that is registered is read into and written from by number") {
    std::vector<char> memory(16384, '.');
    TestRing ring;
    UniqueFd file = create(ring, path("fixed"));
    iovec whole{memory.data(), memory.size()};
    REQUIRE(ring.ring().register_with(IORING_REGISTER_BUFFERS, &whole, 1) == 0);
    std::string text = pattern(5000);
    std::copy(text.begin(), text.end(), memory.begin() + 1000);
    CHECK(ring.run(io_uring_prep_write_fixed, file.get(), &memory[1000], 5000, 0, 0) == 5000);
    CHECK(ring.run(io_uring_prep_read_fixed, file.get(), &memory[8192], 6000, 0, 0) == 5000);
    CHECK(std::string(&memory[8192], 5000) == text);
    CHECK(memory[8192 + 5000] == '.');
    CHECK(read_at(ring, file, 5000, 0) == text);
}

TEST_CASE("memory that is registered may be used by plain reads and writes as well") {
    std::vector<char> memory(8192, '.');
    TestRing ring;
    UniqueFd file = create(ring, path("both"));
    iovec whole{memory.data(), memory.size()};
    REQUIRE(ring.ring().register_with(IORING_REGISTER_BUFFERS, &whole, 1) == 0);
    CHECK(ring.run(io_uring_prep_write, file.get(), memory.data(), 100, 0) == 100);
    CHECK(read_at(ring, file, 200, 0) == std::string(100, '.'));
}

TEST_CASE("a number under which no memory was registered is an error, EFAULT") {
    TestRing ring;
    UniqueFd file = create(ring, path("unregistered"));
    char byte = 'x';
    CHECK(ring.run(io_uring_prep_write_fixed, file.get(), &byte, 1, 0, 0) == -EFAULT);
}

// RELIABILITY rows 32 and 33: disks that are full, limits on file sizes, devices that fail.
#include "loop_device.hpp"
#include "net_support.hpp"

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

// On a disk of one mebibyte.
Co<void> fill_the_disk(std::string path) {
    constexpr std::size_t mebibyte = 1 << 20;
    std::string text = pattern(2 * mebibyte);
    auto file = value_of(co_await BufferedFile::create(path));
    auto short_write = co_await file.write_at(text, 0);
    std::size_t fitted = value_of(std::move(short_write.n));
    CHILD_REQUIRE(fitted > 0 && fitted <= mebibyte);
    CHILD_REQUIRE(short_write.buffer == text);
    auto refused = co_await file.write_at(text, fitted);
    CHILD_REQUIRE(error_text(refused.n) == "write: No space left on device");
    CHILD_REQUIRE(refused.n.error() == std::errc::no_space_on_device);
    CHILD_REQUIRE(refused.buffer == text);

    // write_all_at goes on after the short write, and ends with the error.
    value_of(file.truncate(0));
    auto all = co_await file.write_all_at(text, 0);
    CHILD_REQUIRE(error_text(all.n) == "write: No space left on device");
    CHILD_REQUIRE(all.buffer == text);
    CHILD_REQUIRE(value_of(co_await file.stat()).stx_size == fitted);

    // Nothing is broken: with room again, writing goes on.
    value_of(file.truncate(0));
    auto fits = co_await file.write_all_at(std::string("fits"), 0);
    CHILD_REQUIRE(value_of(fits.n) == 4);
    value_of(co_await std::move(file).close());
}

Co<void> exceed_the_limit(std::string path, std::size_t limit) {
    std::string text = pattern(limit + 50'000);
    auto file = value_of(co_await BufferedFile::create(path));
    auto short_write = co_await file.write_at(text, 0);
    CHILD_REQUIRE(value_of(short_write.n) == limit);
    auto refused = co_await file.write_at(text, limit);
    CHILD_REQUIRE(error_text(refused.n) == "write: File too large");
    CHILD_REQUIRE(refused.n.error() == std::errc::file_too_large);
    auto all = co_await file.write_all_at(text, 0);
    CHILD_REQUIRE(error_text(all.n) == "write: File too large");
    CHILD_REQUIRE(all.buffer == text);
    CHILD_REQUIRE(value_of(co_await file.stat()).stx_size == limit);
    value_of(co_await std::move(file).close());
}

}  // namespace

TEST_CASE("R32: a full disk gives a short count and then ENOSPC, and works again when there is room") {
    TemporaryFolder folder;
    auto child = run_in_child([&] {
        if (!mount_one_mebibyte(folder / "")) _exit(cannot);
        run_io(fill_the_disk(folder / "file"));
    });
    if (WIFEXITED(child.status) && WEXITSTATUS(child.status) == cannot) {
        return skip(32, "no file system can be mounted here");
    }
    CHECK(child.errors.empty());
    CHECK(child.exited_well());
}

TEST_CASE(
    "R32: beyond the limit of file sizes writes give a short count and then EFBIG, and no signal kills") {
    TemporaryFolder folder;
    auto child = run_in_child([&] {
        std::signal(SIGXFSZ, SIG_IGN);
        rlimit limit{100'000, 100'000};
        CHILD_REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
        run_io(exceed_the_limit(folder / "file", limit.rlim_cur));
    });
    CHECK(child.errors.empty());
    CHECK(child.exited_well());
}

TEST_CASE("R33: a device that fails gives EIO to its reader, and can be closed") {
    if (!is_root()) return skip(33, "not root, so no loop device");
    TemporaryFolder folder;
    UniqueFd image(open((folder / "image").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    std::string text = pattern(1 << 20);
    REQUIRE(put(image.get(), text));
    LoopDevice device(image.get());
    if (!device.works()) return skip(33, "no loop device to be had");
    REQUIRE(ftruncate(image.get(), 4096) == 0);  // the rest of the device is now broken
    run_io([&]() -> Co<void> {
        std::size_t before = open_descriptors();
        auto file = value_of(co_await BufferedFile::open(device.path()));
        auto broken = co_await file.read_at(std::string(4096, 'm'), 1 << 19);
        CHECK(error_text(broken.n) == "read: Input/output error");
        CHECK(broken.n.error() == std::errc::io_error);
        CHECK(broken.buffer.size() == 4096);
        auto good = co_await file.read_at(std::string(4096, '\0'), 0);
        CHECK(value_of(good.n) == 4096);
        CHECK(good.buffer == text.substr(0, 4096));
        auto both = co_await file.read_at(std::string(16384, '\0'), 0);
        CHECK(value_of(both.n) == 4096);  // as far as it goes
        value_of(co_await std::move(file).close());
        CHECK(open_descriptors() == before);
    });
}

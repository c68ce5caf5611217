// Paths: open, stat, rename, remove; and errors that name the operation and its reason.
#include "net_support.hpp"

using namespace support;

namespace {

void make_file(const std::string& path, std::string_view content = "") {
    UniqueFd file(open(path.c_str(), O_CREAT | O_WRONLY, 0640));
    REQUIRE(put(file.get(), content));
}

bool exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

Co<std::string> open_error(std::string path, int flags = O_RDONLY) {
    auto file = co_await BufferedFile::open(std::move(path), flags);
    co_return error_text(file);
}
Co<std::string> stat_error(std::string path) {
    auto status = co_await ringlet::stat(std::move(path));
    co_return error_text(status);
}
Co<std::string> rename_error(std::string from, std::string to) {
    auto renamed = co_await ringlet::rename(std::move(from), std::move(to));
    co_return error_text(renamed);
}
Co<std::string> remove_error(std::string path) {
    auto removed = co_await ringlet::remove(std::move(path));
    co_return error_text(removed);
}

}  // namespace

TEST_CASE("stat tells what a path names, and what a file is") {
    TemporaryFolder folder;
    make_file(folder / "file", "12345");
    run_io([&]() -> Co<void> {
        auto named = value_of(co_await ringlet::stat(folder / "file"));
        CHECK(named.stx_size == 5);
        CHECK(S_ISREG(named.stx_mode));
        auto file = value_of(co_await BufferedFile::open(folder / "file"));
        auto opened = value_of(co_await file.stat());
        CHECK(opened.stx_ino == named.stx_ino);
        CHECK(opened.stx_size == 5);
        auto directory = value_of(co_await ringlet::stat(folder / "."));
        CHECK(S_ISDIR(directory.stx_mode));
    });
}

TEST_CASE("rename moves a file, and replaces what was there") {
    TemporaryFolder folder;
    make_file(folder / "old", "content");
    make_file(folder / "target", "in the way");
    run_io([&]() -> Co<void> {
        value_of(co_await ringlet::rename(folder / "old", folder / "new"));
        CHECK(!exists(folder / "old"));
        value_of(co_await ringlet::rename(folder / "new", folder / "target"));
        CHECK(!exists(folder / "new"));
        CHECK(value_of(co_await ringlet::stat(folder / "target")).stx_size == 7);
    });
}

TEST_CASE("remove removes a file, and those who have it open keep it") {
    TemporaryFolder folder;
    make_file(folder / "file", "still readable");
    run_io([&]() -> Co<void> {
        auto file = value_of(co_await BufferedFile::open(folder / "file"));
        value_of(co_await ringlet::remove(folder / "file"));
        CHECK(!exists(folder / "file"));
        auto read = co_await file.read_at(std::string(14, '\0'), 0);
        CHECK(read.buffer == "still readable");
    });
}

TEST_CASE("errors name the operation and the reason") {
    TemporaryFolder folder;
    make_file(folder / "file");
    std::string missing = folder / "missing";
    run_io([&]() -> Co<void> {
        std::vector<std::string> seen;
        seen.push_back(co_await open_error(missing));
        seen.push_back(co_await open_error(folder / "missing/file", O_WRONLY | O_CREAT));
        seen.push_back(co_await open_error(folder / "file/inside"));
        seen.push_back(co_await open_error(folder / ".", O_WRONLY));
        seen.push_back(co_await open_error(folder / "file", O_WRONLY | O_CREAT | O_EXCL));
        seen.push_back(co_await open_error(""));
        seen.push_back(co_await open_error(std::string(5000, 'x')));
        seen.push_back(co_await stat_error(missing));
        seen.push_back(co_await stat_error(""));
        seen.push_back(co_await rename_error(missing, folder / "new"));
        seen.push_back(co_await rename_error(folder / "file", folder / "missing/new"));
        seen.push_back(co_await rename_error(folder / "file", folder / "."));
        seen.push_back(co_await remove_error(missing));
        seen.push_back(co_await remove_error(folder / "."));
        std::vector<std::string> expected = {
            "open: No such file or directory",
            "open: No such file or directory",
            "open: Not a directory",
            "open: Is a directory",
            "open: File exists",
            "open: No such file or directory",
            "open: File name too long",
            "stat: No such file or directory",
            "stat: No such file or directory",
            "rename: No such file or directory",
            "rename: No such file or directory",
            "rename: Device or resource busy",
            "remove: No such file or directory",
            "remove: Is a directory",
        };
        CHECK(seen.size() == expected.size());
        for (std::size_t i = 0; i < expected.size(); ++i) CHECK(seen[i] == expected[i]);
        CHECK(exists(folder / "file"));
    });
}

TEST_CASE("errors compare equal to what the standard calls them") {
    run_io([]() -> Co<void> {
        auto file = co_await BufferedFile::open("/nowhere/at/all");
        REQUIRE(!file);
        CHECK(file.error() == std::errc::no_such_file_or_directory);
        CHECK(file.error() != std::errc::permission_denied);
        CHECK(file.error().value() == ENOENT);
        CHECK(file.error().category().name() == std::string("open"));
    });
}

TEST_CASE("paths may be as long as the kernel takes, and need not outlive the call") {
    TemporaryFolder folder;
    run_io([&]() -> Co<void> {
        std::string name(255, 'n');
        auto creating = BufferedFile::create(folder / name);
        name = "changed meanwhile";
        auto file = value_of(co_await std::move(creating));
        CHECK(exists(folder / std::string(255, 'n')));
        std::string too_long = co_await open_error(folder / std::string(256, 'n'), O_WRONLY | O_CREAT);
        CHECK(too_long == "open: File name too long");
    });
}

TEST_CASE("a path with a zero in it names nothing, and not what stands before the zero") {
    TemporaryFolder folder;
    make_file(folder / "keep", "content");
    std::string path = folder / "keep" + std::string("\0.tmp", 5);
    run_io([&]() -> Co<void> {
        CHECK(co_await open_error(path, O_RDWR | O_CREAT | O_TRUNC) == "open: No such file or directory");
        CHECK(co_await stat_error(path) == "stat: No such file or directory");
        CHECK(co_await rename_error(path, folder / "moved") == "rename: No such file or directory");
        CHECK(co_await rename_error(folder / "keep", path) == "rename: No such file or directory");
        CHECK(co_await remove_error(path) == "remove: No such file or directory");
        CHECK(value_of(co_await ringlet::stat(folder / "keep")).stx_size == 7);
    });
}

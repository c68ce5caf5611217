// Async<Fd>: any descriptor made awaitable by readiness.
#include "support.hpp"

#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

using namespace support;

namespace {

Async<> adopt(UniqueFd fd) {
    auto adopted = Async<>::adopt(std::move(fd));
    if (!adopted) throw std::runtime_error(adopted.error().message());
    return std::move(*adopted);
}

// Reads up to 64 bytes.
Co<std::string> read_text(const Async<>& from) {
    std::string text(64, '\0');
    auto count = co_await from.read(std::as_writable_bytes(std::span(text)));
    text.resize(count.value_or(0));
    co_return text;
}

// A descriptor type that is not ours.
struct LibraryHandle {
    UniqueFd inner;
    std::string name;
    int get() const { return inner.get(); }
};

}  // namespace

TEST_CASE("adopting sets O_NONBLOCK and keeps the other flags") {
    UniqueFd file(::open("/tmp", O_TMPFILE | O_RDWR | O_APPEND | O_NOATIME | O_CLOEXEC, 0600));
    REQUIRE(file);
    int number = file.get();
    int before = fcntl(number, F_GETFL);
    bool blocks = !(before & O_NONBLOCK);
    REQUIRE(blocks);
    Async<> adopted = adopt(std::move(file));
    CHECK(adopted.get().get() == number);
    CHECK(fcntl(number, F_GETFL) == (before | O_NONBLOCK));
    CHECK(fcntl(number, F_GETFD) == FD_CLOEXEC);
}

TEST_CASE("a descriptor that is none cannot be adopted") {
    auto adopted = Async<>::adopt(UniqueFd(1'000'000));
    REQUIRE_FALSE(adopted);
    CHECK(adopted.error() == std::errc::bad_file_descriptor);
    CHECK(adopted.error().message() == "descriptor flags: Bad file descriptor");
}

TEST_CASE("a read that can be done at once asks the kernel for nothing") {
    Pipe pipe = make_pipe();
    put(pipe.writer.get(), "there already");
    Async<> reader = adopt(std::move(pipe.reader));
    run_io([&]() -> Co<void> {
        CHECK(co_await read_text(reader) == "there already");
        CHECK(Reactor::current().stats().submitted == 0);
    });
}

TEST_CASE("a read that must wait submits one POLL_ADD, however often it is polled") {
    Pipe pipe = make_pipe();
    Async<> reader = adopt(std::move(pipe.reader));
    run_io([&]() -> Co<void> {
        Reactor& reactor = Reactor::current();
        std::byte buffer[16];
        auto read = reader.read(buffer);
        for (int i = 0; i < 1000; ++i) {
            CHECK_FALSE(co_await poll_once(read));
            co_await yield_now();
        }
        CHECK(reactor.stats().submitted == 1);
        CHECK(reactor.in_flight() == 1);
        put(pipe.writer.get(), "four");
        CHECK(co_await read == std::size_t{4});
        CHECK(reactor.stats().submitted == 1);
    });
}

TEST_CASE("the attempt is made when it may succeed, and not at each poll") {
    Pipe pipe = make_pipe();
    Async<> reader = adopt(std::move(pipe.reader));
    int attempts = 0;
    run_io([&]() -> Co<void> {
        auto count_bytes = [&](const UniqueFd& fd) -> Result<std::size_t> {
            ++attempts;
            std::byte buffer[16];
            return sys::read(fd.get(), buffer);
        };
        auto read = reader.read_with(count_bytes);
        for (int i = 0; i < 10; ++i) CHECK_FALSE(co_await poll_once(read));
        CHECK(attempts == 1);
        put(pipe.writer.get(), "abc");
        CHECK(co_await read == std::size_t{3});
        CHECK(attempts == 2);
    });
}

TEST_CASE("two who wait for one byte: one gets it, the other waits on") {
    Pipe pipe = make_pipe();
    Async<> reader = adopt(std::move(pipe.reader));
    std::vector<std::string> got;
    auto read_some = [&]() -> Co<void> { got.push_back(co_await read_text(reader)); };
    run_io([&]() -> Co<void> {
        auto first = spawn_local(read_some);
        auto second = spawn_local(read_some);
        co_await round_trip();
        put(pipe.writer.get(), "1");
        auto one_has_it = [&] { return got.size() == 1; };
        CHECK(co_await eventually(one_has_it));
        co_await round_trip();
        CHECK(got == std::vector<std::string>{"1"});
        put(pipe.writer.get(), "2");
        co_await first;
        co_await second;
    });
    CHECK(got == std::vector<std::string>{"1", "2"});
}

TEST_CASE("an attempt's error is the result, and so is an error of the wait") {
    Pipe pipe = make_pipe();
    Async<> reader = adopt(std::move(pipe.reader));
    const OperationCategory mine("mine");
    run_io([&]() -> Co<void> {
        auto fail = [&](const UniqueFd&) -> Result<int> { return failure(mine, EIO); };
        auto failed = co_await reader.read_with(fail);
        CHECK(failed.error().message() == "mine: Input/output error");
        auto spoil = [&](const UniqueFd& fd) -> Result<int> {
            close(fd.get());
            return failure(mine, EAGAIN);
        };
        int number = dup(reader.get().get());
        Async<> spoiled = adopt(UniqueFd(number));
        auto wait_failed = co_await spoiled.read_with(spoil);
        CHECK(wait_failed.error().message() == "poll: Bad file descriptor");
        // Give the number back, so that its owner closes what is its own.
        CHECK(dup2(reader.get().get(), number) == number);
    });
}

TEST_CASE("a write waits until there is room") {
    Pipe pipe = make_pipe();
    std::size_t filled = fill(pipe.writer.get());
    Async<> writer = adopt(std::move(pipe.writer));
    run_io([&]() -> Co<void> {
        std::string text = "more";
        auto write = writer.write(std::as_bytes(std::span(text)));
        CHECK_FALSE(co_await poll_once(write));
        co_await round_trip();
        CHECK_FALSE(co_await poll_once(write));
        CHECK(get(pipe.reader.get(), filled).size() == filled);
        CHECK(co_await write == std::size_t{4});
        CHECK(get(pipe.reader.get()) == "more");
    });
}

TEST_CASE("write_with waits for room, and read_with for data, with the caller's own calls") {
    Pipe pipe = make_pipe();
    std::size_t filled = fill(pipe.writer.get());
    Async<> writer = adopt(std::move(pipe.writer));
    Async<> reader = adopt(std::move(pipe.reader));
    run_io([&]() -> Co<void> {
        auto write_one = [](const UniqueFd& fd) {
            return sys::write(fd.get(), std::as_bytes(std::span("!", 1)));
        };
        auto write = writer.write_with(write_one);
        CHECK_FALSE(co_await poll_once(write));
        std::string drained(filled, '\0');
        auto drain = [&](const UniqueFd& fd) {
            return sys::read(fd.get(), std::as_writable_bytes(std::span(drained)));
        };
        CHECK(co_await reader.read_with(drain) == filled);
        CHECK(co_await write == std::size_t{1});
        CHECK(co_await read_text(reader) == "!");
    });
}

TEST_CASE("readable and writable say when, and what else struck") {
    Pipe pipe = make_pipe();
    Async<> reader = adopt(std::move(pipe.reader));
    Async<> writer = adopt(std::move(pipe.writer));
    run_io([&]() -> Co<void> {
        CHECK((co_await writer.writable()).value() == POLLOUT);
        auto waits = reader.readable();
        CHECK_FALSE(co_await poll_once(waits));
        writer = adopt(UniqueFd(::open("/dev/null", O_WRONLY | O_CLOEXEC)));
        {
            Async<> last = std::move(writer);
        }
        CHECK((co_await waits).value() == POLLHUP);
        CHECK(co_await read_text(reader) == "");
    });
}

TEST_CASE("an eventfd wakes its reader") {
    Async<> events = adopt(UniqueFd(eventfd(0, EFD_CLOEXEC)));
    run_io([&]() -> Co<void> {
        std::uint64_t count = 0;
        auto read = events.read(std::as_writable_bytes(std::span(&count, 1)));
        CHECK_FALSE(co_await poll_once(read));
        co_await round_trip();
        CHECK(eventfd_write(events.get().get(), 3) == 0);
        CHECK(co_await read == sizeof count);
        CHECK(count == 3);
    });
}

TEST_CASE("a signalfd wakes its reader") {
    sigset_t mask, before;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    REQUIRE(sigprocmask(SIG_BLOCK, &mask, &before) == 0);
    {
        Async<> signals = adopt(UniqueFd(signalfd(-1, &mask, SFD_CLOEXEC)));
        run_io([&]() -> Co<void> {
            signalfd_siginfo info{};
            auto read = signals.read(std::as_writable_bytes(std::span(&info, 1)));
            CHECK_FALSE(co_await poll_once(read));
            co_await round_trip();
            kill(getpid(), SIGUSR1);
            CHECK(co_await read == sizeof info);
            CHECK(info.ssi_signo == SIGUSR1);
        });
    }
    sigprocmask(SIG_SETMASK, &before, nullptr);
}

TEST_CASE("inotify wakes its reader") {
    char path[] = "/tmp/ringlet-watch-XXXXXX";
    REQUIRE(mkdtemp(path));
    {
        Async<> changes = adopt(UniqueFd(inotify_init1(IN_CLOEXEC)));
        REQUIRE(inotify_add_watch(changes.get().get(), path, IN_CREATE) >= 0);
        run_io([&]() -> Co<void> {
            alignas(inotify_event) std::byte buffer[512];
            auto read = changes.read(buffer);
            CHECK_FALSE(co_await poll_once(read));
            co_await round_trip();
            std::string made = std::string(path) + "/made";
            REQUIRE(mkdir(made.c_str(), 0700) == 0);
            CHECK((co_await read).value() >= sizeof(inotify_event));
            CHECK(std::string(reinterpret_cast<inotify_event*>(buffer)->name) == "made");
            rmdir(made.c_str());
        });
    }
    rmdir(path);
}

TEST_CASE("any type that owns a descriptor and shows its number will do") {
    Pipe pipe = make_pipe();
    auto adopted = Async<LibraryHandle>::adopt(LibraryHandle{std::move(pipe.reader), "library"});
    REQUIRE(adopted);
    run_io([&]() -> Co<void> {
        std::string seen;
        auto read = [&](const LibraryHandle& handle) -> Result<std::size_t> {
            seen = handle.name;
            std::byte buffer[16];
            return sys::read(handle.get(), buffer);
        };
        put(pipe.writer.get(), "xy");
        CHECK(co_await adopted->read_with(read) == std::size_t{2});
        CHECK(seen == "library");
    });
}

TEST_CASE("a dropped wait reaches the kernel before its descriptor's number is free") {
    std::size_t before = open_descriptors();
    run_io([&]() -> Co<void> {
        Reactor& reactor = Reactor::current();
        std::size_t inside = open_descriptors();
        {
            Pipe pipe = make_pipe();
            Async<> reader = adopt(std::move(pipe.reader));
            {
                std::byte buffer[16];
                auto read = reader.read(buffer);
                CHECK_FALSE(co_await poll_once(read));
                CHECK(reactor.ring().queued() == 1);
            }
            CHECK(reactor.ring().queued() > 0);
            Async<> gone = std::move(reader);
            CHECK(reactor.ring().queued() > 0);
            reader = std::move(gone);
        }
        CHECK(reactor.ring().queued() == 0);
        CHECK(open_descriptors() == inside);
        auto over = [&] { return reactor.in_flight() == 0; };
        CHECK(co_await eventually(over));
    });
    CHECK(open_descriptors() == before);
}

TEST_CASE("an Async may outlive its executor, and be used on the next") {
    std::size_t before = open_descriptors();
    {
        Pipe pipe = make_pipe();
        Async<> reader = adopt(std::move(pipe.reader));
        run_io([&]() -> Co<void> {
            auto waits = reader.readable();
            CHECK_FALSE(co_await poll_once(waits));
        });
        put(pipe.writer.get(), "next");
        CHECK(run_io([&] { return read_text(reader); }) == "next");
    }
    CHECK(open_descriptors() == before);
}

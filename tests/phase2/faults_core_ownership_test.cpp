// RELIABILITY rows 5, 6, 22, 27 and 28: who may use a ring, and how long what it names must live.
#include "counted_buffer.hpp"
#include "support.hpp"

#include <filesystem>
#include <random>
#include <sys/syscall.h>
#include <thread>

using namespace support;

namespace {

using Bytes = std::vector<char>;

auto read_from(const SharedFd& file) {
    return Operation(operations::Read(file, CountedBuffer(64), operations::at_current_position));
}

// A raw ring of this test's own, without what the library does to protect its rings.
class RawRing {
public:
    explicit RawRing(unsigned flags = 0) { REQUIRE(io_uring_queue_init(8, &ring, flags) == 0); }
    RawRing(const RawRing&) = delete;
    RawRing& operator=(const RawRing&) = delete;
    ~RawRing() { io_uring_queue_exit(&ring); }

    io_uring_sqe* entry() { return io_uring_get_sqe(&ring); }

    io_uring ring{};
};

int ring_descriptor() {
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code error;
        if (std::filesystem::read_symlink(entry, error) == "anon_inode:[io_uring]")
            return std::stoi(entry.path().filename());
    }
    return -1;
}

// What a fault or abort prints is part of the test: without doctest's handlers.
void forget_handlers() {
    for (int signal : {SIGSEGV, SIGBUS, SIGABRT}) std::signal(signal, SIG_DFL);
}

// Its operation reads into memory that the test may free too early.
class CarelessRead final : public Source {
public:
    explicit CarelessRead(int fd) : memory(64), fd_(fd) {}
    void free_memory() {
        view_ = std::as_bytes(std::span(memory));
        Bytes().swap(memory);
    }
    Bytes memory;
    int completions = 0;

private:
    void prepare(io_uring_sqe& entry) noexcept override {
        view_ = std::as_bytes(std::span(memory));
        io_uring_prep_read(&entry, fd_, memory.data(), static_cast<unsigned>(memory.size()), ~0ULL);
    }
    void complete(int, unsigned) noexcept override { ++completions; }
    void discard(int, unsigned) noexcept override {}
    std::span<const std::byte> kernel_memory() const noexcept override { return view_; }

    std::span<const std::byte> view_;
    int fd_;
};

}  // namespace

TEST_CASE("R5: a ring used on another thread aborts and says so") {
    {
        RawRing raw(IORING_SETUP_SINGLE_ISSUER);
        io_uring_prep_nop(raw.entry());
        int result = 0;
        std::thread([&] { result = io_uring_submit(&raw.ring); }).join();
        REQUIRE(result == -EEXIST);
    }
    ChildEnd bare = run_in_child([] {
        auto executor = make_io_executor();
        executor->spawn_local(round_trip()).detach();
        std::thread([&] {
            for (int i = 0; i < 3; ++i) executor->turn(false);
        }).join();
    });
    CHECK(bare.aborted());
    CHECK(bare.says("an io_uring was used on another thread"));

    // Worse: that thread has a ring of its own, registered under the same number.
    ChildEnd with_its_own = run_in_child([] {
        auto executor = make_io_executor();
        executor->spawn_local(round_trip()).detach();
        std::thread([&] {
            auto other = make_io_executor();
            for (int i = 0; i < 3; ++i) executor->turn(false);
        }).join();
    });
    CHECK(with_its_own.aborted());
    CHECK(with_its_own.says("an io_uring was used on another thread"));
}

TEST_CASE("R6: a forked child cannot reach its parent's ring") {
    {
        // The fault: on a plain ring the child's operation completes in the parent.
        RawRing raw;
        ChildEnd child = run_in_child([&] {
            io_uring_sqe* entry = raw.entry();
            io_uring_prep_nop(entry);
            entry->user_data = 66;
            CHILD_REQUIRE(io_uring_submit(&raw.ring) == 1);
        });
        REQUIRE(child.exited_well());
        io_uring_cqe* completion = nullptr;
        REQUIRE(io_uring_peek_cqe(&raw.ring, &completion) == 0);
        REQUIRE(completion->user_data == 66);
    }
    Pipe pipe = make_pipe();
    Pipe other = make_pipe();
    SharedFd reader(std::move(pipe.reader));
    SharedFd other_reader(std::move(other.reader));
    run_io([&]() -> Co<void> {
        Reactor& reactor = Reactor::current();
        auto in_kernel = read_from(reader);
        CHECK_FALSE(co_await poll_once(in_kernel));
        co_await round_trip();
        auto in_queue = read_from(other_reader);
        CHECK_FALSE(co_await poll_once(in_queue));
        int ring = ring_descriptor();
        CHECK(ring >= 0);

        auto use_memory = [&] {
            forget_handlers();
            static_cast<void>(reactor.ring().next_sqe());
        };
        ChildEnd touched = run_in_child(use_memory);
        CHECK(WIFSIGNALED(touched.status));
        CHECK(WTERMSIG(touched.status) == SIGSEGV);
        auto use_descriptor = [&] {
            CHILD_REQUIRE(syscall(__NR_io_uring_enter, ring, 1, 0, IORING_ENTER_GETEVENTS, nullptr, 0) == -1);
            CHILD_REQUIRE(errno == EEXIST);
        };
        ChildEnd entered = run_in_child(use_descriptor);
        CHECK_MESSAGE(entered.exited_well(), entered.errors);

        put(pipe.writer.get(), "parent's");
        CHECK((co_await in_kernel).n == std::size_t{8});
        put(other.writer.get(), "still");
        CHECK((co_await in_queue).n == std::size_t{5});
    });
}

TEST_CASE("R22: a task may be destroyed while its read is in flight") {
    Pipe pipe = make_pipe();
    SharedFd reader(std::move(pipe.reader));
    auto read_it = [&]() -> Co<void> { co_await read_from(reader); };
    auto executor = make_io_executor();
    Reactor& reactor = reactor_of(*executor);
    auto over = [&] { return reactor.in_flight() == 0; };
    auto task = executor->spawn_local(read_it);
    executor->turn(false);
    executor->turn(false);
    task.cancel();
    executor->turn(false);
    // The fault: the task is gone, and the kernel may still write.
    REQUIRE(task.is_finished());
    REQUIRE(reactor.in_flight() == 1);
    put(pipe.writer.get(), "too late");
    CHECK(CountedBuffer::alive == 1);
    CHECK(turn_until(*executor, over));
    CHECK(CountedBuffer::alive == 0);
    CHECK(reader.is_sole_holder());
}

TEST_CASE("R22: what the kernel writes for nobody goes into a buffer that lives") {
    // Not to wait: Linux 6.1 hands a read that might to a thread of its own, which a cancellation overtakes.
    Pipe pipe = make_pipe(O_NONBLOCK);
    SharedFd reader(std::move(pipe.reader));
    put(pipe.writer.get(), "for nobody");
    run_io([&]() -> Co<void> {
        Reactor& reactor = Reactor::current();
        {
            auto read = read_from(reader);
            CHECK_FALSE(co_await poll_once(read));
        }
        // The kernel has not seen it yet, and will now write.
        CHECK(reactor.ring().queued() == 2);
        CHECK(CountedBuffer::alive == 1);
        auto over = [&] { return reactor.in_flight() == 0; };
        CHECK(co_await eventually(over));
        CHECK(CountedBuffer::alive == 0);
        Operation empty{operations::PollAdd(reader.get(), POLLIN)};
        CHECK_FALSE(co_await poll_once(empty));
        co_await round_trip();
        CHECK_FALSE(co_await poll_once(empty));
    });
}

#if defined(RINGLET_ASAN)
TEST_CASE("R22: memory that was freed before its last completion is noticed by sanitizer builds") {
    for (bool careless : {false, true}) {
        ChildEnd child = run_in_child([&] {
            Pipe pipe = make_pipe();
            auto executor = make_io_executor();
            CarelessRead read(pipe.reader.get());
            executor->run([&]() -> Co<void> {
                Reactor::current().submit(read);
                co_await round_trip();
                CHILD_REQUIRE(read.is_in_flight());
                if (careless) read.free_memory();
                put(pipe.writer.get(), "x");
                auto over = [&] { return read.completions == 1; };
                CHILD_REQUIRE(co_await eventually(over));
            });
        });
        CHECK(child.aborted() == careless);
        CHECK(child.says("a buffer was freed while an operation in the kernel still used it") == careless);
        CHECK(child.exited_well() == !careless);
    }
}
#endif

TEST_CASE("R27: a queued operation keeps its descriptor, so that no other file gets its number") {
    {
        // The fault: between prep and submit the number became another file's.
        RawRing raw;
        Pipe first = make_pipe();
        Pipe second = make_pipe();
        put(second.writer.get(), "second");
        int number = first.reader.get();
        char buffer[16];
        io_uring_prep_read(raw.entry(), number, buffer, sizeof buffer, ~0ULL);
        first.reader = UniqueFd();
        UniqueFd reused(dup(second.reader.get()));
        REQUIRE(reused.get() == number);
        REQUIRE(io_uring_submit(&raw.ring) == 1);
        io_uring_cqe* completion = nullptr;
        REQUIRE(io_uring_wait_cqe(&raw.ring, &completion) == 0);
        REQUIRE(completion->res == 6);
    }
    Pipe second = make_pipe();
    put(second.writer.get(), "second");
    for (bool wanted : {true, false}) {
        CAPTURE(wanted);
        Pipe first = make_pipe();
        put(first.writer.get(), "first file's");
        int number = first.reader.get();
        run_io([&]() -> Co<void> {
            Reactor& reactor = Reactor::current();
            auto reader = std::make_unique<SharedFd>(std::move(first.reader));
            auto read = std::make_unique<decltype(read_from(*reader))>(read_from(*reader));
            CHECK_FALSE(co_await poll_once(*read));
            CHECK(reactor.ring().queued() == 1);
            reader.reset();
            if (!wanted) read.reset();
            UniqueFd other(dup(second.reader.get()));
            CHECK(other.get() != number);
            if (wanted) CHECK((co_await *read).n == std::size_t{12});
            read.reset();
            auto over = [&] { return reactor.in_flight() == 0; };
            CHECK(co_await eventually(over));
            CHECK(fcntl(number, F_GETFD) == -1);
        });
    }
    CHECK(get(second.reader.get()) == "second");
}

TEST_CASE("R28: a thousand dropped files, each at a moment of its own, are closed once each") {
    unsigned seed = std::random_device()();
    CAPTURE(seed);
    std::mt19937 random(seed);
    std::size_t before = open_descriptors();
    Pipe bystander = make_pipe();
    run_io([&]() -> Co<void> {
        Reactor& reactor = Reactor::current();
        std::size_t at_start = open_descriptors();
        for (int drop = 0; drop < 1000; ++drop) {
            Operation open{operations::Open("/dev/zero", O_RDONLY, 0)};
            if (random() % 4 == 0) continue;
            CHECK_FALSE(co_await poll_once(open));
            if (random() % 4 == 0) continue;
            if (random() % 3 == 0) {
                co_await round_trip();
                continue;
            }
            auto opened = co_await open;
            REQUIRE(opened);
            SharedFd file(std::move(*opened));
            auto read = read_from(file);
            if (random() % 2 == 0) CHECK_FALSE(co_await poll_once(read));
            if (random() % 2 == 0) file = SharedFd();
            if (random() % 2 == 0) CHECK((co_await read).n == std::size_t{64});
        }
        auto over = [&] { return reactor.in_flight() == 0; };
        CHECK(co_await eventually(over));
        CHECK(open_descriptors() == at_start);
        put(bystander.writer.get(), "unharmed");
        CHECK(get(bystander.reader.get()) == "unharmed");
    });
    bystander = {};
    CHECK(open_descriptors() == before);
    CHECK(CountedBuffer::alive == 0);
}

// Operations that find no submission entry, since the kernel takes none: this program stands between the
// library and the kernel and refuses calls when the test says so. All that it lets pass is the real thing.
#include "support.hpp"

#include <ringlet/reactor/kernel.hpp>

#define enter real_enter
#include <ringlet/reactor/kernel.cpp>
#undef enter

using namespace support;

namespace {

int refusal = 0;            // -errno for each call that would submit; 0: let them pass
unsigned refuse_every = 0;  // n: every n-th call, with `refusal` in turn EBUSY, EAGAIN, EINTR
unsigned calls = 0;
unsigned refused = 0;

// Refuses while it lives.
struct Refuse {
    explicit Refuse(int error) {
        refusal = -error;
        refused = 0;
    }
    Refuse(const Refuse&) = delete;
    Refuse& operator=(const Refuse&) = delete;
    ~Refuse() { refusal = 0; }
};

constexpr ParkerOptions small{.ring_depth = 8};

using Bytes = std::vector<char>;

auto readable(const Pipe& pipe) { return Operation(operations::PollAdd(pipe.reader.get(), POLLIN)); }
auto read_one(const SharedFd& file) {
    return Operation(operations::Read(file, Bytes(1), operations::at_current_position));
}

// Submission entries, all taken: what comes next goes to the backlog while the kernel refuses.
Co<void> fill_queue(std::vector<JoinHandle<void>>& fillers) {
    for (int i = 0; i < 8; ++i) fillers.push_back(spawn_local(round_trip()));
    co_await yield_now();
    CHECK(Reactor::current().ring().queued() == 8);
}

}  // namespace

namespace ringlet::kernel {

int enter(io_uring& ring, unsigned submit, unsigned wait_for, unsigned flags,
          __kernel_timespec* timeout) noexcept {
    constexpr int errors[] = {-EBUSY, -EAGAIN, -EINTR};
    if (refuse_every > 0 && ++calls % refuse_every == 0) return errors[refused++ % 3];
    if (refusal != 0 && submit > 0) {
        ++refused;
        return refusal;
    }
    return real_enter(ring, submit, wait_for, flags, timeout);
}

}  // namespace ringlet::kernel

TEST_CASE("operations beyond the queue wait while the kernel refuses, and all complete") {
    for (int error : {EBUSY, EAGAIN, EINTR}) {
        auto executor = make_io_executor(small);
        Reactor& reactor = reactor_of(*executor);
        int done = 0;
        auto count_nop = [&]() -> Co<void> {
            co_await round_trip();
            ++done;
        };
        for (int i = 0; i < 50; ++i) executor->spawn_local(count_nop()).detach();
        {
            Refuse refuse(error);
            for (int i = 0; i < 5; ++i) executor->turn(false);
            CHECK(refused > 0);
            CHECK(done == 0);
            CHECK(reactor.ring().queued() == 8);
            CHECK(reactor.in_flight() == 50);
            CHECK(reactor.stats().backlogged == 42);
            CHECK((reactor.stats().back_pressure > 0) == (error != EINTR));
        }
        CHECK(turn_until(*executor, [&] { return done == 50; }));
        CHECK(reactor.stats().submitted == 50);
    }
}

TEST_CASE("operations that waited are submitted in the order in which they started") {
    auto executor = make_io_executor(small);
    Pipe pipe = make_pipe(O_NONBLOCK);
    SharedFd reader(std::move(pipe.reader));
    std::string got;
    put(pipe.writer.get(), "abcdefghijklmnopqrstuvwxyz");
    std::vector<char> bytes(26);
    auto read_into = [&](int index) -> Co<void> {
        auto read = co_await read_one(reader);
        bytes[index] = read.buffer[0];
    };
    {
        Refuse refuse(EBUSY);
        for (int i = 0; i < 26; ++i) executor->spawn_local(read_into(i)).detach();
        executor->turn(false);
        CHECK(reactor_of(*executor).stats().backlogged == 18);
    }
    CHECK(turn_until(*executor, [&] { return reader.is_sole_holder(); }));
    CHECK(std::string(bytes.begin(), bytes.end()) == "abcdefghijklmnopqrstuvwxyz");
}

TEST_CASE("while the kernel refuses, the executor naps and does not spin") {
    auto executor = make_io_executor(small);
    Refuse refuse(EBUSY);
    // Timers still fire meanwhile.
    executor->run([&]() -> Co<void> {
        auto waiting = spawn_local(round_trip());
        co_await sleep(50ms);
        CHECK_FALSE(waiting.is_finished());
        refusal = 0;
        CHECK(co_await waiting);
    });
    CHECK(refused > 0);
    CHECK(refused < 200);
}

TEST_CASE("an operation dropped while it waits never reaches the kernel and gives all back at once") {
    Pipe pipe = make_pipe();
    SharedFd reader(std::move(pipe.reader));
    put(pipe.writer.get(), "x");
    std::vector<JoinHandle<void>> fillers;
    run_io(
        [&]() -> Co<void> {
            Reactor& reactor = Reactor::current();
            Refuse refuse(EBUSY);
            co_await fill_queue(fillers);
            {
                auto read = read_one(reader);
                CHECK_FALSE(co_await poll_once(read));
                CHECK(reactor.in_flight() == 9);
                CHECK(reactor.stats().backlogged == 1);
            }
            CHECK(reactor.in_flight() == 8);
            CHECK(reader.is_sole_holder());
            refusal = 0;
            for (auto& filler : fillers) co_await filler;
            CHECK(reactor.stats().submitted == 8);
            CHECK(get(reader.get()) == "x");
        },
        small);
}

TEST_CASE("an operation whose time is over while it waits has timed out") {
    Pipe pipe = make_pipe();
    SharedFd reader(std::move(pipe.reader));
    std::vector<JoinHandle<void>> fillers;
    run_io(
        [&]() -> Co<void> {
            Refuse refuse(EAGAIN);
            co_await fill_queue(fillers);
            Bytes buffer(1, '.');
            const char* memory = buffer.data();
            Operation read{operations::Read(reader, std::move(buffer), operations::at_current_position)};
            auto got = co_await std::move(read).timeout(2ms);
            CHECK(got.n.error() == std::errc::timed_out);
            CHECK(got.buffer.data() == memory);
            CHECK(Reactor::current().in_flight() == 8);
        },
        small);
}

TEST_CASE("a write that the kernel gets together with its cancellation says how much it wrote") {
    Pipe pipe = make_pipe(O_NONBLOCK);  // else it is left to a thread of the kernel before Linux 6.4
    SharedFd writer(std::move(pipe.writer));
    auto executor = make_io_executor(small);
    executor->run([&]() -> Co<void> {
        Reactor& reactor = Reactor::current();
        Operation write{
            operations::Write(writer, Bytes(100, 'w'), operations::at_current_position, 100, true)};
        auto timed = std::move(write).timeout(1ms);
        {
            Refuse refuse(EBUSY);
            CHECK_FALSE(co_await poll_once(timed));
            co_await sleep(2ms);
            CHECK_FALSE(co_await poll_once(timed));
            CHECK(reactor.ring().queued() == 2);
        }
        auto written = co_await timed;
        CHECK(written.n == std::size_t{100});
        CHECK(get(pipe.reader.get()).size() == 100);
    });
}

TEST_CASE("a close that waits closes once, dropped or timed out") {
    std::size_t before = open_descriptors();
    for (bool timed : {false, true}) {
        CAPTURE(timed);
        Pipe pipe = make_pipe();
        std::vector<JoinHandle<void>> fillers;
        run_io(
            [&]() -> Co<void> {
                Refuse refuse(EBUSY);
                co_await fill_queue(fillers);
                Operation close{operations::Close(std::move(pipe.reader))};
                if (timed) {
                    auto closed = co_await std::move(close).timeout(1ms);
                    CHECK(closed.error() == std::errc::timed_out);
                } else {
                    CHECK_FALSE(co_await poll_once(close));
                }
            },
            small);
        pipe.writer = UniqueFd();
        CHECK(open_descriptors() == before);
    }
}

TEST_CASE("a cancellation that waits is not needed when the operation ends by itself") {
    Pipe pipe = make_pipe();
    std::vector<JoinHandle<void>> fillers;
    run_io(
        [&]() -> Co<void> {
            Reactor& reactor = Reactor::current();
            auto waits = std::make_unique<Readiness>(readable(pipe));
            CHECK_FALSE(co_await poll_once(*waits));
            co_await round_trip();
            Refuse refuse(EBUSY);
            co_await fill_queue(fillers);
            std::uint64_t before = reactor.stats().submitted;
            waits.reset();
            CHECK(reactor.in_flight() == 9);
            put(pipe.writer.get(), "x");
            // Completions come in although nothing goes out.
            while (reactor.in_flight() > 8) co_await sleep(1ms);
            CHECK(reactor.stats().submitted == before);
        },
        small);
}

TEST_CASE("a cancellation that waits is made good when the kernel takes entries again") {
    Pipe pipe = make_pipe();
    std::vector<JoinHandle<void>> fillers;
    run_io(
        [&]() -> Co<void> {
            Reactor& reactor = Reactor::current();
            auto waits = std::make_unique<Readiness>(readable(pipe));
            CHECK_FALSE(co_await poll_once(*waits));
            co_await round_trip();
            {
                Refuse refuse(EBUSY);
                co_await fill_queue(fillers);
                waits.reset();
                co_await yield_now();
            }
            auto over = [&] { return reactor.in_flight() == 0; };
            CHECK(co_await eventually(over));
        },
        small);
}

TEST_CASE("an executor may end while operations wait and the kernel refuses") {
    Pipe pipe = make_pipe();
    auto executor = make_io_executor(small);
    std::vector<Readiness> kept;
    for (int i = 0; i < 30; ++i) kept.push_back(readable(pipe));
    executor->run([&]() -> Co<void> {
        for (int i = 0; i < 30; ++i) CHECK_FALSE(co_await poll_once(kept[i]));
        refusal = -EBUSY;
        for (int i = 0; i < 30; ++i) spawn_local(readable(pipe)).detach();
        co_await yield_now();
    });
    CHECK(reactor_of(*executor).in_flight() == 60);
    refuse_every = 3;
    refusal = 0;
    executor.reset();
    refuse_every = 0;
}

TEST_CASE("with every third call refused no byte is lost") {
    Pipe pipe = make_pipe();
    SharedFd reader(std::move(pipe.reader));
    SharedFd writer(std::move(pipe.writer));
    constexpr int total = 2000;
    std::string received;
    auto write_all = [&]() -> Co<void> {
        for (int i = 0; i < total; ++i) {
            Bytes byte(1, static_cast<char>('a' + i % 26));
            Operation write{
                operations::Write(writer, std::move(byte), operations::at_current_position, 1, true)};
            CHECK((co_await write).n == std::size_t{1});
        }
    };
    refused = 0;
    refuse_every = 3;
    run_io(
        [&]() -> Co<void> {
            auto writing = spawn_local(write_all());
            while (received.size() < total) {
                auto got = co_await read_one(reader);
                CHECK(got.n == std::size_t{1});
                received.push_back(got.buffer[0]);
            }
            co_await writing;
        },
        small);
    refuse_every = 0;
    CHECK(refused > 100);
    bool in_order = true;
    for (int i = 0; i < total; ++i) in_order = in_order && received[i] == static_cast<char>('a' + i % 26);
    CHECK(in_order);
}

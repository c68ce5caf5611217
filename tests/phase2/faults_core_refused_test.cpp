// RELIABILITY rows 8, 9 and 12: calls into the kernel that are refused or interrupted. For 8 and 12 this
// program runs its own inner tests under strace, which makes every third io_uring_enter fail.
#include "counted_buffer.hpp"
#include "support.hpp"

#include <climits>
#include <fstream>
#include <sys/time.h>

using namespace support;

namespace {

constexpr ParkerOptions small{.ring_depth = 8};

// What `command` said on stdout and stderr, and how it ended.
ChildEnd run_command(const std::string& command) {
    ChildEnd end;
    FILE* output = popen((command + " 2>&1").c_str(), "r");
    REQUIRE(output);
    char line[512];
    while (std::fgets(line, sizeof line, output)) end.errors += line;
    end.status = pclose(output);
    return end;
}

const char* why_strace_cannot() {
    if (!run_command("command -v strace").exited_well()) return "strace is not installed";
    if (!run_command("strace -o /dev/null true").exited_well()) return "strace may not trace here";
    return nullptr;
}

// Runs the test case `name` of this program, with every third io_uring_enter failing with `error`; returns
// how many did.
int run_with_failing_enters(const std::string& name, const std::string& error) {
    char self[PATH_MAX] = {};
    REQUIRE(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    std::string log = "/tmp/ringlet-strace-" + std::to_string(getpid());
    ChildEnd end = run_command("RINGLET_INJECTED=" + error + " ASAN_OPTIONS=detect_leaks=0 timeout 50" +
                               " strace -f -qq -o " + log + " -e trace=io_uring_enter" +
                               " -e inject=io_uring_enter:error=" + error + ":when=3+3 '" + self +
                               "' --no-skip --test-case='" + name + "'");
    CHECK_MESSAGE(end.exited_well(), end.errors);
    CHECK_MESSAGE(end.says("1 passed"), end.errors);
    int injected = 0;
    std::ifstream lines(log);
    for (std::string line; std::getline(lines, line);) injected += line.find("INJECTED") != std::string::npos;
    unlink(log.c_str());
    return injected;
}

// In the inner tests. EINTR is business as usual and not counted.
void check_back_pressure(const Reactor& reactor) {
    std::string error = std::getenv("RINGLET_INJECTED");
    CHECK((reactor.stats().back_pressure > 0) == (error != "EINTR"));
}

// A storm of signals while it lives: one each 300 microseconds, without SA_RESTART.
class SignalStorm {
public:
    SignalStorm() {
        count = 0;
        struct sigaction action{};
        action.sa_handler = [](int) { count = count + 1; };
        sigaction(SIGALRM, &action, &before_);
        itimerval each{{0, 300}, {0, 300}};
        setitimer(ITIMER_REAL, &each, nullptr);
    }
    SignalStorm(const SignalStorm&) = delete;
    SignalStorm& operator=(const SignalStorm&) = delete;
    ~SignalStorm() {
        itimerval none{};
        setitimer(ITIMER_REAL, &none, nullptr);
        sigaction(SIGALRM, &before_, nullptr);
    }

    static inline volatile sig_atomic_t count = 0;

private:
    struct sigaction before_{};
};

}  // namespace

TEST_CASE("inner R8: buffers live while their submission is refused" * doctest::skip()) {
    Pipe pipe = make_pipe();
    SharedFd reader(std::move(pipe.reader));
    SharedFd writer(std::move(pipe.writer));
    auto executor = make_io_executor(small);
    Reactor& reactor = reactor_of(*executor);
    std::string received;
    auto read_one = [&]() -> Co<void> {
        Operation read{operations::Read(reader, CountedBuffer(1), operations::at_current_position)};
        auto got = co_await read;
        CHECK(got.n == std::size_t{1});
        received.push_back(got.buffer.data()[0]);
    };
    auto write_one = [&](char byte) -> Co<void> {
        CountedBuffer buffer(1);
        buffer.data()[0] = byte;
        Operation write{
            operations::Write(writer, std::move(buffer), operations::at_current_position, 1, true)};
        CHECK((co_await write).n == std::size_t{1});
    };
    for (int round = 0; round < 10; ++round) {
        for (char byte = 'a'; byte <= 'z'; ++byte) executor->spawn_local(write_one(byte)).detach();
        for (char byte = 'a'; byte <= 'z'; ++byte) executor->spawn_local(read_one()).detach();
        auto over = [&] {
            CHECK(CountedBuffer::alive >= static_cast<int>(reactor.in_flight()));
            return received.size() == static_cast<std::size_t>(round + 1) * 26;
        };
        CHECK(turn_until(*executor, over));
    }
    std::sort(received.begin(), received.end());
    for (int i = 0; i < 260; ++i) CHECK(received[i] == 'a' + i / 10);
    CHECK(CountedBuffer::alive == 0);
    CHECK(reactor.in_flight() == 0);
    check_back_pressure(reactor);
}

TEST_CASE("inner R12: what was refused is tried again until all is done" * doctest::skip()) {
    auto executor = make_io_executor(small);
    int done = 0;
    auto work = [&]() -> Co<void> {
        co_await round_trip();
        co_await sleep(100us);
        co_await round_trip();
        ++done;
    };
    executor->run([&]() -> Co<void> {
        std::vector<JoinHandle<void>> tasks;
        for (int i = 0; i < 500; ++i) tasks.push_back(spawn_local(work()));
        for (auto& task : tasks) co_await task;
    });
    CHECK(done == 500);
    CHECK(reactor_of(*executor).stats().submitted == 1000);
    CHECK(reactor_of(*executor).stats().completions == 1000);
    check_back_pressure(reactor_of(*executor));
}

TEST_CASE("R8: a refused submission keeps operation and buffer alive, and is made good") {
    if (const char* reason = why_strace_cannot()) return skip(8, reason);
    for (const char* error : {"EBUSY", "EAGAIN", "EINTR"}) {
        CAPTURE(std::string(error));
        CHECK(run_with_failing_enters("inner R8:*", error) > 10);
    }
}

TEST_CASE("R12: back-pressure is answered by draining and trying again") {
    if (const char* reason = why_strace_cannot()) return skip(12, reason);
    for (const char* error : {"EBUSY", "EAGAIN"}) {
        CAPTURE(std::string(error));
        CHECK(run_with_failing_enters("inner R12:*", error) > 10);
    }
}

TEST_CASE("R9: a storm of signals neither ends a wait early nor loses what it waits for") {
    {
        // The fault: interrupted, a wait that submitted something tells how much, else EINTR.
        io_uring ring{};
        REQUIRE(io_uring_queue_init(8, &ring, 0) == 0);
        Pipe pipe = make_pipe();
        SignalStorm storm;
        io_uring_prep_poll_add(io_uring_get_sqe(&ring), pipe.reader.get(), POLLIN);
        REQUIRE(io_uring_submit_and_wait(&ring, 1) == 1);
        REQUIRE(io_uring_cq_ready(&ring) == 0);
        REQUIRE(io_uring_submit_and_wait(&ring, 1) == -EINTR);
        io_uring_queue_exit(&ring);
    }
    Pipe pipe = make_pipe(O_NONBLOCK);
    SharedFd reader(std::move(pipe.reader));
    auto executor = make_io_executor();
    std::string received;
    int early = 0;
    SignalStorm storm;
    auto read_all = [&]() -> Co<void> {
        while (received.size() < 40) {
            Operation read{operations::Read(reader, std::string(16, '.'), operations::at_current_position)};
            auto got = co_await read;
            CHECK(got.n);
            received += got.buffer.substr(0, got.n.value_or(0));
        }
    };
    executor->run([&]() -> Co<void> {
        auto reading = spawn_local(read_all);
        for (int i = 0; i < 40; ++i) {
            Time start = Clock::now();
            co_await sleep(2ms);
            early += Clock::now() - start < 2ms;
            put(pipe.writer.get(), std::string(1, static_cast<char>('A' + i)));
        }
        co_await reading;
    });
    CHECK(SignalStorm::count > 40);
    CHECK(early == 0);
    CHECK(received == "ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefgh");
    // Each signal costs a call, and no more: the loop does not spin.
    CHECK(reactor_of(*executor).stats().enters < 400 + 2 * static_cast<std::uint64_t>(SignalStorm::count));
}

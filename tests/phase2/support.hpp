// What the suites of phase 2 share, on top of phase 1's: executors whose tear-down is checked, pipes,
// counted descriptors, and the words with which a test says that it cannot be run here.
#pragma once

#include "../phase1/support.hpp"

#include <ringlet/reactor/async.hpp>
#include <ringlet/reactor/operations.hpp>
#include <ringlet/time/sleep.hpp>
#include <ringlet/time/timeout.hpp>

#include <chrono>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <string>
#include <string_view>

namespace support {

using namespace std::chrono_literals;

// --- Executors ----------------------------------------------------------------------------------

// The reactor, and what must be true of it in the end, in whichever test: every operation came back, and
// no completion came that nobody had asked for.
class WatchedReactor final : public Parker {
public:
    explicit WatchedReactor(std::unique_ptr<Reactor> reactor) : reactor_(std::move(reactor)) {}

    void poll() override { reactor_->poll(); }
    void park(Recheck recheck) override { reactor_->park(recheck); }
    void drain() noexcept override {
        reactor_->drain();
        CHECK(reactor_->in_flight() == 0);
        CHECK(reactor_->stats().leaked == 0);
        CHECK(reactor_->stats().stale == 0);
    }
    Reactor* as_reactor() noexcept override { return reactor_.get(); }

private:
    std::unique_ptr<Reactor> reactor_;
};

inline std::unique_ptr<LocalExecutor> make_io_executor(ParkerOptions options = {}) {
    auto reactor = Reactor::make(options);
    if (!reactor) throw std::runtime_error(reactor.error().text);
    return std::make_unique<LocalExecutor>("test", std::make_unique<WatchedReactor>(std::move(*reactor)));
}

// Runs `root`, a future or a function that returns one, on an executor of its own.
template <class F>
auto run_io(F&& root, ParkerOptions options = {}) {
    return make_io_executor(options)->run(std::forward<F>(root));
}

inline Reactor& reactor_of(LocalExecutor& executor) { return *executor.parker().as_reactor(); }

// Turns the executor's loop, without letting it sleep, until `done()`; false if that takes `longest`.
template <class Done>
bool turn_until(LocalExecutor& executor, Done done, Duration longest = 10s) {
    Time give_up = after(Clock::now(), longest);
    while (!done()) {
        if (Clock::now() > give_up) return false;
        executor.turn(false);
    }
    return true;
}

// --- Steps of a test that runs inside an executor -----------------------------------------------

// Polls `future` once and tells whether it was ready; its value is dropped.
template <class F>
auto poll_once(F& future) {
    return poll_fn([&future](Context& context) -> Poll<bool> { return future.poll(context).is_ready(); });
}

// To the kernel and back: what was queued before has then been submitted.
inline Co<void> round_trip() {
    auto done = co_await Operation(operations::Nop());
    CHECK(done);
}

// Makes round trips until `done()`; false if that takes longer than ten seconds.
template <class Done>
Co<bool> eventually(Done done) {
    Time give_up = after(Clock::now(), 10s);
    while (!done()) {
        if (Clock::now() > give_up) co_return false;
        co_await round_trip();
    }
    co_return true;
}

// --- Descriptors --------------------------------------------------------------------------------

inline std::size_t open_descriptors() {
    DIR* directory = opendir("/proc/self/fd");
    if (!directory) throw std::runtime_error("/proc/self/fd");
    std::size_t count = 0;
    while (readdir(directory)) ++count;
    closedir(directory);
    return count - 3;  // ".", ".." and the directory itself
}

struct Pipe {
    UniqueFd reader;
    UniqueFd writer;
};

// Before kernel 6.4 a pipe that is not O_NONBLOCK is read and written by threads of the kernel: in their own
// time, in any order, and a write to its end.
inline Pipe make_pipe(int flags = 0) {
    int ends[2];
    if (pipe2(ends, flags | O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// Write and read `text` with the system calls, outside of any ring. Both block, unless the descriptor does
// not.
inline bool put(int fd, std::string_view text) {
    return write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
}
inline std::string get(int fd, std::size_t longest = 4096) {
    std::string text(longest, '\0');
    ssize_t count = read(fd, text.data(), text.size());
    text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return text;
}

// Fills a pipe until it takes no byte more; returns how many it holds.
inline std::size_t fill(int writer) {
    int flags = fcntl(writer, F_GETFL);
    fcntl(writer, F_SETFL, flags | O_NONBLOCK);
    std::size_t total = 0;
    std::string page(4096, 'x');
    for (ssize_t count; (count = write(writer, page.data(), page.size())) > 0;) total += count;
    for (ssize_t count; (count = write(writer, page.data(), 1)) > 0;) total += count;
    fcntl(writer, F_SETFL, flags);
    return total;
}

// --- Words --------------------------------------------------------------------------------------

// For what this machine cannot provide.
inline void skip(int row, const char* reason) { std::printf("SKIP %d: %s\n", row, reason); }

inline bool is_root() { return geteuid() == 0; }

// In a child process, where doctest's verdicts are not heard: says what is wrong, and ends it as failed.
#define CHILD_REQUIRE(condition)                                                           \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
            _exit(1);                                                                      \
        }                                                                                  \
    } while (false)

}  // namespace support

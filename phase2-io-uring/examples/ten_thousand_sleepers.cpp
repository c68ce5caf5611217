// Ten thousand tasks sleep at once, on one thread.
//
// Shows: what a task costs, and what a timer costs: nothing that the kernel would notice. All deadlines stand
// in one heap; the kernel is told of the earliest only, as the time limit of the call in which the thread
// sleeps. So no timer is ever an operation of the ring, and the calls are few.
//
//     ten_thousand_sleepers
//     ten_thousand_sleepers --tasks 1000000 --ms 100
//
// Prints, for example:
//
//     10000 tasks slept 1000 ms each, on one thread, in 1003 ms
//     the latest woke 2.4 ms late, none early
//     the kernel was entered 9 times and saw 0 ring entries
#include "arguments.hpp"

#include <ringlet/runtime.hpp>
#include <ringlet/time/sleep.hpp>

#include <algorithm>

using namespace ringlet;

namespace {

double milliseconds(Duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }

// How much later than asked for it woke; below zero if it was early.
Co<Duration> sleep_once(Duration wait) {
    Time due = Clock::now() + wait;
    co_await sleep_until(due);
    co_return Clock::now() - due;
}

Co<int> sleep_all(unsigned tasks, Duration wait) {
    Time start = Clock::now();
    std::vector<JoinHandle<Duration>> sleepers;
    sleepers.reserve(tasks);
    for (unsigned i = 0; i < tasks; ++i) sleepers.push_back(spawn_local(sleep_once(wait)));

    unsigned early = 0;
    Duration latest = Duration::zero();
    for (JoinHandle<Duration>& sleeper : sleepers) {
        std::optional<Duration> late = co_await sleeper;
        early += *late < Duration::zero();
        latest = std::max(latest, *late);
    }
    const RingStats& stats = Reactor::current().stats();
    std::printf("%u tasks slept %.0f ms each, on one thread, in %.0f ms\n", tasks, milliseconds(wait),
                milliseconds(Clock::now() - start));
    std::printf("the latest woke %.1f ms late, %s early\n", milliseconds(latest),
                early == 0 ? "none" : std::to_string(early).c_str());
    std::printf("the kernel was entered %llu times and saw %llu ring entries\n",
                static_cast<unsigned long long>(stats.enters),
                static_cast<unsigned long long>(stats.submitted));
    co_return early == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    Arguments arguments(argc, argv, "ten_thousand_sleepers [--tasks N] [--ms N]");
    unsigned tasks = arguments.number("--tasks", 10000, 1, 10000000);
    std::chrono::milliseconds wait(arguments.number("--ms", 1000, 1, 3600000));
    arguments.words(0, 0);
    auto executor = LocalExecutorBuilder().name("sleepers").make();
    if (!executor) {
        std::fprintf(stderr, "ten_thousand_sleepers: %s\n", executor.error().text.c_str());
        return 1;
    }
    return (*executor)->run(sleep_all(tasks, wait));
}

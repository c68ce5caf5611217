// A loop that works for a second, and a metronome that wants to tick every 10 ms, on one thread.
//
// Shows: yield_if_needed, Latency::Matters, the preempt timer.
// Run:   ./cooperative_preempt
// See:   without yield_if_needed() all ticks come at the end, up to a second late; with it each is on time,
//        and the loop has done as much work.
//        Read on in ringlet/executor/preempt.hpp.
#include <ringlet/runtime.hpp>
#include <ringlet/time/sleep.hpp>

#include <algorithm>
#include <cstdio>

#include "example/options.hpp"

using namespace ringlet;
using namespace std::chrono_literals;

namespace {

constexpr Duration period = 10ms;
constexpr Duration work_time = 1s;

struct Seen {
    int ticks_on_time = 0;
    int ticks = 0;
    Duration worst{};
    std::uint64_t rounds_of_work = 0;
};

Co<void> metronome(Seen& seen, const bool& stop) {
    Time due = Clock::now();
    while (!stop) {
        due += period;
        co_await sleep_until(due);
        Duration late = Clock::now() - due;
        ++seen.ticks;
        seen.ticks_on_time += late <= 1ms;
        seen.worst = std::max(seen.worst, late);
    }
}

Co<void> hog(Seen& seen, bool polite) {
    Time end = Clock::now() + work_time;
    while (Clock::now() < end) {
        ++seen.rounds_of_work;
        if (polite) co_await yield_if_needed();
    }
}

Co<void> run_both(Seen& seen, bool polite) {
    bool stop = false;
    TaskQueueHandle urgent = create_task_queue(Shares{}, Latency::Matters{1ms}, "metronome");
    TaskQueueHandle bulk = create_task_queue(Shares{}, Latency{}, "hog");
    auto ticking = spawn_local_into(urgent, metronome(seen, stop)).value();
    co_await sleep(period);
    auto working = spawn_local_into(bulk, hog(seen, polite)).value();
    co_await working;
    stop = true;
    co_await ticking;
}

double milliseconds(Duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }

}  // namespace

int main(int argc, char** argv) {
    example::Options options(argc, argv, "a loop that hogs the core, and a metronome that wants to tick");
    std::printf("%-26s %8s %16s %12s %16s\n", "", "ticks", "within 1 ms", "worst, ms", "rounds of work");
    for (bool polite : {false, true}) {
        Seen seen;
        auto executor = options.make(LocalExecutorBuilder().name("cooperative"));
        executor->run(run_both(seen, polite));
        std::printf("%-26s %8d %16d %12.2f %16llu\n", polite ? "with yield_if_needed()" : "without",
                    seen.ticks, seen.ticks_on_time, milliseconds(seen.worst),
                    static_cast<unsigned long long>(seen.rounds_of_work));
    }
}

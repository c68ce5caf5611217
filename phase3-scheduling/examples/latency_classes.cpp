// How long does a task wait, from being woken to running, beside two queues that always want the core? As a
// histogram, once for a queue whose latency matters and once for one whose latency does not.
//
// Shows: Latency::Matters, the latency ring.
// Run:   ./latency_classes
// See:   up to two slices of 5 ms without; within a fraction of a millisecond with.
//        Read on in ringlet/executor/latency.hpp.
#include <ringlet/runtime.hpp>
#include <ringlet/time/sleep.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "example/options.hpp"

using namespace ringlet;
using namespace std::chrono_literals;

namespace {

constexpr int wakes = 150;

Co<void> hog(const bool& stop) {
    while (!stop) co_await yield_if_needed();
}

Co<void> wake_often(std::vector<Duration>& waits) {
    for (int wake = 0; wake < wakes; ++wake) {
        Time due = Clock::now() + 3ms;
        co_await sleep_until(due);
        waits.push_back(Clock::now() - due);
    }
}

Co<void> measure(Latency latency, std::vector<Duration>& waits) {
    bool stop = false;
    TaskQueueHandle sleeper = create_task_queue(Shares{}, latency, "sleeper");
    std::vector<JoinHandle<void>> hogs;
    for (const char* name : {"bulk 1", "bulk 2"}) {
        hogs.push_back(spawn_local_into(create_task_queue(Shares{}, Latency{}, name), hog(stop)).value());
    }
    auto measured = spawn_local_into(sleeper, wake_often(waits)).value();
    co_await measured;
    stop = true;
    for (auto& handle : hogs) co_await handle;
}

void print(const char* title, std::vector<Duration> waits) {
    std::ranges::sort(waits);
    auto microseconds = [](Duration wait) { return std::chrono::duration<double, std::micro>(wait).count(); };
    std::printf("\n%s: median %.0f us, 99 %% within %.0f us\n", title, microseconds(waits[waits.size() / 2]),
                microseconds(waits[waits.size() * 99 / 100]));
    constexpr std::array<Duration, 8> limits{50us, 100us, 250us, 500us, 1ms, 5ms, 10ms, 1h};
    constexpr std::array names{"50 us", "100 us", "250 us", "500 us", "1 ms", "5 ms", "10 ms", "more"};
    Duration above{};
    for (std::size_t i = 0; i < limits.size(); ++i) {
        auto count =
            std::ranges::count_if(waits, [&](Duration wait) { return wait > above && wait <= limits[i]; });
        std::printf("  %-8s %4ld %s\n", names[i], static_cast<long>(count),
                    std::string(static_cast<std::size_t>(count) * 50 / waits.size(), '#').c_str());
        above = limits[i];
    }
}

}  // namespace

int main(int argc, char** argv) {
    example::Options options(argc, argv, "from wake to run, with and without Latency::Matters");
    for (bool matters : {false, true}) {
        std::vector<Duration> waits;
        auto executor = options.make(LocalExecutorBuilder().name("latency"));
        executor->run(measure(matters ? Latency(Latency::Matters{1ms}) : Latency(), waits));
        print(matters ? "Latency::Matters(1 ms)" : "Latency::NotImportant", std::move(waits));
    }
}

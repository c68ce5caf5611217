// Floor of row B6: a million sleepers of 10 ms are a million entries in a binary heap, each entered
// with the clock's time at its start, and one kernel sleep for the earliest.
//
//   floor_sleepers [--tasks N]

#include "report.h"

#include <cstdint>
#include <queue>
#include <vector>

namespace {

struct Sleeper {
    std::uint64_t deadline_ns;
    std::uint64_t task;

    bool operator<(const Sleeper& other) const { return deadline_ns > other.deadline_ns; }
};

void sleep_until(std::uint64_t deadline_ns) {
    timespec deadline{};
    deadline.tv_sec = static_cast<time_t>(deadline_ns / 1'000'000'000);
    deadline.tv_nsec = static_cast<long>(deadline_ns % 1'000'000'000);
    check(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, nullptr) == 0, "an undisturbed sleep");
}

}  // namespace

int main(int argc, char** argv) {
    const std::uint64_t tasks = argument(argc, argv, "--tasks", 1'000'000);
    const std::uint64_t started_ns = clock_ns();

    std::vector<Sleeper> storage;
    storage.reserve(tasks);
    std::priority_queue<Sleeper> sleepers{std::less<Sleeper>{}, std::move(storage)};
    for (std::uint64_t task = 0; task < tasks; ++task) {
        sleepers.push({clock_ns() + 10'000'000, task});
    }

    std::uint64_t sum = 0;
    std::uint64_t now_ns = clock_ns();
    while (!sleepers.empty()) {
        if (sleepers.top().deadline_ns > now_ns) {
            sleep_until(sleepers.top().deadline_ns);
            now_ns = clock_ns();
        }
        sum += sleepers.top().task;
        sleepers.pop();
    }
    const double elapsed_ms = static_cast<double>(clock_ns() - started_ns) / 1e6;
    check(sum == tasks * (tasks - 1) / 2, "each task woke once");
    report(Result{.row = "B6",
                  .name = "sleepers",
                  .value = elapsed_ms,
                  .unit = "ms",
                  .who = nullptr,
                  .extra_name = "memory_mib",
                  .extra = peak_memory_mib()});
}

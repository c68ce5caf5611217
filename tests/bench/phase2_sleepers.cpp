// A million tasks that each sleep 10 ms (benchmark row B6): the time until the last has woken, and the memory
// that it took.
#include <ringlet/runtime.hpp>
#include <ringlet/time/sleep.hpp>

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace {

using namespace ringlet;

constexpr std::size_t tasks = 1'000'000;

// Not from getrusage, whose figure includes what the process was before exec.
double peak_memory_mib() {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
        double kib = 0;
        if (word == "VmHWM:" && status >> kib) return kib / 1024;
    }
    return 0;
}

Co<void> sleep_once() { co_await sleep(std::chrono::milliseconds(10)); }

Co<void> sleep_side_by_side() {
    std::vector<JoinHandle<void>> sleepers;
    sleepers.reserve(tasks);
    for (std::size_t index = 0; index < tasks; ++index) sleepers.push_back(spawn_local(sleep_once()));
    for (auto& sleeper : sleepers) co_await sleeper;
}

void sleepers(benchmark::State& state) {
    auto executor = LocalExecutorBuilder().make();
    if (!executor) std::abort();
    (*executor)->run([&state]() -> Co<void> {
        for (auto _ : state) co_await sleep_side_by_side();
    });
    state.counters["memory_mib"] = peak_memory_mib();
}
BENCHMARK(sleepers)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace

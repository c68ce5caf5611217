// What it costs to watch: two tasks that yield in turn (B1), and a NOP through the ring, with each of an
// executor's instruments, and with none. Beside phase1_tasks and phase2_ring of the same build.
#include <ringlet/reactor/operations.hpp>
#include <ringlet/runtime.hpp>

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <optional>

namespace {

using namespace ringlet;

enum Watch : int { nothing, histograms, stalls, trace };

// So that no event is dropped: two for each yield, nine for a NOP that is slept for.
constexpr std::int64_t turns = 200'000;
constexpr std::size_t events_max = 2'000'000;

template <class F>
void run_watched(Watch watch, F root) {
    std::optional<Trace> events;
    LocalExecutorBuilder builder;
    if (watch == histograms) builder.histograms();
    if (watch == stalls) builder.detect_stalls();
    if (watch == trace) builder.trace(events.emplace(events_max));
    auto executor = builder.make();
    if (!executor) std::abort();
    (*executor)->run(std::move(root));
    if (events && events->dropped() > 0) std::abort();
}

Co<void> yield_until(const bool& stop) {
    while (!stop) co_await yield_now();
}

void yield(benchmark::State& state, Watch watch) {
    run_watched(watch, [&state]() -> Co<void> {
        bool stop = false;
        auto other = spawn_local(yield_until(stop));
        while (state.KeepRunningBatch(2)) co_await yield_now();
        stop = true;
        co_await other;
    });
}
BENCHMARK_CAPTURE(yield, plain, nothing)->Iterations(turns);
BENCHMARK_CAPTURE(yield, histograms, histograms)->Iterations(turns);
BENCHMARK_CAPTURE(yield, stalls, stalls)->Iterations(turns);
BENCHMARK_CAPTURE(yield, trace, trace)->Iterations(turns);

void nop(benchmark::State& state, Watch watch) {
    run_watched(watch, [&state]() -> Co<void> {
        for (auto _ : state) benchmark::DoNotOptimize(co_await Operation(operations::Nop()));
    });
}
BENCHMARK_CAPTURE(nop, plain, nothing)->Iterations(turns);
BENCHMARK_CAPTURE(nop, histograms, histograms)->Iterations(turns);
BENCHMARK_CAPTURE(nop, stalls, stalls)->Iterations(turns);
BENCHMARK_CAPTURE(nop, trace, trace)->Iterations(turns);

}  // namespace

// What a job costs that does nothing, on the three schedulers of an example: submitted and run while all
// workers are busy with such jobs, and submitted from outside while all are asleep.
#include "../../phase4-pool/examples/schedulers/queue_per_core.hpp"
#include "../../phase4-pool/examples/schedulers/shared_queue.hpp"
#include "../../phase4-pool/examples/schedulers/work_stealing.hpp"

#include <benchmark/benchmark.h>

#include <atomic>
#include <latch>

namespace {

using namespace schedulers;

// A chain of jobs, each of which submits the next.
struct Chain {
    Scheduler& scheduler;
    std::latch& ended;
    unsigned jobs_left;
    unsigned home;
    unsigned step;  // from one job's home to the next one's

    void submit() {
        home = (home + step) % scheduler.workers();
        scheduler.submit(home, [this](unsigned) {
            if (--jobs_left == 0)
                ended.count_down();
            else
                submit();
        });
    }
};

// `per_job` is the time from the first job to the last, divided by the jobs: two workers share them. With
// `move` each job has another home than the one before.
template <class S>
void submit_and_run(benchmark::State& state) {
    constexpr unsigned chains = 64, length = 1'000;
    S scheduler(static_cast<unsigned>(state.range(0)));
    scheduler.start();
    for (auto _ : state) {
        std::latch ended(chains);
        std::vector<Chain> all;
        all.reserve(chains);
        for (unsigned i = 0; i < chains; ++i)
            all.push_back({scheduler, ended, length, i, static_cast<unsigned>(state.range(1))});
        for (Chain& chain : all) chain.submit();
        ended.wait();
    }
    scheduler.stop();
    state.counters["per_job"] = benchmark::Counter(
        chains * length, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void settings(benchmark::internal::Benchmark* bench) {
    bench->ArgNames({"workers", "move"})->Args({1, 0})->Args({2, 0})->Args({2, 1})->UseRealTime();
}
BENCHMARK(submit_and_run<SharedQueue>)->Apply(settings);
BENCHMARK(submit_and_run<QueuePerCore>)->Apply(settings);
BENCHMARK(submit_and_run<WorkStealing>)->Apply(settings);

// From outside to a worker that has nothing to do, and the end of the job seen there: two wakes.
template <class S>
void wake_and_run(benchmark::State& state) {
    S scheduler(static_cast<unsigned>(state.range(0)));
    scheduler.start();
    for (auto _ : state) {
        std::latch ran(1);
        scheduler.submit(0, [&](unsigned) { ran.count_down(); });
        ran.wait();
    }
    scheduler.stop();
}
BENCHMARK(wake_and_run<SharedQueue>)->ArgName("workers")->Arg(1)->Arg(2)->UseRealTime();
BENCHMARK(wake_and_run<QueuePerCore>)->ArgName("workers")->Arg(1)->Arg(2)->UseRealTime();
BENCHMARK(wake_and_run<WorkStealing>)->ArgName("workers")->Arg(1)->Arg(2)->UseRealTime();

}  // namespace

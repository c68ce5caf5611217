// B13: does the core go where the shares say, and how long does a task of a queue whose latency matters wait?
// Times stand for the run as a whole; the counters are the result.
#include <ringlet/runtime.hpp>
#include <ringlet/time/sleep.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <vector>

using namespace ringlet;
using namespace std::chrono_literals;

namespace {

Co<void> hog(const bool& stop) {
    while (!stop) co_await yield_if_needed();
}

struct Side {
    unsigned shares;
    int tasks;
};

// Percent of the core that `one` has beside `other`, over two seconds.
double part_of(Side one, Side other) {
    double part = 0;
    auto executor = std::move(LocalExecutorBuilder().make().value());
    executor->run([&]() -> Co<void> {
        bool stop = false;
        std::vector<JoinHandle<void>> hogs;
        std::vector<TaskQueueHandle> queues;
        for (Side side : {one, other}) {
            queues.push_back(create_task_queue(Shares::Static{side.shares}, Latency{}, "hogs"));
            for (int i = 0; i < side.tasks; ++i) {
                hogs.push_back(spawn_local_into(queues.back(), hog(stop)).value());
            }
        }
        co_await sleep(2s);
        auto used = [&](int index) {
            return static_cast<double>(
                current_executor()->queue(queues[static_cast<std::size_t>(index)])->stats().runtime.count());
        };
        part = 100 * used(0) / (used(0) + used(1));
        stop = true;
        for (auto& handle : hogs) co_await handle;
    });
    return part;
}

void shares(benchmark::State& state, Side one, Side other, double due) {
    for (auto _ : state) {
        double part = part_of(one, other);
        state.counters["percent"] = part;
        state.counters["due"] = due;
        state.counters["off"] = std::abs(part - due);
    }
}
BENCHMARK_CAPTURE(shares, two_to_one, Side{1000, 1}, Side{500, 1}, 200.0 / 3)->Iterations(1)->Name("B13/2:1");
BENCHMARK_CAPTURE(shares, one_to_1000, Side{1, 1}, Side{1000, 1}, 100.0 / 1001)
    ->Iterations(1)
    ->Name("B13/1:1000");
BENCHMARK_CAPTURE(shares, crowd, Side{1000, 10'000}, Side{1000, 1}, 50.0)
    ->Iterations(1)
    ->Name("B13/10,000 tasks against 1");

void wake_to_run(benchmark::State& state) {
    for (auto _ : state) {
        std::vector<double> waits;
        auto executor = std::move(LocalExecutorBuilder().make().value());
        executor->run([&]() -> Co<void> {
            bool stop = false;
            TaskQueueHandle urgent = create_task_queue(Shares{}, Latency::Matters{1ms}, "urgent");
            TaskQueueHandle bulk = create_task_queue(Shares{}, Latency{}, "bulk");
            auto hogging = spawn_local_into(bulk, hog(stop)).value();
            auto waiting = [&waits]() -> Co<void> {
                for (int wake = 0; wake < 1000; ++wake) {
                    Time due = Clock::now() + 2ms;
                    co_await sleep_until(due);
                    waits.push_back(std::chrono::duration<double, std::micro>(Clock::now() - due).count());
                }
            };
            auto measured = spawn_local_into(urgent, waiting()).value();
            co_await measured;
            stop = true;
            co_await hogging;
        });
        std::ranges::sort(waits);
        state.counters["p50_us"] = waits[waits.size() / 2];
        state.counters["p99_us"] = waits[waits.size() * 99 / 100];
        state.counters["max_us"] = waits.back();
    }
}
BENCHMARK(wake_to_run)->Iterations(1)->Name("B13/Matters(1ms) beside a hog");

}  // namespace

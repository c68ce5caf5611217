// B5: what a polite loop pays for asking, when nothing waits; and what a slice costs the scheduler.
#include <ringlet/runtime.hpp>

#include <benchmark/benchmark.h>

using namespace ringlet;

namespace {

std::unique_ptr<LocalExecutor> make_executor() { return std::move(LocalExecutorBuilder().make().value()); }

// The least that asking can cost: the three words, and nothing around them.
void three_words(benchmark::State& state) {
    static unsigned words[3];
    PreemptWords preempt{&words[0], &words[1], &words[2]};
    std::uint64_t times = 0;
    while (state.KeepRunningBatch(8)) {
        for (int i = 0; i < 8; ++i) times += preempt.is_set();
    }
    benchmark::DoNotOptimize(times);
}
BENCHMARK(three_words)->Name("B5/floor");

void need_preempt_alone(benchmark::State& state) {
    make_executor()->run([&]() -> Co<void> {
        std::uint64_t times = 0;
        while (state.KeepRunningBatch(8)) {
            for (int i = 0; i < 8; ++i) times += need_preempt();
        }
        benchmark::DoNotOptimize(times);
        co_return;
    });
}
BENCHMARK(need_preempt_alone)->Name("B5/need_preempt");

void yield_if_needed_alone(benchmark::State& state) {
    make_executor()->run([&]() -> Co<void> {
        // Eight in a row: a loop's own counter, in the frame, would cost as much as the question.
        while (state.KeepRunningBatch(8)) {
            co_await yield_if_needed();
            co_await yield_if_needed();
            co_await yield_if_needed();
            co_await yield_if_needed();
            co_await yield_if_needed();
            co_await yield_if_needed();
            co_await yield_if_needed();
            co_await yield_if_needed();
        }
    });
}
BENCHMARK(yield_if_needed_alone)->Name("B5/yield_if_needed");

void read_cycle_clock(benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(CycleClock::now());
}
BENCHMARK(read_cycle_clock)->Name("read CycleClock, twice a slice");

void read_clock(benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(Clock::now());
}
BENCHMARK(read_clock)->Name("read Clock");

// Each turn of the loop: two queues with one task each, that wake each other.
void switch_queues(benchmark::State& state) {
    auto executor = make_executor();
    executor->run([&]() -> Co<void> {
        TaskQueueHandle other = create_task_queue("other");
        for (auto _ : state) {
            auto nothing = []() -> Co<void> { co_return; };
            auto there = spawn_local_into(other, nothing()).value();
            co_await there;
        }
    });
}
BENCHMARK(switch_queues)->Name("spawn into another queue and await");

}  // namespace

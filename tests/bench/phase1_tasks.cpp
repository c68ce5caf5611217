// What tasks cost when they do nothing but be tasks: yield, spawn, await (benchmark rows B1 to B4). Each
// loop runs inside a task, and each figure is the time of one turn, one task, one level of a call, one poll.
#include <ringlet/future/co.hpp>
#include <ringlet/runtime.hpp>

#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdlib>
#include <vector>

namespace {

using namespace ringlet;

template <class F>
void run_as_task(F root) {
    auto executor = LocalExecutorBuilder{}.make();
    if (!executor) std::abort();
    (*executor)->run(std::move(root));
}

Co<void> yield_until(const bool& stop) {
    while (!stop) co_await yield_now();
}

void yield(benchmark::State& state) {
    run_as_task([&state]() -> Co<void> {
        bool stop = false;
        auto other = spawn_local(yield_until(stop));
        while (state.KeepRunningBatch(2)) co_await yield_now();
        stop = true;
        co_await other;
    });
}
BENCHMARK(yield);

void spawn_await(benchmark::State& state) {
    run_as_task([&state]() -> Co<void> {
        std::uint64_t index = 0;
        std::uint64_t sum = 0;
        for (auto _ : state) {
            auto child = spawn_local([index]() -> Co<std::uint64_t> { co_return index; });
            ++index;
            sum += (co_await child).value();
        }
        benchmark::DoNotOptimize(sum);
    });
}
BENCHMARK(spawn_await);

Co<std::uint64_t> descend(std::int64_t levels) {
    if (levels == 0) co_return 0;
    const std::uint64_t below = co_await descend(levels - 1);
    co_return below + 1;
}

void nested_await(benchmark::State& state) {
    run_as_task([&state]() -> Co<void> {
        while (state.KeepRunningBatch(state.range(0))) {
            benchmark::DoNotOptimize(co_await descend(state.range(0)));
        }
    });
}
BENCHMARK(nested_await)->Arg(100);

Co<void> poll_below(benchmark::State& state, std::int64_t levels) {
    if (levels > 1) {
        co_await poll_below(state, levels - 1);
    } else {
        for (auto _ : state) co_await yield_now();
    }
}

// The innermost of a chain of coroutines waits; a poll must not care how long the chain is.
void poll_at_depth(benchmark::State& state) {
    run_as_task([&state]() -> Co<void> { co_await poll_below(state, state.range(0)); });
}
BENCHMARK(poll_at_depth)->Arg(1)->Arg(10)->Arg(1'000);

using Children = std::vector<JoinHandle<std::uint64_t>>;

void spawn_into(Children& children, std::uint64_t count) {
    for (std::uint64_t index = 0; index < count; ++index) {
        children.push_back(spawn_local([index]() -> Co<std::uint64_t> { co_return index; }));
    }
}

Co<std::uint64_t> await_all(Children& children) {
    std::uint64_t sum = 0;
    for (auto& child : children) sum += (co_await child).value();
    children.clear();
    co_return sum;
}

// Comes last: a million tasks leave the recycled memory scattered, which slows what runs after. The first
// batch pays for page faults and is not counted.
void spawn_batch(benchmark::State& state) {
    const auto tasks = static_cast<std::uint64_t>(state.range(0));
    run_as_task([&state, tasks]() -> Co<void> {
        Children children;
        children.reserve(tasks);
        spawn_into(children, tasks);
        co_await await_all(children);
        while (state.KeepRunningBatch(state.range(0))) {
            spawn_into(children, tasks);
            benchmark::DoNotOptimize(co_await await_all(children));
        }
    });
}
BENCHMARK(spawn_batch)->Arg(1'000)->Arg(1'000'000);

}  // namespace

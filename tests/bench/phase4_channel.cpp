// What executors pay to talk to each other, across two cores (benchmark row B11): messages of a stream, in
// batches and one by one; a round trip through two channels, and one by submit_to, while the executors spin
// before they sleep and while they sleep at once. Each figure is the time of one message or round trip; items
// are per second.
//
// Run it on two idle CPUs: taskset -c 0,1, and as near to real time as the machine allows.
#include <ringlet/channel/shared_channel.hpp>
#include <ringlet/pool/executor_pool.hpp>

#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace {

using namespace ringlet;
using namespace std::chrono_literals;
using Value = std::uint64_t;

// Runs `measured` on the first CPU, `other` on the second, each as the root of an executor.
template <class Measured, class Other>
void run_two(Duration spin, Measured measured, Other other) {
    CpuSet cpus = allowed_cpus();
    auto builder = [&](std::size_t index) {
        LocalExecutorBuilder made;
        made.placement(Placement::Fixed{*std::next(cpus.begin(), static_cast<std::ptrdiff_t>(index))});
        if (spin > Duration::zero()) made.spin_before_park(spin);
        return made;
    };
    if (cpus.size() < 2) std::abort();
    auto first = builder(0).spawn(std::move(measured));
    auto second = builder(1).spawn(std::move(other));
    if (!first || !second) std::abort();
    first->join();
    second->join();
}

Co<void> drain(SharedReceiver<Value> receiver, std::size_t most) {
    auto here = std::move(receiver).connect();
    std::vector<Value> batch;
    batch.reserve(most);
    Value sum = 0;
    while (co_await here.recv_many(batch, most) > 0) {
        for (Value value : batch) sum += value;
        batch.clear();
    }
    benchmark::DoNotOptimize(sum);
}

Co<void> fill(benchmark::State& state, SharedSender<Value> sender, std::size_t size) {
    auto there = std::move(sender).connect();
    std::vector<Value> batch(size);
    for (auto _ : state) {
        for (Value& value : batch) value = 1;
        co_await there.send_many(batch);
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(size));
}

// Arguments: items in a batch, capacity.
void batched(benchmark::State& state) {
    auto size = static_cast<std::size_t>(state.range(0));
    auto [sender, receiver] = shared_channel::new_bounded<Value>(static_cast<std::size_t>(state.range(1)));
    run_two(
        100us, [&] { return fill(state, std::move(sender), size); },
        [&] { return drain(std::move(receiver), size); });
}
BENCHMARK(batched)->Args({64, 4'096})->Args({256, 4'096})->Args({1'024, 16'384})->UseRealTime();

// Sent one by one; received in batches, as they come, or one by one.
void one_by_one(benchmark::State& state) {
    auto [sender, receiver] = shared_channel::new_bounded<Value>(4'096);
    run_two(
        100us,
        [&]() -> Co<void> {
            auto there = std::move(sender).connect();
            for (auto _ : state) co_await there.send(1);
            state.SetItemsProcessed(state.iterations());
        },
        [&]() -> Co<void> {
            if (state.range(0) > 1) {
                co_await drain(std::move(receiver), static_cast<std::size_t>(state.range(0)));
            } else {
                auto here = std::move(receiver).connect();
                while (auto value = co_await here.recv()) benchmark::DoNotOptimize(*value);
            }
        });
}
BENCHMARK(one_by_one)->Arg(1)->Arg(256)->UseRealTime();

// Argument: us to spin before sleeping.
void round_trip(benchmark::State& state) {
    auto [ask_sender, ask_receiver] = shared_channel::new_bounded<Value>(16);
    auto [answer_sender, answer_receiver] = shared_channel::new_bounded<Value>(16);
    run_two(
        std::chrono::microseconds(state.range(0)),
        [&]() -> Co<void> {
            auto asks = std::move(ask_sender).connect();
            auto answers = std::move(answer_receiver).connect();
            for (auto _ : state) {
                co_await asks.send(1);
                benchmark::DoNotOptimize(co_await answers.recv());
            }
        },
        [&]() -> Co<void> {
            auto asks = std::move(ask_receiver).connect();
            auto answers = std::move(answer_sender).connect();
            while (auto asked = co_await asks.recv()) co_await answers.send(*asked);
        });
}
BENCHMARK(round_trip)->Arg(1'000)->Arg(0)->UseRealTime();

void round_trip_submit_to(benchmark::State& state) {
    LocalExecutorBuilder executor;
    if (state.range(0) > 0) executor.spin_before_park(std::chrono::microseconds(state.range(0)));
    auto pool = LocalExecutorPoolBuilder(PoolPlacement::MaxSpread{2})
                    .executor(executor)
                    .on_all_shards([&state](Shard& shard) -> Co<void> {
                        if (shard.id() > 0) co_return;
                        for (auto _ : state) {
                            auto answer = co_await submit_to(1, [] { return 1; });
                            if (!answer) std::abort();
                        }
                    });
    if (!pool) std::abort();
    pool->join_all();
}
BENCHMARK(round_trip_submit_to)->Arg(1'000)->Arg(0)->UseRealTime();

}  // namespace

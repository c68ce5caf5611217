// What tasks pay to talk to each other on one thread: a round trip through local channels (benchmark row
// B15), one item of a stream, units of a semaphore that nobody else wants and that somebody waits for. Each
// figure is the time of one round trip, item or turn.
#include <ringlet/channel/local_channel.hpp>
#include <ringlet/future/co.hpp>
#include <ringlet/runtime.hpp>
#include <ringlet/sync/gate.hpp>
#include <ringlet/sync/semaphore.hpp>

#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdlib>

namespace {

using namespace ringlet;

template <class F>
void run_as_task(F root) {
    auto executor = LocalExecutorBuilder{}.make();
    if (!executor) std::abort();
    (*executor)->run(std::move(root));
}

using Sender = LocalSender<std::uint64_t>;
using Receiver = LocalReceiver<std::uint64_t>;

Co<void> answer(Receiver requests, Sender answers) {
    while (auto request = co_await requests.recv()) co_await answers.send(*request + 1);
}

Co<void> ask(benchmark::State& state, Sender requests, Receiver answers) {
    std::uint64_t value = 0;
    for (auto _ : state) {
        co_await requests.send(value);
        value = (co_await answers.recv()).value();
    }
    benchmark::DoNotOptimize(value);
}

// Two tasks, two channels with room for one item.
void channel_round_trip(benchmark::State& state) {
    run_as_task([&state]() -> Co<void> {
        auto [request_sender, request_receiver] = local_channel::new_bounded<std::uint64_t>(1);
        auto [answer_sender, answer_receiver] = local_channel::new_bounded<std::uint64_t>(1);
        auto answering = spawn_local(answer(std::move(request_receiver), std::move(answer_sender)));
        co_await ask(state, std::move(request_sender), std::move(answer_receiver));
        co_await answering;
    });
}
BENCHMARK(channel_round_trip);

Co<void> produce(const bool& stop, Sender items) {
    std::uint64_t value = 0;
    while (!stop) co_await items.send(value++);
}

// A producer that fills the channel, and a consumer that empties it.
void channel_stream(benchmark::State& state) {
    run_as_task([&state]() -> Co<void> {
        bool stop = false;
        auto [sender, receiver] =
            local_channel::new_bounded<std::uint64_t>(static_cast<std::size_t>(state.range(0)));
        auto producing = spawn_local(produce(stop, std::move(sender)));
        for (auto _ : state) benchmark::DoNotOptimize(co_await receiver.recv());
        stop = true;
        while (co_await receiver.recv()) {
        }
        co_await producing;
    });
}
BENCHMARK(channel_stream)->Arg(1)->Arg(16)->Arg(1'000);

void try_send_recv(benchmark::State& state) {
    run_as_task([&state]() -> Co<void> {
        auto [sender, receiver] = local_channel::new_unbounded<std::uint64_t>();
        for (auto _ : state) {
            if (!sender.try_send(1)) std::abort();
            benchmark::DoNotOptimize(co_await receiver.recv());
        }
    });
}
BENCHMARK(try_send_recv);

void semaphore_uncontended(benchmark::State& state) {
    run_as_task([&state]() -> Co<void> {
        Semaphore semaphore(1);
        for (auto _ : state) {
            if (!co_await semaphore.acquire(1)) std::abort();
            semaphore.signal(1);
        }
    });
}
BENCHMARK(semaphore_uncontended);

void permit_uncontended(benchmark::State& state) {
    run_as_task([&state]() -> Co<void> {
        Semaphore semaphore(1);
        for (auto _ : state) {
            auto permit = co_await semaphore.acquire_permit(1);
            benchmark::DoNotOptimize(permit);
        }
    });
}
BENCHMARK(permit_uncontended);

Co<void> take_turns(const bool& stop, Semaphore& mine, Semaphore& other) {
    while (!stop) {
        co_await mine.acquire(1);
        other.signal(1);
    }
}

// Two tasks, each of which waits for the unit that the other signals: two wakes.
void semaphore_hand_over(benchmark::State& state) {
    run_as_task([&state]() -> Co<void> {
        bool stop = false;
        Semaphore mine(0);
        Semaphore other(0);
        auto partner = spawn_local(take_turns(stop, other, mine));
        for (auto _ : state) {
            other.signal(1);
            co_await mine.acquire(1);
        }
        stop = true;
        other.signal(1);
        co_await partner;
    });
}
BENCHMARK(semaphore_hand_over);

void gate_enter(benchmark::State& state) {
    Gate gate;
    for (auto _ : state) {
        auto pass = gate.enter();
        benchmark::DoNotOptimize(pass);
    }
}
BENCHMARK(gate_enter);

}  // namespace

// The round trip of one small message over a loopback TCP connection (benchmark row B8): server and client on
// one executor, on two executors of one CPU, and on two CPUs. The figure is the time of a round trip.
#include "echo.hpp"

namespace {

using namespace echo;

LocalExecutorBuilder on(unsigned cpu) { return LocalExecutorBuilder().placement(Placement::Fixed{cpu}); }

void echo_same_executor(benchmark::State& state) {
    auto executor = LocalExecutorBuilder().make();
    require(executor.has_value());
    (*executor)->run([&state]() -> Co<void> {
        auto listener = listen();
        auto address = listener.local_address();
        auto server = spawn_local(echo_until_closed(std::move(listener)));
        co_await make_round_trips(*address, state);
        co_await server;
    });
}
BENCHMARK(echo_same_executor);

void echo_two_executors_one_core(benchmark::State& state) {
    run_two_executors(state, on(allowed_cpus().back()), on(allowed_cpus().back()));
}
BENCHMARK(echo_two_executors_one_core)->UseRealTime();

void echo_two_cores(benchmark::State& state) { run_on_two_cores(state, on); }
BENCHMARK(echo_two_cores)->UseRealTime();

}  // namespace

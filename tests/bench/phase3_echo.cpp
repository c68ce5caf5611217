// The round trip of phase2_echo.cpp between two CPUs whose executors spin before they sleep (row B8b).
#include "echo.hpp"

namespace {

using namespace echo;
using namespace std::chrono_literals;

LocalExecutorBuilder spins_on(unsigned cpu) {
    return LocalExecutorBuilder().placement(Placement::Fixed{cpu}).spin_before_park(1ms);
}

void echo_two_cores_spinning(benchmark::State& state) {
    if (allowed_cpus().size() < 2) {
        state.SkipWithError("this process may use one CPU only");
        return;
    }
    run_two_executors(state, spins_on(allowed_cpus().front()), spins_on(allowed_cpus().back()));
}
BENCHMARK(echo_two_cores_spinning)->UseRealTime();

}  // namespace

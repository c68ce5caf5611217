// The round trip of phase2_echo.cpp between two CPUs whose executors spin before they sleep (row B8b).
#include "echo.hpp"

namespace {

using namespace echo;
using namespace std::chrono_literals;

LocalExecutorBuilder spins_on(unsigned cpu) {
    return LocalExecutorBuilder().placement(Placement::Fixed{cpu}).spin_before_park(1ms);
}

void echo_two_cores_spinning(benchmark::State& state) { run_on_two_cores(state, spins_on); }
BENCHMARK(echo_two_cores_spinning)->UseRealTime();

}  // namespace

// Engine: runs seeds, counts, and says what is needed to see a failure again. Each phase's program gives it
// one function: the run of one seed.
#pragma once

#include "faults.hpp"

#include <cstdint>

namespace sim {

struct Outcome {
    std::uint64_t digest = 0;
    std::uint64_t steps = 0;  // a shard that went on, or an operation that the kernel tried
    std::uint64_t tasks = 0;
    std::uint64_t completions = 0;
    Faults::Counts faults{};
};

// The whole run of one seed, from start to the last check.
using Run = Outcome (*)(std::uint64_t seed);

// The main program: --seeds N, --seconds S, --first SEED, or --seed SEED with all its events.
int run_seeds(int argc, char** argv, Run run);

}  // namespace sim

// The simulated kernel under phase 3's runtime: what phase 2 has, in queues with shares and bounds, and what
// those promise.
#include "engine.hpp"
#include "phase3_run.hpp"

int main(int argc, char** argv) { return sim::run_seeds(argc, argv, &sim::run_phase3); }

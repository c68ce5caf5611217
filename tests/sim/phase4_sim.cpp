// The simulated kernel under phase 4's runtime: shards that call, feed, wake and stop each other, and what
// phase 3 has.
#include "engine.hpp"
#include "phase4_run.hpp"

int main(int argc, char** argv) { return sim::run_seeds(argc, argv, &sim::run_phase4); }

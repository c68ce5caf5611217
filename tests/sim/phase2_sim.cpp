// The simulated kernel under phase 2's runtime: one executor, its timers, sockets and files.
#include "engine.hpp"
#include "phase2_tasks.hpp"
#include "run.hpp"

namespace {

sim::Outcome run(std::uint64_t seed) {
    auto root = [](sim::Scene& scene) {
        return sim::plays(scene, sim::phase2_kinds, &sim::start_here, scene.chance.between(3, 9));
    };
    return sim::run_one_executor(seed, true, root);
}

}  // namespace

int main(int argc, char** argv) {
    sim::timer_slack = std::chrono::microseconds(150);
    return sim::run_seeds(argc, argv, &run);
}

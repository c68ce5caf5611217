// One seed's run of one executor with queues. Phase 4 runs these too.
#pragma once

#include "phase3_tasks.hpp"
#include "run.hpp"

#include <array>

namespace sim {

inline constexpr auto all_kinds = [] {
    std::array<Kind, std::size(phase2_kinds) + std::size(phase3_kinds)> all{};
    std::ranges::copy(phase2_kinds, all.begin());
    std::ranges::copy(phase3_kinds, all.begin() + std::size(phase2_kinds));
    return all;
}();

// In one of the queues that there are: the default one, and those that make_queues() has made.
inline JoinHandle<void> start_in_a_queue(Scene& scene, Co<void> task) {
    LocalExecutor* executor = current_executor();
    TaskQueueHandle queue{executor, scene.chance.below(3)};
    return spawn_local_into(queue, std::move(task)).value();
}

inline Co<void> plays_in_queues(Scene& scene) {
    create_task_queue(Shares::Static{scene.chance.between(1, 1000)}, Latency{}, "bulk");
    create_task_queue(Shares{}, Latency::Matters{100us + scene.up_to(2ms)}, "urgent");
    co_await plays(scene, all_kinds, &start_in_a_queue, scene.chance.between(3, 10));
}

inline Outcome run_phase3(std::uint64_t seed) {
    if (seed % 16 == 0) return run_one_executor(seed, false, &shares_are_kept);
    if (seed % 16 == 8) return run_one_executor(seed, false, &bounds_are_kept);
    return run_one_executor(seed, true, &plays_in_queues);
}

}  // namespace sim

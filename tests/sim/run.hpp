// One seed's run of a single executor: a root that starts tasks of many kinds, cancels some, and may end
// before they do.
#pragma once

#include "engine.hpp"
#include "memory.hpp"
#include "scene.hpp"
#include "world.hpp"

#include <ringlet/executor/placement.hpp>
#include <ringlet/task/join_handle.hpp>
#include <ringlet/time/sleep.hpp>

#include <span>
#include <vector>

namespace sim {

// How a task is started: in which queue, say.
using Start = ringlet::JoinHandle<void> (*)(Scene&, Co<void>);

inline ringlet::JoinHandle<void> start_here(Scene&, Co<void> task) {
    return ringlet::spawn_local(std::move(task));
}

// Tasks of random kinds; now and then one is cancelled. Waits for all, or leaves some to the executor's end.
inline Co<void> plays(Scene& scene, std::span<const Kind> kinds, Start start, unsigned count) {
    std::vector<ringlet::JoinHandle<void>> tasks;
    for (unsigned i = 0; i < count; ++i) {
        ++scene.tasks;
        Kind kind = kinds[scene.chance.below(static_cast<unsigned>(kinds.size()))];
        tasks.push_back(start(scene, kind(scene)));
        if (scene.chance.once_in(6)) co_await ringlet::sleep(scene.up_to(100us));
        if (scene.chance.once_in(8)) tasks[scene.chance.below(i + 1)].cancel();
    }
    bool leaves_early = scene.chance.once_in(6);
    if (leaves_early) {
        co_await ringlet::sleep(scene.up_to(500us));
        co_return;
    }
    for (auto& task : tasks) co_await task;
}

inline ringlet::LocalExecutorBuilder small_builder(Scene& scene) {
    ringlet::LocalExecutorBuilder builder;
    builder.ring_depth(1U << scene.chance.between(0, 4))
        .receive_buffers(1U << scene.chance.between(0, 5), 64);
    return builder;
}

// Everything is back where it came from.
inline void check_baseline(const SimKernel& kernel) {
    if (kernel.rings() != 0) violated("rings come back", "open", kernel.rings());
    if (kernel.descriptors() != 0) violated("descriptors come back", "open", kernel.descriptors());
    if (memory::alive() != 0) violated("memory comes back", "blocks alive", memory::alive());
}

inline void draw_world(SimKernel& kernel, World& world) {
    Socket::capacity = std::size_t{32} << kernel.chance.below(6);
    if (kernel.chance.once_in(8)) return;  // a run without faults
    kernel.faults.draw();
    world.calm_at = kernel.now() + std::chrono::milliseconds(kernel.chance.below(20));
}

// One executor, whose root `root` makes.
template <class Root>
Outcome run_one_executor(std::uint64_t seed, bool has_faults, Root root) {
    ringlet::allowed_cpus();  // read once in a process, and kept: no run's memory
    SimKernel kernel(seed);
    Scene scene(kernel);
    {
        World world(kernel);
        if (has_faults) draw_world(kernel, world);
        memory::begin();
        {
            memory::Outside outside;
            world.add([&] {
                auto executor = small_builder(scene).make();
                if (!executor) violated("an executor starts", executor.error().text.c_str());
                try {
                    (*executor)->run(root(scene));
                } catch (const ringlet::Deadlock&) {
                    violated("no wake is lost", "the root waits for nothing");
                }
            });
        }
        world.run();
        memory::end();
        scene.steps = world.steps() + kernel.attempts();
    }
    check_baseline(kernel);
    return {kernel.log.digest(), scene.steps, scene.tasks, kernel.completions(), kernel.faults.counts()};
}

}  // namespace sim

// One seed's run of a pool: two or three shards, started as the pool's builder starts them, but each on a
// fiber and not on a thread.
#pragma once

#include "phase4_tasks.hpp"

#include <future>

namespace sim {

// The builder's own start of a shard, and the pool's own root, which are not for programs. An explicit
// instantiation may name what is private (C++ standard, [temp.spec]).
template <auto Member>
struct Opened {
    friend constexpr auto run_shard_of_builder() { return Member; }
};
constexpr auto run_shard_of_builder();
template struct Opened<&LocalExecutorPoolBuilder::run_shard>;

struct OpenedThreads : PoolThreads {
    using PoolThreads::run_root;
};

inline Cast make_cast(Scene& scene) {
    Cast cast;
    cast.shards = scene.chance.between(2, 3);
    cast.mesh_items = scene.chance.below(4);
    for (unsigned count = scene.chance.between(1, 2); count > 0; --count) {
        auto [sender, receiver] = shared_channel::new_bounded<Item>(scene.chance.between(1, 4));
        ShardId from = scene.chance.below(cast.shards);
        ShardId to = (from + scene.chance.between(1, cast.shards - 1)) % cast.shards;
        cast.lines.push_back({from, to, scene.chance.below(20), std::move(sender), std::move(receiver)});
    }
    for (unsigned count = scene.chance.below(3); count > 0; --count) {
        cast.meetings.push_back({scene.chance.below(cast.shards), scene.chance.below(cast.shards)});
    }
    if (scene.chance.once_in(2))
        cast.seats = channel_mesh::full<unsigned>(cast.shards, scene.chance.between(1, 2));
    return cast;
}

inline Co<void> plays_here(Scene& scene) {
    co_await plays(scene, all_kinds, &start_in_a_queue, scene.chance.between(1, 2));
}

inline std::vector<Co<void>> tasks_of(Scene& scene, Cast& cast, ShardId self) {
    std::vector<Co<void>> tasks;
    tasks.push_back(plays_here(scene));
    for (Line& line : cast.lines) {
        if (line.from == self) tasks.push_back(feeds_a_line(scene, line));
        if (line.to == self) tasks.push_back(eats_a_line(scene, line));
    }
    for (Rendezvous& meeting : cast.meetings) {
        if (meeting.waiter == self) tasks.push_back(waits_for_another(meeting));
        if (meeting.visitor == self) tasks.push_back(visits_another(scene, meeting));
    }
    if (!cast.seats.empty()) tasks.push_back(takes_a_seat(cast, self));
    if (scene.chance.once_in(2)) tasks.push_back(calls_a_function(scene, cast));
    if (scene.chance.once_in(2)) tasks.push_back(calls_a_task(scene, cast));
    if (scene.chance.once_in(4)) tasks.push_back(calls_what_throws(scene, cast));
    if (scene.chance.once_in(4)) tasks.push_back(cancels_a_call(scene, cast));
    return tasks;
}

inline Co<void> all_of(std::vector<JoinHandle<void>>& tasks) {
    for (auto& task : tasks) co_await task;
}

inline Co<void> root_of_shard(Scene& scene, Cast& cast, Shard& shard) {
    create_task_queue(Shares::Static{scene.chance.between(1, 1000)}, Latency{}, "bulk");
    create_task_queue(Shares{}, Latency::Matters{100us + scene.up_to(2ms)}, "urgent");
    std::vector<JoinHandle<void>> tasks;
    for (Co<void>& task : tasks_of(scene, cast, shard.id())) {
        ++scene.tasks;
        tasks.push_back(start_in_a_queue(scene, std::move(task)));
    }
    if (scene.chance.once_in(20)) {
        cast.is_cut = true;
        co_await sleep(scene.up_to(500us));
        scene.chance.once_in(2) ? shard.pool().cancel() : shard.pool().request_stop();
    }
    co_await select(all_of(tasks), shard.stop_requested());
    if (shard.pool().stage() == PoolStage::running) co_return;
}

inline void check_lines(const Cast& cast) {
    for (const Line& line : cast.lines) {
        if (line.is_eaten && line.is_sent && line.received != line.accepted) {
            violated("items arrive once and in order", "the channel ended at", line.received);
        }
    }
}

// The life of a shard's thread.
inline void run_shard(Scene& scene, World& world, Cast& cast, Pool& pool, ShardId id, unsigned& standing) {
    auto body = [&](LocalExecutor& executor, Shard& shard) {
        // As the builder: none begins before all stand.
        ++standing;
        while (standing < pool.size()) world.yield();
        auto root = [&](Shard& shard) { return root_of_shard(scene, cast, shard); };
        std::optional<Stored<void>> output;
        executor.run(OpenedThreads::run_root<decltype(root), void>(shard, root, output));
    };
    std::move_only_function<void(LocalExecutor&, Shard&)> erased(body);
    std::promise<std::expected<void, StartError>> made;
    std::promise<bool> all_stand;
    all_stand.set_value(true);
    std::shared_future<bool> decided(all_stand.get_future());
    run_shard_of_builder()(small_builder(scene), pool, id, erased, UniqueFd(), std::move(made), decided);
}

inline Outcome run_phase4(std::uint64_t seed) {
    if (seed % 4 == 0) return run_phase3(seed / 4);
    ringlet::allowed_cpus();
    SimKernel kernel(seed);
    Scene scene(kernel);
    {
        World world(kernel);
        draw_world(kernel, world);
        memory::begin();
        {
            Cast cast = make_cast(scene);
            Pool pool(std::vector<ShardPlacement>(cast.shards), 1, Placement::Unbound{});
            unsigned standing = 0;
            for (ShardId id = 0; id < cast.shards; ++id) {
                memory::Outside outside;
                world.add([&, id] { run_shard(scene, world, cast, pool, id, standing); });
            }
            world.run();
            check_lines(cast);
            if (auto error = pool.take_error()) violated("no root throws", "one did");
        }
        memory::end();
        scene.steps = world.steps() + kernel.attempts();
    }
    check_baseline(kernel);
    return {kernel.log.digest(), scene.steps, scene.tasks, kernel.completions(), kernel.faults.counts()};
}

}  // namespace sim

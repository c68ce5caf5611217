#include "world.hpp"

#include "memory.hpp"

#include <algorithm>
#include <ringlet/executor/local_executor.hpp>

namespace sim {

World::World(SimKernel& kernel)
    : calm_at(Time::max()),
      kernel_(kernel),
      switch_once_in_(1U << kernel.chance.between(1, 4)),
      shuffle_once_in_(kernel.chance.between(0, 3)) {
    kernel_.sleeper = this;
    ringlet::hook::installed = this;
}

World::~World() {
    ringlet::hook::installed = nullptr;
    kernel_.sleeper = nullptr;
}

void World::add(std::function<void()> body) { shards_.push_back(std::make_unique<Shard>(std::move(body))); }

void World::run() {
    memory::Outside outside;
    auto has_ended = [](const std::unique_ptr<Shard>& shard) { return shard->fiber.has_ended(); };
    while (!std::ranges::all_of(shards_, has_ended)) {
        if (++steps_ > 2'000'000) violated("everything comes to its end", "steps", steps_);
        if (kernel_.now() >= calm_at) kernel_.faults.stop();
        if (kernel_.has_events() && kernel_.chance.once_in(8)) {
            kernel_.pass(std::chrono::nanoseconds(kernel_.chance.below(20'000)));
        }
        if (Shard* shard = next()) {
            resume(*shard);
        } else {
            wait_for_news();
        }
    }
}

bool World::may_go_on(const Shard& shard) const {
    if (shard.fiber.has_ended()) return false;
    return !shard.sleeps_in || shard.is_woken || shard.sleeps_in->has_news() || kernel_.now() >= shard.until;
}

// Any that can go on, each as likely.
World::Shard* World::next() {
    Shard* chosen = nullptr;
    unsigned seen = 0;
    for (auto& shard : shards_) {
        if (shard->sleeps_in && kernel_.faults.strikes(Fault::woken)) shard->is_woken = true;
        if (!may_go_on(*shard)) continue;
        if (kernel_.chance.below(++seen) == 0) chosen = shard.get();
    }
    return chosen;
}

void World::wait_for_news() {
    Time until = Time::max();
    for (auto& shard : shards_) {
        if (shard->sleeps_in) until = std::min(until, shard->until);
    }
    if (!kernel_.pass_to_next(until))
        violated("no wake is lost", "all shards sleep, and nothing will ever happen");
}

void World::resume(Shard& shard) {
    running_ = &shard;
    kernel_.begin_step();
    kernel_.shard =
        static_cast<int>(std::ranges::find(shards_, &shard, &std::unique_ptr<Shard>::get) - shards_.begin());
    ringlet::detail::entered_executor = shard.entered;
    memory::in_program = shard.in_program;
    shard.fiber.resume();
    shard.in_program = std::exchange(memory::in_program, false);
    shard.entered = std::exchange(ringlet::detail::entered_executor, nullptr);
    running_ = nullptr;
}

void World::yield() {
    if (running_) running_->fiber.suspend();
}

bool World::sleep(SimRing& ring, Time until) {
    Shard& shard = *running_;
    shard.sleeps_in = &ring;
    shard.until = until;
    shard.fiber.suspend();
    shard.sleeps_in = nullptr;
    return !std::exchange(shard.is_woken, false);
}

void World::let_others() {
    if (shards_.size() > 1) yield();
}

std::size_t World::choose(std::size_t count) {
    if (!kernel_.chance.once_in(shuffle_once_in_)) return 0;
    return kernel_.chance.below(static_cast<unsigned>(count));
}

void World::point(const char* id) {
    if (!running_ || shards_.size() == 1 || !kernel_.chance.once_in(switch_once_in_)) return;
    kernel_.log.add(kernel_.now(), kernel_.shard, id, 0, 0);
    yield();
}

}  // namespace sim

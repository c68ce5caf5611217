// World: the shards of one simulated run, each on a stack of its own, and who decides which of them goes on.
// Virtual time jumps to the next event when all sleep. When chance has done its worst the faults stop, and
// everything must come to its end: what sleeps then for ever has lost a wake.
#pragma once

#include "fiber.hpp"
#include "sim_kernel.hpp"

#include <functional>
#include <memory>
#include <ringlet/base/hook.hpp>
#include <vector>

namespace ringlet {
class LocalExecutor;
}

namespace sim {

class World final : public Sleeper, private ringlet::hook::Hooks {
public:
    explicit World(SimKernel& kernel);
    World(const World&) = delete;
    World& operator=(const World&) = delete;
    ~World() override;

    // A shard: makes its executor, runs it, and destroys it. Numbered from 0 on.
    void add(std::function<void()> body);
    // Until all have ended.
    void run();
    // From inside a shard: others may go on before it does.
    void yield();

    // When faults stop.
    Time calm_at;

    std::uint64_t steps() const { return steps_; }

private:
    struct Shard {
        explicit Shard(std::function<void()> body) : fiber(std::move(body)) {}

        Fiber fiber;
        SimRing* sleeps_in = nullptr;
        Time until{};
        bool is_woken = false;                      // for nothing
        ringlet::LocalExecutor* entered = nullptr;  // what the runtime keeps by thread
        bool in_program = true;
    };

    bool sleep(SimRing& ring, Time until) override;
    void let_others() override;
    std::size_t choose(std::size_t count) override;
    void point(const char* id) override;

    void resume(Shard& shard);
    bool may_go_on(const Shard& shard) const;
    Shard* next();
    void wait_for_news();

    SimKernel& kernel_;
    std::vector<std::unique_ptr<Shard>> shards_;
    Shard* running_ = nullptr;
    unsigned switch_once_in_;  // at a point where threads race
    unsigned shuffle_once_in_;
    std::uint64_t steps_ = 0;
};

}  // namespace sim

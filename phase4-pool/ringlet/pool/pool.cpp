#include <ringlet/pool/pool.hpp>

#include <ringlet/pool/stop_signals.hpp>
#include <ringlet/task/report.hpp>

#include <algorithm>
#include <utility>

namespace ringlet {

Shard& Shard::current() {
    Shard* shard = require_executor().shard();
    RINGLET_CHECK(shard, "this executor belongs to no pool: start it by LocalExecutorPoolBuilder");
    return *shard;
}

void Shard::News::arrive() noexcept {
    WakeMessage::arrive();
    shard_.waiting_.wake_all();
}

void Shard::leave() noexcept {
    if (std::exchange(has_left_, true)) return;
    if (pool_.roots_.fetch_sub(1, std::memory_order_acq_rel) == 1) pool_.advance(PoolStage::finished);
}

// In the one order of all calls there is a last one, and that one finds that all have met.
Shard::Until Shard::everyone() noexcept {
    std::uint64_t mine = meetings_.fetch_add(1, std::memory_order_seq_cst) + 1;
    if (pool_.have_met(mine)) pool_.tell_all();
    return {*this, PoolStage::running, mine};
}

bool Pool::have_met(std::uint64_t times) const noexcept {
    return std::ranges::all_of(shards_, [times](const std::unique_ptr<Shard>& shard) {
        return shard->meetings_.load(std::memory_order_seq_cst) >= times;
    });
}

Pool::Pool(std::vector<ShardPlacement> placements, unsigned blocking_threads, Placement blocking_placement)
    : placements_(std::move(placements)),
      blocking_(blocking_threads, std::move(blocking_placement)),
      roots_(static_cast<unsigned>(placements_.size())) {
    for (ShardId id = 0; id < placements_.size(); ++id) {
        shards_.push_back(std::make_unique<Shard>(*this, id));
    }
}

Pool::~Pool() { StopSignals::forget_listener(*this); }

Shard& Pool::shard(ShardId id) noexcept {
    RINGLET_CHECK(id < shards_.size(), "the pool has no shard of this number");
    return *shards_[id];
}

void Pool::advance(PoolStage stage) noexcept {
    PoolStage before = stage_.load(std::memory_order_relaxed);
    while (before < stage) {
        if (stage_.compare_exchange_weak(before, stage, std::memory_order_acq_rel)) return tell_all();
    }
}

void Pool::tell_all() noexcept {
    for (auto& shard : shards_) shard->news_.send(shard->address_);
}

void Pool::fail(std::exception_ptr error) noexcept {
    {
        std::lock_guard lock(mutex_);
        if (!error_) std::swap(error_, error);
    }
    if (error) report_unhandled_exception(std::move(error));
    cancel();
}

std::exception_ptr Pool::take_error() noexcept {
    std::lock_guard lock(mutex_);
    return std::exchange(error_, nullptr);
}

}  // namespace ringlet

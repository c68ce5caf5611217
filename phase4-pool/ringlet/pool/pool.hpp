// Pool: what the shards of a pool share; Shard: one of them, as its own tasks see it. A shard is an executor
// on a thread of its own; shards share nothing but this, and reach each other by messages
// (pool/submit_to.hpp). LocalExecutorPoolBuilder (pool/executor_pool.hpp) makes them.
//
// Lifetimes: each shard's thread holds the pool until its executor is gone, and so does who joins it.
#pragma once

#include <ringlet/channel/wait_list.hpp>
#include <ringlet/executor/foreign_waker.hpp>
#include <ringlet/executor/local_executor.hpp>
#include <ringlet/pool/blocking_pool.hpp>
#include <ringlet/pool/pool_placement.hpp>

#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <vector>

namespace ringlet {

class Pool;

// From 0 on.
using ShardId = unsigned;

// How far a pool has come. It never goes back.
enum class PoolStage : unsigned {
    running,
    stopping,   // asked to end: roots that care look at Shard::stop_requested()
    cancelled,  // to end at once: the roots are dropped
    finished,   // no root is left
};

class Shard {
public:
    Shard(Pool& pool, ShardId id) noexcept : pool_(pool), id_(id) {}

    // Of the executor that runs here. Aborts if it belongs to no pool.
    static Shard& current();

    Pool& pool() const noexcept { return pool_; }
    ShardId id() const noexcept { return id_; }

    // Any thread, once the pool stands: how to post to it.
    const Unparker& address() const noexcept { return address_; }

    // Owner thread only:
    class Until;
    // Ready once the pool has been asked to stop, however; at once if it was before.
    Until stop_requested() noexcept;
    // Ready once the pool has come so far.
    Until reached(PoolStage stage) noexcept;
    // Ready once each shard has called it as often as this one has by now: none is past this line before all
    // are at it. For roots; one that returns without it leaves the others waiting.
    Until everyone() noexcept;

private:
    friend class Pool;
    friend class PoolThreads;
    friend class LocalExecutorPoolBuilder;

    // Sent to each shard when the pool comes to another stage, or everyone() is satisfied.
    class News final : public WakeMessage {
    public:
        explicit News(Shard& shard) noexcept : shard_(shard) {}

    private:
        void arrive() noexcept override;
        // It is the shard's, which outlives its executor.
        void retain() noexcept override {}
        void release() noexcept override {}

        Shard& shard_;
    };

    Pool& pool_;
    const ShardId id_;
    Unparker address_;  // set before the pool stands
    News news_{*this};
    // Owner thread only:
    WaitList waiting_;
    bool has_left_ = false;
    // Written by the owner, read by any (atomic):
    std::atomic<std::uint64_t> meetings_ = 0;  // calls of everyone()

    // The root has ended, or never begun.
    void leave() noexcept;
};

class Pool {
public:
    Pool(std::vector<ShardPlacement> placements, unsigned blocking_threads, Placement blocking_placement);
    ~Pool();

    unsigned size() const noexcept { return static_cast<unsigned>(shards_.size()); }
    // Aborts if there is none of this number.
    Shard& shard(ShardId id) noexcept;
    const std::vector<ShardPlacement>& placements() const noexcept { return placements_; }
    BlockingPool& blocking() noexcept { return blocking_; }

    // Any thread:
    PoolStage stage() const noexcept { return stage_.load(std::memory_order_acquire); }
    // Asks all shards to end: those roots that await stop_requested() hear of it.
    void request_stop() noexcept { advance(PoolStage::stopping); }
    // Drops all roots, each when its task is next suspended.
    void cancel() noexcept { advance(PoolStage::cancelled); }
    // A shard has failed. The first one's exception is kept, another's reported; all others are cancelled.
    void fail(std::exception_ptr error) noexcept;
    std::exception_ptr take_error() noexcept;

private:
    friend class Shard;
    friend class PoolThreads;

    void advance(PoolStage stage) noexcept;
    void tell_all() noexcept;
    // Each shard has called everyone() so often.
    bool have_met(std::uint64_t times) const noexcept;

    const std::vector<ShardPlacement> placements_;
    std::vector<std::unique_ptr<Shard>> shards_;
    BlockingPool blocking_;
    // Any thread (atomic):
    std::atomic<PoolStage> stage_ = PoolStage::running;
    std::atomic<unsigned> roots_;  // that have not ended
    // Guarded by mutex_:
    std::mutex mutex_;
    std::exception_ptr error_;
};

class [[nodiscard]] Shard::Until {
public:
    using Output = void;

    Until(Shard& shard, PoolStage stage, std::uint64_t meetings) noexcept
        : shard_(shard), stage_(stage), meetings_(meetings) {}
    Until(Until&&) noexcept = default;
    ~Until() {
        if (waiter_.is_involved()) shard_.waiting_.leave(waiter_);
    }

    Poll<void> poll(Context& context) noexcept {
        RINGLET_CHECK(&Shard::current() == &shard_,
                      "a task awaited the news of another shard: use Shard::current()");
        if (is_reached()) return Unit{};
        shard_.waiting_.wait(waiter_, context.waker());
        return pending;
    }

private:
    bool is_reached() const noexcept {
        return shard_.pool_.stage() >= stage_ && shard_.pool_.have_met(meetings_);
    }

    Shard& shard_;
    PoolStage stage_;
    std::uint64_t meetings_;
    Waiter waiter_;
};

inline Shard::Until Shard::reached(PoolStage stage) noexcept { return {*this, stage, 0}; }
inline Shard::Until Shard::stop_requested() noexcept { return reached(PoolStage::stopping); }

}  // namespace ringlet

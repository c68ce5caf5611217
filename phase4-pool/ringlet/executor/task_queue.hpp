// TaskQueue: a named queue of ready tasks; the executor runs its queues in turn. TaskQueueHandle is how
// programs name one.
//
// Threads: owner thread only.
#pragma once

#include <ringlet/base/intrusive_list.hpp>
#include <ringlet/executor/latency.hpp>
#include <ringlet/executor/queue_stats.hpp>
#include <ringlet/executor/shares.hpp>
#include <ringlet/executor/virtual_time.hpp>
#include <ringlet/task/ready_queue.hpp>

#include <cstdint>
#include <memory>
#include <string>

namespace ringlet {

class QueueManager;

// Names a queue of one executor; stays valid as long as that executor.
struct TaskQueueHandle {
    const LocalExecutor* executor = nullptr;
    std::uint32_t index = 0;

    friend bool operator==(const TaskQueueHandle&, const TaskQueueHandle&) = default;
};

// The handle names no queue of the executor that was asked.
struct QueueNotFound {
    TaskQueueHandle queue;
};

// Why a queue was not removed.
enum class NotRemoved {
    not_found,  // no such queue: another executor's, or removed already
    in_use,     // the default queue, the one that runs, or one with tasks that live
};

// As a ListNode: on the manager's list of active queues, unless it is the one that runs.
class TaskQueue final : public ListNode, public ReadyQueue {
public:
    TaskQueue(LocalExecutor& owner, QueueManager& manager, std::uint32_t index, std::string name,
              Shares shares, Latency latency)
        : ReadyQueue(owner),
          manager_(manager),
          index_(index),
          name_(std::move(name)),
          shares_(std::move(shares)),
          latency_(latency) {}

    const std::string& name() const noexcept { return name_; }
    TaskQueueHandle handle() const noexcept { return {&owner(), index_}; }
    const Shares& shares() const noexcept { return shares_; }
    const Latency& latency() const noexcept { return latency_; }
    const QueueStats& stats() const noexcept { return stats_; }
    // Null unless histograms were asked for.
    const Histogram* wake_to_run() const noexcept {
        return wake_to_run_ ? &wake_to_run_->histogram : nullptr;
    }

private:
    friend class LocalExecutor;
    friend class QueueManager;

    void activated() noexcept override;
    void pushed_from_outside() noexcept override;
    void pushed(const Header& task) noexcept override;

    QueueManager& manager_;
    std::uint32_t index_;
    std::string name_;
    Shares shares_;
    Latency latency_;
    VirtualTime vruntime_;
    VirtualTime key_;          // while active: by which it stands among the active queues
    std::uint64_t order_ = 0;  // and, among equals: first come, first served
    QueueStats stats_;
    std::unique_ptr<WakeToRun> wake_to_run_;  // if asked for
};

}  // namespace ringlet

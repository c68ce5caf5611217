// TaskQueue: a named queue of ready tasks; the executor runs its queues in turn. TaskQueueHandle is how
// programs name one.
//
// Threads: owner thread only.
#pragma once

#include <ringlet/base/intrusive_list.hpp>
#include <ringlet/task/ready_queue.hpp>

#include <cstdint>
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

// As a ListNode: on the manager's list of active queues, unless it is the one that runs.
class TaskQueue final : public ListNode, public ReadyQueue {
public:
    TaskQueue(LocalExecutor& owner, QueueManager& manager, std::uint32_t index, std::string name)
        : ReadyQueue(owner), manager_(manager), index_(index), name_(std::move(name)) {}

    const std::string& name() const noexcept { return name_; }
    TaskQueueHandle handle() const noexcept { return {&owner(), index_}; }

private:
    friend class QueueManager;

    void activated() noexcept override;
    void pushed_from_outside() noexcept override;

    QueueManager& manager_;
    std::uint32_t index_;
    std::string name_;
};

}  // namespace ringlet

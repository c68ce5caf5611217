// QueueManager: owns an executor's queues and says which one runs next.
//
// Threads: owner thread only.
#pragma once

#include <ringlet/executor/task_queue.hpp>

#include <memory>
#include <string>
#include <vector>

namespace ringlet {

class QueueManager {
public:
    TaskQueue& create(LocalExecutor& owner, std::string name);

    // Null if there is no such queue.
    TaskQueue* find(std::uint32_t index) const noexcept {
        return index < queues_.size() ? queues_[index].get() : nullptr;
    }

    bool has_active() const noexcept { return !active_.empty(); }

    // Takes the queue whose turn it is off the list of active ones; null if none is active. The caller
    // runs it and gives it back.
    TaskQueue* next() noexcept;
    void give_back(TaskQueue& queue) noexcept;

    // A queue that was empty has a task.
    void activate(TaskQueue& queue) noexcept { active_.push_back(queue); }

    // Releases the tasks that are still queued; their futures must be gone.
    void clear() noexcept;

private:
    std::vector<std::unique_ptr<TaskQueue>> queues_;
    IntrusiveList<TaskQueue> active_;  // first come, first served
};

}  // namespace ringlet

#include <ringlet/executor/local_executor.hpp>
#include <ringlet/executor/queue_manager.hpp>

namespace ringlet {

void TaskQueue::activated() noexcept { manager_.activate(*this); }

void TaskQueue::pushed_from_outside() noexcept {
    RINGLET_CHECK(!owner().is_entered(), "a task was woken on a thread that does not run its executor");
}

TaskQueue& QueueManager::create(LocalExecutor& owner, std::string name) {
    auto index = static_cast<std::uint32_t>(queues_.size());
    queues_.push_back(std::make_unique<TaskQueue>(owner, *this, index, std::move(name)));
    return *queues_.back();
}

TaskQueue* QueueManager::next() noexcept {
    if (active_.empty()) return nullptr;
    TaskQueue& queue = active_.front();
    queue.unlink();
    return &queue;
}

void QueueManager::give_back(TaskQueue& queue) noexcept {
    if (queue.empty()) {
        queue.active_ = false;
    } else {
        active_.push_back(queue);
    }
}

void QueueManager::clear() noexcept {
    while (TaskQueue* queue = next()) {
        while (queue->pop()) {
        }
        give_back(*queue);
    }
}

}  // namespace ringlet

#include <ringlet/executor/local_executor.hpp>
#include <ringlet/executor/queue_manager.hpp>

namespace ringlet {

void TaskQueue::activated() noexcept { owner().activate(*this); }

void TaskQueue::pushed_from_outside() noexcept {
    RINGLET_CHECK(!owner().is_entered(), "a task was woken on a thread that does not run its executor");
}

void TaskQueue::pushed(const Header& task) noexcept { owner().trace_wake(*this, task); }

TaskQueue& QueueManager::create(LocalExecutor& owner, std::string name, Shares shares, Latency latency) {
    auto index = static_cast<std::uint32_t>(queues_.size());
    active_.reserve(queues_.size() + 1);  // so that activate() needs no memory
    queues_.push_back(
        std::make_unique<TaskQueue>(owner, *this, index, std::move(name), std::move(shares), latency));
    queues_.back()->vruntime_ = least_;
    return *queues_.back();
}

TaskQueue* QueueManager::next() noexcept {
    if (active_.empty()) return nullptr;
    std::ranges::pop_heap(active_, &runs_later);
    TaskQueue& queue = *active_.back();
    active_.pop_back();
    urgent_ -= queue.latency_.matters();
    advance(queue.key_);
    return running_ = &queue;
}

void QueueManager::give_back(TaskQueue& queue) noexcept {
    running_ = nullptr;
    if (queue.empty()) {
        queue.active_ = false;
        // What it used while nobody else wanted the core is no debt.
        if (active_.empty()) advance(queue.vruntime_);
    } else {
        insert(queue);
    }
}

void QueueManager::activate(TaskQueue& queue) noexcept {
    if (running_ && active_.empty()) advance(key_of(*running_));
    if (!running_ && !active_.empty()) advance(active_.front()->key_);
    queue.vruntime_ = std::max(queue.vruntime_, least_);
    insert(queue);
}

VirtualTime QueueManager::key_of(const TaskQueue& queue) noexcept {
    if (!queue.latency_.matters()) return queue.vruntime_;
    return queue.vruntime_ - VirtualTime::of(queue.latency_.bound(), Shares::most);
}

void QueueManager::insert(TaskQueue& queue) noexcept {
    queue.key_ = key_of(queue);
    queue.order_ = ++insertions_;
    active_.push_back(&queue);
    urgent_ += queue.latency_.matters();
    std::ranges::push_heap(active_, &runs_later);
}

bool QueueManager::runs_later(const TaskQueue* a, const TaskQueue* b) noexcept {
    if (a->key_ == b->key_) return a->order_ > b->order_;
    return b->key_ < a->key_;
}

void QueueManager::charge(Duration ran) noexcept {
    running_->vruntime_ = running_->vruntime_ + VirtualTime::of(ran, running_->shares_.count());
    running_->stats_.runtime += ran;
}

Duration QueueManager::least_bound() const noexcept {
    Duration least = Duration::max();
    if (urgent_ == 0) return least;
    for (const TaskQueue* queue : active_) least = std::min(least, queue->latency_.bound());
    return least;
}

void QueueManager::clear() noexcept {
    while (TaskQueue* queue = next()) {
        while (queue->pop()) {
        }
        give_back(*queue);
    }
}

}  // namespace ringlet

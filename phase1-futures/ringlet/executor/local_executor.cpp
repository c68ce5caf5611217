#include <ringlet/executor/local_executor.hpp>

#include <stdexcept>

namespace ringlet {

namespace {

// How many tasks of one queue run before the next queue's turn, and before the parker is asked. Large
// enough that asking costs little per task (B1 does not see it), small enough that tasks which yield for
// ever delay a completion by microseconds only.
constexpr int tasks_per_visit_max = 256;

bool has_ready(const void* queues) { return static_cast<const QueueManager*>(queues)->has_active(); }

}  // namespace

LocalExecutor::Entered::Entered(LocalExecutor& executor) : executor_(executor) {
    if (current_executor())
        throw std::logic_error("run() or turn() inside run(): one executor per thread at a time");
    RINGLET_CHECK(!executor.entered_, "two threads are inside one executor");
    executor_.entered_ = true;
    detail::entered_executor = &executor_;
}

LocalExecutor::Entered::~Entered() {
    detail::entered_executor = nullptr;
    executor_.entered_ = false;
}

LocalExecutor::LocalExecutor(std::string name, std::unique_ptr<Parker> parker)
    : name_(std::move(name)),
      parker_(std::move(parker)),
      default_queue_(queues_.create(*this, "default")),
      current_queue_(&default_queue_) {}

LocalExecutor::~LocalExecutor() {
    RINGLET_CHECK(!current_executor(), "an executor was destroyed from inside a run");
    Entered entered(*this);
    // The destructor of a future may spawn, and in drain() that of a buffer: so ask again after each.
    do {
        while (!live_tasks_.empty()) close_now(live_tasks_.front());
        queues_.clear();
        parker_->drain();
    } while (!live_tasks_.empty());
}

void LocalExecutor::turn(bool may_park) {
    Entered entered(*this);
    turn_entered(may_park);
}

void LocalExecutor::turn_entered(bool may_park) {
    if (may_park && !queues_.has_active()) {
        parker_->park(Recheck{&queues_, &has_ready});
    } else {
        parker_->poll();
    }
    if (TaskQueue* queue = queues_.next()) run_queue(*queue);
}

void LocalExecutor::run_queue(TaskQueue& queue) {
    current_queue_ = &queue;
    for (int visited = 0; visited < tasks_per_visit_max; ++visited) {
        Task task = queue.pop();
        if (!task) break;
        std::move(task).run();
    }
    current_queue_ = &default_queue_;
    queues_.give_back(queue);
}

TaskQueue* LocalExecutor::find_queue(TaskQueueHandle handle) const noexcept {
    return handle.executor == this ? queues_.find(handle.index) : nullptr;
}

}  // namespace ringlet

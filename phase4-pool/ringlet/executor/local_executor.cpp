#include <ringlet/executor/local_executor.hpp>

#include <ringlet/executor/foreign_waker.hpp>

#include <algorithm>
#include <stdexcept>

namespace ringlet {

namespace {

// How many tasks of one queue run before the next queue's turn, and before the parker is asked. Large
// enough that asking costs little per task (B1 does not see it), small enough that tasks which yield for
// ever delay a completion by microseconds only.
constexpr int tasks_per_visit_max = 256;

// A queue with few shares gets a short slice, so that it does not overdraw its due by much: 5 ms of a queue
// with 1 share are 5 s of one with 1,000. Shorter slices than this cost more than they bring.
constexpr std::chrono::microseconds slice_min{200};

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

LocalExecutor::LocalExecutor(std::string name, std::unique_ptr<Parker> parker, Duration slice,
                             Instruments instruments)
    : name_(std::move(name)),
      parker_(std::move(parker)),
      instruments_(std::move(instruments)),
      default_queue_(add_queue("default", {}, {})),
      current_queue_(&default_queue_),
      preempt_words_(parker_->preempt_words()),
      slice_(slice) {
    RINGLET_CHECK(slice >= slice_min, "a slice must be at least 200 us");
    if (instruments_.trace) instruments_.trace->begin(name_);
}

LocalExecutor::~LocalExecutor() {
    RINGLET_CHECK(!current_executor(), "an executor was destroyed from inside a run");
    Entered entered(*this);
    drop_tasks();
    close_foreign_tasks();
    // From now on no other thread can reach a task of this one; what has been posted may still make new ones.
    if (inbox_) inbox_->close();
    do {
        drop_tasks();
        close_foreign_tasks();
        parker_->drain();
    } while (!live_tasks_.empty() || !foreign_tasks_.empty());
}

void LocalExecutor::close_foreign_tasks() noexcept {
    while (!foreign_tasks_.empty()) foreign_tasks_.front().close();
}

void LocalExecutor::drop_tasks() noexcept {
    // The destructor of a future may spawn, and in drain() that of a buffer: so ask again after each.
    while (!live_tasks_.empty()) close_now(live_tasks_.front());
    queues_.clear();
}

// What other threads want of it.

Result<Unparker> LocalExecutor::unparker() {
    Result<Unparker> made = parker_->unparker();
    if (!inbox_ && made && made->inbox()) {
        inbox_ = made->inbox();
        preempt_words_.inbox = &inbox_->word();
    }
    return made;
}

void LocalExecutor::note_foreign(ForeignTask& task) noexcept { foreign_tasks_.push_back(task); }

void LocalExecutor::turn(bool may_park) {
    Entered entered(*this);
    turn_entered(may_park);
}

TaskQueue& LocalExecutor::add_queue(std::string name, Shares shares, Latency latency) {
    bool is_timed = instruments_.trace || instruments_.histograms;
    auto wake_to_run = is_timed ? std::make_unique<WakeToRun>() : nullptr;
    TaskQueue& queue = queues_.create(*this, std::move(name), std::move(shares), latency);
    queue.wake_to_run_ = std::move(wake_to_run);
    queue.is_traced_ = instruments_.trace != nullptr;
    if (instruments_.trace) instruments_.trace->name_queue(queue.index_, queue.name_);
    return queue;
}

void LocalExecutor::turn_entered(bool may_park) {
    ++turns_;
    if (instruments_.trace) instruments_.trace->add_now({.kind = TraceEvent::poll});
    if (may_park && !queues_.has_active()) {
        parker_->park(Recheck{&queues_, &has_ready});
    } else {
        parker_->poll();
    }
    if (preempt_words_.has_mail()) inbox_->deliver();
    if (TaskQueue* queue = queues_.next()) run_queue(*queue);
}

void LocalExecutor::run_queue(TaskQueue& queue) {
    current_queue_ = &queue;
    charged_until_ = CycleClock::now();
    note_turn_begin(queue, charged_until_);
    // The stall detector wants to see that a task yields when it is asked to, so it has to be asked.
    bool is_wanted = queues_.has_active() || queue.has_several() || instruments_.stalls;
    parker_->arm_preempt(charged_until_ + slice_of(queue), is_wanted);
    queue.active_ = is_wanted;  // else the first task that joins the lone one reports: activate() arms then
    Trace* trace = instruments_.trace;
    int visited = 0;
    bool preempted = false;
    while (visited < tasks_per_visit_max && !preempted) {
        Task task = queue.pop();
        if (!task) break;
        if (trace) [[unlikely]]
            trace->add_task(TraceEvent::run, task.id(), queue.index_);
        std::move(task).run();
        ++visited;
        // Asked after a task and not before, so that each turn makes progress. A message alone is no reason
        // to end the turn: what it makes ready gets its turn as if it had been woken from here.
        if (preempt_words_.is_set()) [[unlikely]] {
            if (preempt_words_.has_mail()) deliver_between_tasks();
            preempted = preempt_words_.is_set();
        }
    }
    charge_running(CycleClock::now());
    queue.shares_.refresh(charged_until_);
    queue.stats_.count_turn(visited, preempted);
    note_turn_end(queue, charged_until_, preempted);
    current_queue_ = &default_queue_;
    queues_.give_back(queue);
}

// What comes from outside belongs to no queue that happens to run: a call becomes a task of the default one.
void LocalExecutor::deliver_between_tasks() noexcept {
    TaskQueue* running = std::exchange(current_queue_, &default_queue_);
    inbox_->deliver();
    current_queue_ = running;
}

void LocalExecutor::charge_running(CycleTime now) noexcept {
    // The counters of two cores may disagree a little, and an executor that is not pinned may move.
    Duration ran = std::max(Duration::zero(), now - charged_until_);
    queues_.charge(ran);
    charged_until_ = now;
}

void LocalExecutor::activate(TaskQueue& queue) noexcept {
    const TaskQueue* running = queues_.running();
    if (running == &queue) return parker_->arm_preempt(charged_until_ + slice_of(queue), true);
    if (!running && !queue.wake_to_run_) return queues_.activate(queue);
    CycleTime now = CycleClock::now();
    if (queue.wake_to_run_) queue.wake_to_run_->woken = now;
    if (!running) return queues_.activate(queue);
    if (!queues_.has_active()) charge_running(now);
    queues_.activate(queue);
    parker_->arm_preempt(now + slice_of(*running), true);
}

// What the instruments want to know.

void LocalExecutor::note_turn_begin(TaskQueue& queue, CycleTime now) noexcept {
    if (WakeToRun* timed = queue.wake_to_run_.get(); timed && timed->woken) {
        timed->histogram.record(now - *timed->woken);
        timed->woken.reset();
    }
    if (instruments_.trace) {
        instruments_.trace->add({now, 0, static_cast<std::int32_t>(queue.index_), TraceEvent::turn_begin});
    }
    if (instruments_.stalls) instruments_.stalls->begin_turn(queue.name_.c_str(), now);
}

void LocalExecutor::note_turn_end(TaskQueue& queue, CycleTime now, bool preempted) noexcept {
    if (instruments_.stalls) queue.stats_.stalls += instruments_.stalls->end_turn(now);
    if (instruments_.trace) {
        auto index = static_cast<std::int32_t>(queue.index_);
        instruments_.trace->add({now, 0, index, TraceEvent::turn_end, preempted});
    }
}

void LocalExecutor::trace_wake(const TaskQueue& queue, const Header& task) noexcept {
    instruments_.trace->add_task(TraceEvent::wake, &task, queue.index_);
}

// Nobody may wait longer than the least bound.
Duration LocalExecutor::slice_of(const TaskQueue& queue) const noexcept {
    Duration due = slice_ * queue.shares().count() / Shares::most;
    return std::min(std::max<Duration>(due, slice_min), queues_.least_bound());
}

std::expected<void, NotRemoved> LocalExecutor::remove_task_queue(TaskQueueHandle handle) {
    TaskQueue* queue = find_queue(handle);
    if (!queue) return std::unexpected(NotRemoved::not_found);
    bool has_tasks = live_tasks_.any([queue](const Header& task) { return task.queue == queue; });
    if (queue == &default_queue_ || queue == queues_.running() || has_tasks || !queue->empty()) {
        return std::unexpected(NotRemoved::in_use);
    }
    queues_.remove(*queue);
    return {};
}

TaskQueue* LocalExecutor::find_queue(TaskQueueHandle handle) const noexcept {
    return handle.executor == this ? queues_.find(handle.index) : nullptr;
}

}  // namespace ringlet

// LocalExecutor: runs tasks on one thread. Made by LocalExecutorBuilder (runtime.hpp).
//
// Threads: an executor belongs to the thread that is inside its run(); nothing of it may be touched from
// another thread meanwhile. It cannot move. Lifetimes: destroying it drops the futures of all tasks.
#pragma once

#include <ringlet/base/check.hpp>
#include <ringlet/executor/instruments.hpp>
#include <ringlet/executor/parker.hpp>
#include <ringlet/executor/queue_manager.hpp>
#include <ringlet/task/join_handle.hpp>
#include <ringlet/task/raw_task.hpp>

#include <expected>
#include <memory>
#include <string>

namespace ringlet {

template <class F>
using SpawnOutput = typename Spawned<F>::Output;

class ForeignTask;  // executor/foreign_waker.hpp
class Shard;        // pool/pool.hpp

class LocalExecutor {
public:
    // How long a queue may run while others wait.
    static constexpr Duration default_slice = std::chrono::milliseconds(5);
    // A longer one is as good as this one, and its arithmetic would overflow.
    static constexpr Duration slice_max = std::chrono::hours(1);

    LocalExecutor(std::string name, std::unique_ptr<Parker> parker, Duration slice = default_slice,
                  Instruments instruments = {});
    LocalExecutor(const LocalExecutor&) = delete;
    LocalExecutor& operator=(const LocalExecutor&) = delete;
    // Drops the futures of the tasks that live, then drains the parker. Not from inside a task.
    ~LocalExecutor();

    const std::string& name() const noexcept { return name_; }
    Parker& parker() noexcept { return *parker_; }
    // True while some thread is inside run() or turn().
    bool is_entered() const noexcept { return entered_; }

    // Runs `root` (a future, or a function that returns one) in the default queue until it is done, and
    // all other tasks meanwhile. Returns its value or throws what it threw; throws Deadlock. Other tasks
    // that live then wait for the next run. Refused (std::logic_error) inside another run on this thread.
    template <Spawnable F>
    SpawnOutput<F> run(F&& root);

    // One turn of the loop: lets the parker collect what has arrived, then runs the queue whose turn it is.
    // Sleeps only if `may_park` and nothing is ready. For tests and for loops that are not ours; run() is
    // made of such turns.
    void turn(bool may_park);

    // Spawns into the queue whose task is running, or into the default queue from outside a task.
    template <Spawnable F>
    JoinHandle<SpawnOutput<F>> spawn_local(F&& task);

    template <Spawnable F>
    std::expected<JoinHandle<SpawnOutput<F>>, QueueNotFound> spawn_local_into(TaskQueueHandle queue,
                                                                              F&& task);

    TaskQueueHandle create_task_queue(std::string name) {
        return add_queue(std::move(name), {}, {}).handle();
    }
    TaskQueueHandle create_task_queue(Shares shares, Latency latency, std::string name) {
        return add_queue(std::move(name), std::move(shares), latency).handle();
    }

    std::expected<void, NotRemoved> remove_task_queue(TaskQueueHandle queue);

    // Null if the handle names no queue of this executor.
    const TaskQueue* queue(TaskQueueHandle handle) const noexcept { return find_queue(handle); }
    const QueueManager& queues() const noexcept { return queues_; }

    // Of the task that is running, or the default queue.
    const TaskQueue& current_queue() const noexcept { return *current_queue_; }

    const PreemptWords& preempt_words() const noexcept { return preempt_words_; }

    // What it has done so far; reactor/stats_report.hpp makes a table of it.
    ExecutorStats stats() const noexcept { return {parker_->park_stats(), turns_}; }

    // For other threads, to end a sleep of this executor. While one lives, the executor waits for it rather
    // than throw Deadlock; when the last is gone, it looks again.
    Result<Unparker> unparker();

    bool has_inbox(const Inbox& inbox) const noexcept { return inbox_ == &inbox; }
    // Its foreign wakers end with the executor.
    void note_foreign(ForeignTask& task) noexcept;

    // Of the pool that this executor belongs to; null if to none.
    Shard* shard() const noexcept { return shard_; }
    void join_pool(Shard& shard) noexcept { shard_ = &shard; }

private:
    friend class TaskQueue;

    // Marks this thread as inside the executor. Does not nest: throws if the thread is inside one already.
    class Entered {
    public:
        explicit Entered(LocalExecutor& executor);
        ~Entered();

    private:
        LocalExecutor& executor_;
    };

    template <Spawnable F>
    JoinHandle<SpawnOutput<F>> spawn_in(TaskQueue& queue, F&& task);

    TaskQueue& add_queue(std::string name, Shares shares, Latency latency);
    void turn_entered(bool may_park);
    void run_queue(TaskQueue& queue);
    void deliver_between_tasks() noexcept;
    void activate(TaskQueue& queue) noexcept;
    void charge_running(CycleTime now) noexcept;
    void drop_tasks() noexcept;
    void close_foreign_tasks() noexcept;
    void note_turn_begin(TaskQueue& queue, CycleTime now) noexcept;
    void note_turn_end(TaskQueue& queue, CycleTime now, bool preempted) noexcept;
    void trace_wake(const TaskQueue& queue, const Header& task) noexcept;
    Duration slice_of(const TaskQueue& queue) const noexcept;
    TaskQueue* find_queue(TaskQueueHandle handle) const noexcept;

    std::string name_;
    std::unique_ptr<Parker> parker_;
    Instruments instruments_;
    QueueManager queues_;
    TaskQueue& default_queue_;
    TaskQueue* current_queue_;
    IntrusiveList<Header> live_tasks_;  // whose futures live
    bool entered_ = false;
    PreemptWords preempt_words_;
    Duration slice_;
    CycleTime charged_until_{};  // of the running queue's turn
    std::uint64_t turns_ = 0;
    Inbox* inbox_ = nullptr;  // the doorbell's, once somebody knows the executor from outside
    IntrusiveList<ForeignTask> foreign_tasks_;
    Shard* shard_ = nullptr;
};

// Inside run(): the same for the executor of this thread.
template <Spawnable F>
JoinHandle<SpawnOutput<F>> spawn_local(F&& task);

template <Spawnable F>
std::expected<JoinHandle<SpawnOutput<F>>, QueueNotFound> spawn_local_into(TaskQueueHandle queue, F&& task);

TaskQueueHandle create_task_queue(std::string name);
TaskQueueHandle create_task_queue(Shares shares, Latency latency, std::string name);

// Implementation.

inline LocalExecutor& require_executor() {
    LocalExecutor* executor = current_executor();
    RINGLET_CHECK(executor, "called outside of LocalExecutor::run()");
    return *executor;
}

template <Spawnable F>
JoinHandle<SpawnOutput<F>> LocalExecutor::spawn_in(TaskQueue& queue, F&& task) {
    Header& header = RawTask<Spawned<F>>::make(queue, std::forward<F>(task));
    live_tasks_.push_back(header);
    if (instruments_.trace) [[unlikely]]
        instruments_.trace->add_task(TraceEvent::spawn, &header, queue.index_);
    queue.push(Task(header));
    return JoinHandle<SpawnOutput<F>>(header);
}

template <Spawnable F>
SpawnOutput<F> LocalExecutor::run(F&& root) {
    Entered entered(*this);
    auto handle = spawn_in(default_queue_, std::forward<F>(root));
    // If the loop throws, the root must be gone before what it refers to on the caller's stack.
    struct DropAtExit {
        LocalExecutor& executor;
        decltype(handle)& root;
        ~DropAtExit() {
            root.cancel();
            while (!root.is_finished()) executor.run_queue(*executor.queues_.next());
        }
    } drop_at_exit{*this, handle};

    while (!handle.is_finished()) turn_entered(true);

    Waker nobody;
    Context context(nobody);
    auto joined = handle.poll(context).take();
    RINGLET_CHECK(joined, "the root task was cancelled");
    if constexpr (!std::is_void_v<SpawnOutput<F>>) {
        return restore<SpawnOutput<F>>(std::move(*joined));
    }
}

template <Spawnable F>
JoinHandle<SpawnOutput<F>> LocalExecutor::spawn_local(F&& task) {
    return spawn_in(*current_queue_, std::forward<F>(task));
}

template <Spawnable F>
std::expected<JoinHandle<SpawnOutput<F>>, QueueNotFound> LocalExecutor::spawn_local_into(
    TaskQueueHandle queue, F&& task) {
    TaskQueue* found = find_queue(queue);
    if (!found) return std::unexpected(QueueNotFound{queue});
    return spawn_in(*found, std::forward<F>(task));
}

template <Spawnable F>
JoinHandle<SpawnOutput<F>> spawn_local(F&& task) {
    return require_executor().spawn_local(std::forward<F>(task));
}

template <Spawnable F>
std::expected<JoinHandle<SpawnOutput<F>>, QueueNotFound> spawn_local_into(TaskQueueHandle queue, F&& task) {
    return require_executor().spawn_local_into(queue, std::forward<F>(task));
}

inline TaskQueueHandle create_task_queue(std::string name) {
    return require_executor().create_task_queue(std::move(name));
}

inline TaskQueueHandle create_task_queue(Shares shares, Latency latency, std::string name) {
    return require_executor().create_task_queue(std::move(shares), latency, std::move(name));
}

}  // namespace ringlet

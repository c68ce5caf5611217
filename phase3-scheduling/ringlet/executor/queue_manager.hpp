// QueueManager: owns an executor's queues and says which one runs next: the one that has had least of its
// due. A queue's vruntime grows by the time it ran, divided by its shares; so queues that are kept level
// get CPU time in proportion to their shares.
//
// A queue that wakes keeps its debt: it comes back with the vruntime that it had, unless the others have
// passed it meanwhile; then it is put level with the least of them, so that sleep earns no credit. (Were
// the debt forgotten, a queue with 1 share that works 1 ms and blocks 10 us beside one with 1,000 would get
// half of the core.)
//
// Queues whose latency matters are placed ahead of their vruntime by their bound, as in borrowed virtual
// time (Duda and Cheriton, 1999): they run at once when they wake, and still pay for what they use.
//
// Threads: owner thread only.
#pragma once

#include <ringlet/executor/task_queue.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace ringlet {

class QueueManager {
public:
    TaskQueue& create(LocalExecutor& owner, std::string name, Shares shares = {}, Latency latency = {});
    // The queue must be inactive and no task of it live. Its handles name nothing from now on.
    void remove(TaskQueue& queue) noexcept { queues_[queue.index_].reset(); }

    // Null if there is no such queue.
    TaskQueue* find(std::uint32_t index) const noexcept {
        return index < queues_.size() ? queues_[index].get() : nullptr;
    }

    bool has_active() const noexcept { return !active_.empty(); }

    // Takes the queue whose turn it is off the list of active ones; null if none is active. The caller
    // runs it and gives it back.
    TaskQueue* next() noexcept;
    void give_back(TaskQueue& queue) noexcept;

    // The queue that next() gave and that was not given back yet; null if none runs.
    TaskQueue* running() const noexcept { return running_; }
    // It has run for `ran`. May be called several times in a turn.
    void charge(Duration ran) noexcept;

    // The least bound of the active queues whose latency matters, the running one left out; Duration::max()
    // if there is none.
    Duration least_bound() const noexcept;

    // A queue that was empty has a task. If it is the only one beside the one that runs, the latter must
    // have been charged up to now.
    void activate(TaskQueue& queue) noexcept;

    // Releases the tasks that are still queued; their futures must be gone.
    void clear() noexcept;

    // Of all queues that exist.
    template <class Visit>
    void for_each(Visit visit) const {
        for (const auto& queue : queues_) {
            if (queue) visit(*queue);
        }
    }

private:
    static VirtualTime key_of(const TaskQueue& queue) noexcept;
    void insert(TaskQueue& queue) noexcept;
    void advance(VirtualTime least) noexcept { least_ = std::max(least_, least); }
    static bool runs_later(const TaskQueue* a, const TaskQueue* b) noexcept;

    std::vector<std::unique_ptr<TaskQueue>> queues_;  // null once removed
    std::vector<TaskQueue*> active_;                  // a heap: the one that runs next is in front
    unsigned urgent_ = 0;                             // active queues whose latency matters
    TaskQueue* running_ = nullptr;
    std::uint64_t insertions_ = 0;
    VirtualTime least_;  // where the least of the active queues stands, or stood; never goes back
};

}  // namespace ringlet

// ReadyQueue: the tasks of one queue that wait for their turn, first in, first out. Base of TaskQueue
// (executor/task_queue.hpp), which knows what to do when the first task arrives.
//
// Threads: owner thread only; each push checks that.
#pragma once

#include <ringlet/base/hook.hpp>
#include <ringlet/task/task.hpp>

#include <cstddef>

namespace ringlet {

class LocalExecutor;

namespace detail {
// The executor whose run() or turn() this thread is in; set by LocalExecutor alone.
inline constinit thread_local LocalExecutor* entered_executor = nullptr;
}  // namespace detail

// The executor that runs on this thread now; null outside of run().
inline LocalExecutor* current_executor() noexcept { return detail::entered_executor; }

class ReadyQueue {
public:
    explicit ReadyQueue(LocalExecutor& owner) noexcept : owner_(&owner) {}
    ReadyQueue(const ReadyQueue&) = delete;
    ReadyQueue& operator=(const ReadyQueue&) = delete;

    bool empty() const noexcept { return head_ == nullptr; }
    // Walks the queue: a count kept up to date would cost each turn of a task 0.7 ns.
    std::size_t size() const noexcept {
        std::size_t count = 0;
        for (const Header* task = head_; task; task = task->next_ready) ++count;
        return count;
    }
    LocalExecutor& owner() const noexcept { return *owner_; }

    // Aborts if the owner runs on another thread.
    void check_thread() noexcept {
        if (current_executor() != owner_) [[unlikely]]
            pushed_from_outside();
    }

    void push(Task task) noexcept {
        check_thread();
        Header* header = std::exchange(task.header_, nullptr);
        header->next_ready = nullptr;
        (head_ ? tail_->next_ready : head_) = header;
        tail_ = header;
        if (!active_) {
            active_ = true;
            activated();
        }
    }

    // The task whose turn it is; an empty Task if there is none.
    Task pop() noexcept {
        if (!head_) return Task();
        if (hook::is_installed()) return take_after(find_predecessor(hook::choose(size())));
        return take_after(nullptr);
    }

protected:
    ~ReadyQueue() { RINGLET_CHECK(empty(), "a task queue died before its tasks"); }

    // The first task came while the queue was inactive.
    virtual void activated() noexcept = 0;
    // A task was woken while `owner` did not run on this thread: aborts unless it runs nowhere.
    virtual void pushed_from_outside() noexcept = 0;

    // Set from the first push until the executor has drained the queue.
    bool active_ = false;

private:
    // Null for the first task.
    Header* find_predecessor(std::size_t position) noexcept {
        Header* predecessor = nullptr;
        for (; position > 0; --position) predecessor = predecessor ? predecessor->next_ready : head_;
        return predecessor;
    }

    Task take_after(Header* predecessor) noexcept {
        Header*& link = predecessor ? predecessor->next_ready : head_;
        Header* header = link;
        link = header->next_ready;
        if (tail_ == header) tail_ = predecessor;
        return Task(*header);
    }

    Header* head_ = nullptr;
    Header* tail_ = nullptr;
    LocalExecutor* owner_;
};

}  // namespace ringlet

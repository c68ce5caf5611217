// What moves a task from state to state: wakes, the run, the end of references. All of it works on the
// type-erased Header; the future's own code is behind Header::vtable.
//
// Threads: owner thread only.
#pragma once

#include <ringlet/task/ready_queue.hpp>

namespace ringlet {

// The rare ends of a run and of a task (task/run.cpp).
void finish_completed(Header& task) noexcept;
void finish_cancelled(Header& task, bool completed) noexcept;
// For a task that has neither references nor handle.
void dispose(Header& task) noexcept;
// Drops the future of a task that does not run, at once: cancelled in its queue, or its executor ends.
void close_now(Header& task) noexcept;

// Waking twice runs once; waking a task that runs makes it run again; waking a finished one does nothing.
inline void wake_task(Header& task) noexcept {
    if (task.has(state::SCHEDULED | state::COMPLETED | state::CLOSED)) return;
    task.move_to(task.flags | state::SCHEDULED);
    if (task.has(state::RUNNING)) return;  // Task::run sees the flag and passes its reference on
    ++task.references;
    task.queue->push(Task(task));
}

// The last reference of a task that nobody waits for frees it.
inline void release_reference(Header& task) noexcept {
    RINGLET_CHECK(task.references > 0, "a task's reference was given up twice");
    if (--task.references == 0 && !task.has(state::HANDLE)) dispose(task);
}

// The task of a waker that is called. A wake that pushes nothing is checked too, in builds with
// RINGLET_CHECKED.
inline Header& woken(void* data) noexcept {
    Header& task = *static_cast<Header*>(data);
#if defined(RINGLET_CHECKED)
    if (!task.has(state::COMPLETED | state::CLOSED)) task.queue->check_thread();
#endif
    return task;
}

inline constexpr WakerVTable task_waker_vtable = {
    .clone = [](void* data) noexcept -> void* {
        ++static_cast<Header*>(data)->references;
        return data;
    },
    .wake =
        [](void* data) noexcept {
            Header& task = woken(data);
            wake_task(task);
            release_reference(task);
        },
    .wake_by_ref = [](void* data) noexcept { wake_task(woken(data)); },
    .drop = [](void* data) noexcept { release_reference(*static_cast<Header*>(data)); },
};

// True if the future returned or threw.
inline bool poll_once(Header& task) noexcept {
    Waker borrowed(&task, task_waker_vtable);  // stands on the queue's reference, so it is not dropped
    Context context(borrowed);
    bool completed = task.vtable->poll(task, context);
    borrowed.forget();
    return completed;
}

inline Task::~Task() {
    if (!header_) return;
    RINGLET_CHECK(!header_->is_linked(), "a ready task was dropped before its future");
    release_reference(*header_);
}

inline void Task::run() && {
    Header& task = *std::exchange(header_, nullptr);
    if (task.has(state::CLOSED)) {
        close_now(task);
        return release_reference(task);
    }
    task.move_to(task.flags ^ (state::SCHEDULED | state::RUNNING));
    bool completed = poll_once(task);
    if (task.has(state::CLOSED)) {
        finish_cancelled(task, completed);
    } else if (completed) {
        finish_completed(task);
    } else {
        task.move_to(task.flags & ~state::RUNNING);
        if (task.has(state::SCHEDULED)) return task.queue->push(Task(task));
    }
    release_reference(task);
}

}  // namespace ringlet

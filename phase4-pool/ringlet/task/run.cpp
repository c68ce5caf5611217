#include <ringlet/task/run.hpp>

namespace ringlet {

void finish_completed(Header& task) noexcept {
    task.unlink();
    if (task.has(state::HANDLE)) {
        task.move_to(state::COMPLETED | state::HANDLE);
        task.wake_awaiter();
    } else {
        task.move_to(state::COMPLETED | state::CLOSED);
        task.vtable->drop_output(task);
    }
}

// Cancelled from inside its own poll. The awaiter is told last, when future or output are gone.
void finish_cancelled(Header& task, bool completed) noexcept {
    task.unlink();
    if (completed) {
        task.vtable->drop_output(task);
    } else {
        task.vtable->drop_future(task);
    }
    task.move_to(task.flags & ~(state::RUNNING | state::SCHEDULED));
    task.wake_awaiter();
}

void dispose(Header& task) noexcept {
    if (task.has(state::COMPLETED | state::CLOSED)) return task.vtable->deallocate(task);
    // The future lives, but nobody can wake it any more. Its destructor runs as all of a task's code
    // does, from the queue, and not inside whatever dropped the last waker.
    task.move_to(state::SCHEDULED | state::CLOSED);
    task.references = 1;
    task.queue->push(Task(task));
}

void close_now(Header& task) noexcept {
    // The future's destructor may drop wakers and the handle of this very task.
    ++task.references;
    task.move_to((task.flags | state::CLOSED) & ~state::SCHEDULED);
    task.unlink();
    task.vtable->drop_future(task);
    task.wake_awaiter();
    release_reference(task);
}

}  // namespace ringlet

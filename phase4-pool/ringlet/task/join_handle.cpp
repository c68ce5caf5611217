#include <ringlet/task/join_handle.hpp>

namespace ringlet {

void detach_task(Header& task) noexcept {
    // Another task's waker may be the last reference to that task: let go of it when this one is settled.
    Waker awaiter = std::move(task.awaiter);
    // The output's destructor may drop the last waker of this very task.
    ++task.references;
    if (task.has(state::COMPLETED) && !task.has(state::CLOSED)) {
        task.move_to(state::COMPLETED | state::CLOSED);
        task.vtable->drop_output(task);
    } else {
        task.move_to(task.flags & ~state::HANDLE);
    }
    release_reference(task);
}

void cancel_task(Header& task) noexcept {
    if (task.has(state::COMPLETED | state::CLOSED)) return;
    bool queued = task.has(state::SCHEDULED | state::RUNNING);
    task.move_to(task.flags | state::CLOSED | (queued ? 0 : state::SCHEDULED));
    if (queued) return;
    ++task.references;
    task.queue->push(Task(task));
}

}  // namespace ringlet

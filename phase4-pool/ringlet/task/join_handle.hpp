// JoinHandle<T>: what the spawner holds. Await it for the task's output, cancel the task, or let it go.
//
// Threads: owner thread only. May outlive the executor: the task then counts as cancelled.
#pragma once

#include <ringlet/future/future.hpp>
#include <ringlet/task/run.hpp>

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace ringlet {

// The handle's part in a task's state (task/join_handle.cpp).
void detach_task(Header& task) noexcept;
void cancel_task(Header& task) noexcept;

// What awaiting a handle gives: empty (false) if the task was cancelled.
template <class T>
using Joined = std::conditional_t<std::is_void_v<T>, bool, std::optional<Stored<T>>>;

template <class T>
class [[nodiscard]] JoinHandle {
public:
    using Output = Joined<T>;

    explicit JoinHandle(Header& task) noexcept : task_(&task) {}
    JoinHandle(JoinHandle&& other) noexcept : task_(std::exchange(other.task_, nullptr)) {}
    JoinHandle& operator=(JoinHandle&& other) noexcept {
        std::swap(task_, other.task_);
        return *this;
    }
    ~JoinHandle() {
        if (task_) detach_task(*task_);
    }

    // The task runs on by itself; its output is dropped, its exception reported.
    void detach() && noexcept {
        RINGLET_CHECK(task_, "an empty JoinHandle was detached");
        detach_task(*std::exchange(task_, nullptr));
    }

    // Ends the task: its future is dropped when the executor comes to it, or at the end of its poll if it
    // cancels itself. A task that has completed keeps its output. Await the handle to know which it was,
    // and that the future is gone.
    void cancel() noexcept {
        RINGLET_CHECK(task_, "an empty JoinHandle was cancelled");
        cancel_task(*task_);
    }

    // Completed, or cancelled with its future gone: poll would be ready.
    bool is_finished() const noexcept {
        RINGLET_CHECK(task_, "an empty JoinHandle was asked");
        return task_->has(state::COMPLETED | state::CLOSED) && !task_->has(state::SCHEDULED | state::RUNNING);
    }

    // Throws what the task threw.
    Poll<Output> poll(Context& context) {
        RINGLET_CHECK(task_, "an empty JoinHandle was awaited");
        if (!is_finished()) {
            task_->awaiter.remember(context.waker());
            return pending;
        }
        if (task_->has(state::CLOSED)) return Output();
        task_->move_to(task_->flags | state::CLOSED);
        if (task_->threw) std::rethrow_exception(take<std::exception_ptr>());
        Stored<T> output = take<Stored<T>>();
        if constexpr (std::is_void_v<T>) {
            return true;
        } else {
            return Output(std::move(output));
        }
    }

private:
    template <class Body>
    Body take() noexcept {
        auto* body =
            reinterpret_cast<Body*>(reinterpret_cast<std::byte*>(task_) + task_->vtable->body_offset);
        Body taken = std::move(*body);
        std::destroy_at(body);
        return taken;
    }

    Header* task_;
};

}  // namespace ringlet

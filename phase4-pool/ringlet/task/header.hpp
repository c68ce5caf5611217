// The type-erased part of a task, first in its one allocation. Future and output follow
// (task/raw_task.hpp); what may be done with a task is in task/task.hpp and task/join_handle.hpp.
//
// Threads: owner thread only. The memory may outlive the executor: a waker or a JoinHandle keeps it.
#pragma once

#include <ringlet/base/intrusive_list.hpp>
#include <ringlet/future/waker.hpp>
#include <ringlet/task/state.hpp>

#include <cstddef>
#include <cstdint>

#if defined(RINGLET_CHECKED)
#include <ringlet/task/state_log.hpp>
#endif

namespace ringlet {

class ReadyQueue;
struct Header;

// What depends on the type of the future.
struct TaskVTable {
    // Polls the future. True: it returned or threw, and output or error has taken its place.
    bool (*poll)(Header& header, Context& context) noexcept;
    void (*drop_future)(Header& header) noexcept;
    // Drops output or error; an error is reported, since nobody has seen it.
    void (*drop_output)(Header& header) noexcept;
    // Frees the memory. Future and output are gone by now.
    void (*deallocate)(Header& header) noexcept;
    // From the header to future, output or error, which share one place.
    std::size_t body_offset;
};

// As a ListNode: on the executor's list of tasks whose future lives.
struct Header : ListNode {
    Header(const TaskVTable& type, ReadyQueue& ready_queue) noexcept : vtable(&type), queue(&ready_queue) {}

    const TaskVTable* vtable;
    ReadyQueue* queue;             // outlives the future, not the task: unused once COMPLETED or CLOSED
    Header* next_ready = nullptr;  // in `queue`, while SCHEDULED and not RUNNING
    state::Flags flags = state::BORN;
    bool threw = false;            // the future ended with an exception
    std::uint32_t references = 1;  // the queue's and the wakers'
    Waker awaiter;                 // whoever awaits the JoinHandle

    bool has(state::Flags any) const noexcept { return (flags & any) != 0; }

    void move_to(state::Flags to) noexcept {
#if defined(RINGLET_CHECKED)
        state::log_move(flags, to);
#endif
        flags = to;
    }

    void wake_awaiter() noexcept {
        if (awaiter) Waker(std::move(awaiter)).wake();
    }
};

static_assert(sizeof(Header) == 64, "one cache line on x86-64");

}  // namespace ringlet

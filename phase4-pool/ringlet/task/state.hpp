// The state of a task: five flags and the table of the moves that are allowed between them. Whatever
// changes a state goes through Header::move_to (task/header.hpp); builds with RINGLET_CHECKED record
// each move and abort on one that is not in the table, and a test fails on one that was never seen.
//
// References are counted apart: one for the queue while the task is SCHEDULED or RUNNING, one for each
// waker. The JoinHandle is the HANDLE flag and not a reference, so that "nobody can ever wake this task
// again" is simply a count of zero. Memory goes when the count is zero and HANDLE is off.
#pragma once

#include <cstdint>

namespace ringlet::state {

using Flags = std::uint16_t;

// In its queue, or to be put there when the poll under way ends. Set by spawn, by a wake, by cancel();
// cleared when the executor takes the task up. Excludes COMPLETED.
inline constexpr Flags SCHEDULED = 1 << 0;

// Its future is being polled. Set and cleared by run(). A wake meanwhile sets SCHEDULED as well, and the
// task goes back to its queue afterwards. Excludes COMPLETED.
inline constexpr Flags RUNNING = 1 << 1;

// The future returned or threw: it is gone, and output or error stands in its place until CLOSED is set.
// Set by run(), never cleared.
inline constexpr Flags COMPLETED = 1 << 2;

// Nobody will get an output any more: cancelled, or the output was taken or dropped. Set by cancel(), by
// the JoinHandle when it takes the output, by run() when it completes a task without a handle, when the
// last waker of a task without a handle is dropped, by the executor's end. Never cleared; a wake of a
// closed task does nothing. With SCHEDULED or RUNNING: the future still lives and is about to be dropped.
inline constexpr Flags CLOSED = 1 << 3;

// The JoinHandle exists. Set by spawn, cleared when the handle is dropped or detached.
inline constexpr Flags HANDLE = 1 << 4;

// A task is born scheduled, with its handle: 17.
inline constexpr Flags BORN = SCHEDULED | HANDLE;

// One allowed move, with or without HANDLE on both sides unless `handle` says which.
struct Move {
    enum Handle : std::uint8_t { EITHER, KEPT, ABSENT, DROPPED };

    Flags from;
    Flags to;
    Handle handle;
    const char* event;
};

inline constexpr Move moves[] = {
    // The executor takes the task up, and the poll ends in one of five ways.
    {SCHEDULED, RUNNING, Move::EITHER, "run"},
    {RUNNING, 0, Move::EITHER, "pending"},
    {RUNNING | SCHEDULED, SCHEDULED, Move::EITHER, "pending, woken meanwhile: back to the queue"},
    {RUNNING, COMPLETED, Move::KEPT, "completed: the output waits for the handle"},
    {RUNNING | SCHEDULED, COMPLETED, Move::KEPT, "completed, woken meanwhile"},
    {RUNNING, COMPLETED | CLOSED, Move::ABSENT, "completed: nobody wants the output"},
    {RUNNING | SCHEDULED, COMPLETED | CLOSED, Move::ABSENT, "completed unwanted, woken meanwhile"},
    {RUNNING | CLOSED, CLOSED, Move::EITHER, "cancelled meanwhile: future or output dropped"},
    {RUNNING | SCHEDULED | CLOSED, CLOSED, Move::EITHER, "woken and cancelled meanwhile"},
    {SCHEDULED | CLOSED, CLOSED, Move::EITHER, "taken up cancelled: future dropped unpolled"},
    // A waker is called.
    {0, SCHEDULED, Move::EITHER, "wake"},
    {RUNNING, RUNNING | SCHEDULED, Move::EITHER, "wake while running"},
    // The handle cancels. The task is scheduled, so that its future is dropped by the executor.
    {0, SCHEDULED | CLOSED, Move::KEPT, "cancel while waiting"},
    {SCHEDULED, SCHEDULED | CLOSED, Move::KEPT, "cancel while scheduled"},
    {RUNNING, RUNNING | CLOSED, Move::KEPT, "cancel while running"},
    {RUNNING | SCHEDULED, RUNNING | SCHEDULED | CLOSED, Move::KEPT, "cancel while running and woken"},
    // The handle takes the output.
    {COMPLETED, COMPLETED | CLOSED, Move::KEPT, "output taken"},
    // The handle is dropped or detached.
    {0, 0, Move::DROPPED, "detach while waiting"},
    {SCHEDULED, SCHEDULED, Move::DROPPED, "detach while scheduled"},
    {RUNNING, RUNNING, Move::DROPPED, "detach while running"},
    {RUNNING | SCHEDULED, RUNNING | SCHEDULED, Move::DROPPED, "detach while running and woken"},
    {COMPLETED, COMPLETED | CLOSED, Move::DROPPED, "detach when completed: output dropped"},
    {CLOSED, CLOSED, Move::DROPPED, "detach when cancelled"},
    {COMPLETED | CLOSED, COMPLETED | CLOSED, Move::DROPPED, "detach after the output was taken"},
    {SCHEDULED | CLOSED, SCHEDULED | CLOSED, Move::DROPPED, "detach right after cancel"},
    {RUNNING | CLOSED, RUNNING | CLOSED, Move::DROPPED, "detach in the run that cancels"},
    {RUNNING | SCHEDULED | CLOSED, RUNNING | SCHEDULED | CLOSED, Move::DROPPED,
     "detach, woken and cancelled"},
    // Nobody is left who could wake the task or wait for it.
    {0, SCHEDULED | CLOSED, Move::ABSENT, "last waker dropped: to be reclaimed"},
    // The executor ends and drops the futures of all tasks that live.
    {0, CLOSED, Move::EITHER, "executor gone while waiting"},
    {SCHEDULED, CLOSED, Move::EITHER, "executor gone while scheduled"},
};

}  // namespace ringlet::state

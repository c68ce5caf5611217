// What a task queue has used and waited, since it was created.
#pragma once

#include <ringlet/base/clock.hpp>

#include <cstdint>

namespace ringlet {

struct QueueStats {
    Duration runtime{};             // of its tasks
    std::uint64_t turns = 0;        // of the queue
    std::uint64_t polls = 0;        // of its tasks
    std::uint64_t preemptions = 0;  // turns that ended because need_preempt() was true

    void count_turn(int tasks_polled, bool preempted) noexcept {
        ++turns;
        polls += static_cast<std::uint64_t>(tasks_polled);
        preemptions += preempted;
    }
};

}  // namespace ringlet

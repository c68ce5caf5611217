// What a task queue has used and waited, and what its executor has done, since they were created.
#pragma once

#include <ringlet/base/histogram.hpp>
#include <ringlet/executor/parker.hpp>

#include <cstdint>
#include <optional>

namespace ringlet {

struct QueueStats {
    Duration runtime{};             // of its tasks
    std::uint64_t turns = 0;        // of the queue
    std::uint64_t polls = 0;        // of its tasks
    std::uint64_t preemptions = 0;  // turns that ended because need_preempt() was true

    std::uint64_t stalls = 0;  // turns that the stall detector has reported

    void count_turn(int tasks_polled, bool preempted) noexcept {
        ++turns;
        polls += static_cast<std::uint64_t>(tasks_polled);
        preemptions += preempted;
    }
};

// From the moment a task came into the idle queue to the queue's next turn.
struct WakeToRun {
    Histogram histogram;
    std::optional<CycleTime> woken;  // and no turn since
};

struct ExecutorStats : ParkStats {
    std::uint64_t turns = 0;  // of the loop: each looks for work and runs one queue
};

}  // namespace ringlet

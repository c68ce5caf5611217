// Latency: whether the tasks of a queue may wait while another queue uses up its slice.
#pragma once

#include <ringlet/base/check.hpp>
#include <ringlet/base/clock.hpp>

namespace ringlet {

class Latency {
public:
    struct NotImportant {};
    // Once a task of the queue is ready, because of I/O, a timer or another task, it runs within `bound`,
    // plus what the running task takes to its next yield_if_needed(). Not a larger share: a queue that has
    // used more than its due waits as others do, but for `bound` ahead of its turn.
    struct Matters {
        Duration bound;
    };

    Latency() = default;
    Latency(NotImportant) {}
    Latency(Matters matters) : bound_(matters.bound) {
        RINGLET_CHECK(bound_ > Duration::zero(), "a latency bound must be above zero");
    }

    bool matters() const noexcept { return bound_ != Duration::max(); }
    Duration bound() const noexcept { return bound_; }

private:
    Duration bound_ = Duration::max();
};

}  // namespace ringlet

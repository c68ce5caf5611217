#include <ringlet/reactor/preempt_timer.hpp>

#include <algorithm>

namespace ringlet {

void PreemptTimer::arm(RingDriver& latency, CycleTime now, CycleTime until) {
    RINGLET_CHECK(!is_armed() || until < until_, "the preempt timer was put off");
    until_ = until;
    // At least a microsecond: a timeout of nothing at all would end before it is submitted.
    Duration wait = std::max<Duration>(until - now, std::chrono::microseconds(1));
    auto seconds = std::chrono::duration_cast<std::chrono::seconds>(wait);
    wait_ = {.tv_sec = seconds.count(), .tv_nsec = (wait - seconds).count()};
    if (is_armed()) {
        latency.update_timeout(*this, wait_);
    } else {
        latency.submit(*this);
    }
    latency.flush();
}

void PreemptTimer::prepare(io_uring_sqe& entry) noexcept { io_uring_prep_timeout(&entry, &wait_, 0, 0); }

}  // namespace ringlet

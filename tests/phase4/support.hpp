// What the suites of phase 4 share, on top of phase 3's: pools, and what other threads open.
#pragma once

#include "../phase3/support.hpp"

#include <ringlet/executor/foreign_waker.hpp>
#include <ringlet/pool/executor_pool.hpp>

#include <atomic>
#include <mutex>
#include <sched.h>

namespace support {

// An event that any thread opens. One task at a time waits for it.
class ForeignEvent {
public:
    // Ready once it is open.
    auto wait() {
        return poll_fn([this](Context& context) -> Poll<void> {
            std::lock_guard lock(mutex_);
            if (is_open_) return Unit{};
            if (!waker_) waker_ = ForeignWaker(context.waker());
            return pending;
        });
    }

    void open() {
        ForeignWaker waker;
        {
            std::lock_guard lock(mutex_);
            is_open_ = true;
            waker = std::move(waker_);
        }
        waker.wake();
    }

    // A task waits.
    bool is_awaited() {
        std::lock_guard lock(mutex_);
        return static_cast<bool>(waker_);
    }
    ForeignWaker take_waker() {
        std::lock_guard lock(mutex_);
        return std::move(waker_);
    }

private:
    std::mutex mutex_;
    bool is_open_ = false;
    ForeignWaker waker_;
};

template <class Done>
void wait_until(Done done) {
    while (!done()) std::this_thread::yield();
}

// On how many CPUs the calling thread may run.
inline std::size_t cpus_of_this_thread() {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) throw std::runtime_error("sched_getaffinity");
    return static_cast<std::size_t>(CPU_COUNT(&set));
}

// A pool of unbound shards; throws what the builder says.
template <class Fn>
auto start_pool(unsigned shards, Fn fn) {
    auto pool = LocalExecutorPoolBuilder(PoolPlacement::Unbound{shards}).on_all_shards(std::move(fn));
    if (!pool) throw std::runtime_error(pool.error().text);
    return std::move(*pool);
}

}  // namespace support

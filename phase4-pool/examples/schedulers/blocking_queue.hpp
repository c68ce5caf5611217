// Jobs in line, and a sleep for who finds none: all of the shared queue, and one core's part of a queue per
// core. Any thread.
#pragma once

#include "scheduler.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>

namespace schedulers {

class BlockingQueue {
public:
    void push(Job job) {
        {
            std::lock_guard lock(mutex_);
            RINGLET_CHECK(!is_closed_, "no job is submitted after stop()");
            jobs_.push_back(std::move(job));
        }
        wake_.notify_one();  // no system call if nobody sleeps
    }

    // Waits for a job, and adds the time asleep to `idle`. None: closed, and nothing is left.
    // No wake is lost: whoever decides to sleep holds the mutex from the look into the queue until it sleeps.
    std::optional<Job> pop(Duration& idle) {
        std::unique_lock lock(mutex_);
        if (jobs_.empty() && !is_closed_) {
            Time asleep_since = Clock::now();
            wake_.wait(lock, [this] { return !jobs_.empty() || is_closed_; });
            idle += Clock::now() - asleep_since;
        }
        if (jobs_.empty()) return std::nullopt;
        Job job = std::move(jobs_.front());
        jobs_.pop_front();
        return job;
    }

    void close() {
        {
            std::lock_guard lock(mutex_);
            is_closed_ = true;
        }
        wake_.notify_all();
    }

private:
    std::mutex mutex_;
    std::condition_variable wake_;
    // Under the mutex:
    std::deque<Job> jobs_;
    bool is_closed_ = false;
};

}  // namespace schedulers

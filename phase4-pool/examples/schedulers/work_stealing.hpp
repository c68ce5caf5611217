// A queue for each worker, and who finds its own empty takes a job from another's. Almost as private as a
// queue per core while all are busy, and no core is idle while a job waits.
//
// The oldest job is taken first, by its owner and by thieves: these are requests, and p99 counts. (A pool for
// divide and conquer lets the owner take the newest, whose data are warm.) A thief takes one job at a time.
//
// Each queue has a mutex. The price: two locks per job, almost always free. A Chase-Lev
// deque spares its owner both, but only the owner may push to it: jobs from other threads would need an inbox
// beside it, and a growing buffer a way to know when no thief reads the old one.
//
// The hard part is to sleep: a worker has looked into every queue, and a job comes into one of them behind
// its back. So it says that it sleeps, looks again, and only then sleeps; a submitter pushes, and then looks
// who sleeps. One of the two sees the other, as both go through the mutex of that queue: if the submitter was
// there first, the worker finds the job; if the worker was there first, what it said is seen. (With queues
// that have no lock, both would need a fence.)
#pragma once

#include "scheduler.hpp"

#include <ringlet/base/hook.hpp>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>

namespace schedulers {

class WorkStealing final : public Scheduler {
public:
    explicit WorkStealing(unsigned workers) : Scheduler(workers), workers_(workers) {}

    const char* name() const override { return "work stealing"; }

    void submit(unsigned home, Job job) override {
        RINGLET_CHECK(!is_closed_, "no job is submitted after stop()");
        {
            std::lock_guard lock(workers_[home].mutex);
            workers_[home].jobs.push_back(std::move(job));
        }
        wake_one(home);
    }

protected:
    std::optional<Job> take(unsigned me, WorkerStats& stats) override {
        while (true) {
            if (auto job = find(me, stats)) return job;
            ringlet::hook::point("work stealing: found nothing");
            Worker& worker = workers_[me];
            worker.is_asleep = true;
            bool was_closed = is_closed_;
            if (auto job = find(me, stats)) {
                ringlet::hook::point("work stealing: found a job after all");
                // Whoever cleared the flag has another job in mind, which this worker is now too busy for.
                if (!worker.is_asleep.exchange(false)) wake_one(me);
                return job;
            }
            if (was_closed) return std::nullopt;
            stats.idle += sleep(worker);
        }
    }

    void close() override {
        is_closed_ = true;
        for (Worker& worker : workers_) wake(worker);
    }

private:
    struct alignas(64) Worker {  // no cache line belongs to two workers
        std::mutex mutex;
        std::deque<Job> jobs;  // under the mutex
        std::condition_variable woken;
        // Set by the worker before its last look; cleared by whoever wakes it, or by itself on finding a job.
        std::atomic<bool> is_asleep = false;
    };

    // The oldest job of the own queue, else of the next one that has any.
    std::optional<Job> find(unsigned me, WorkerStats& stats) {
        for (unsigned i = 0; i < workers(); ++i) {
            Worker& owner = workers_[(me + i) % workers()];
            std::lock_guard lock(owner.mutex);
            if (owner.jobs.empty()) continue;
            Job job = std::move(owner.jobs.front());
            owner.jobs.pop_front();
            stats.stolen += i > 0;
            return job;
        }
        return std::nullopt;
    }

    // One for each job: its home if that sleeps, else the next one that does.
    void wake_one(unsigned home) {
        for (unsigned i = 0; i < workers(); ++i) {
            if (wake(workers_[(home + i) % workers()])) return;
        }
    }

    // False if it is awake.
    static bool wake(Worker& worker) {
        if (!worker.is_asleep || !worker.is_asleep.exchange(false)) return false;
        std::lock_guard lock(worker.mutex);  // it has not looked at the flag yet, or it waits: not in between
        worker.woken.notify_one();
        return true;
    }

    // Until somebody clears the flag; how long that took.
    static Duration sleep(Worker& worker) {
        Time asleep_since = Clock::now();
        std::unique_lock lock(worker.mutex);
        worker.woken.wait(lock, [&worker] { return !worker.is_asleep; });
        return Clock::now() - asleep_since;
    }

    std::vector<Worker> workers_;
    std::atomic<bool> is_closed_ = false;
};

}  // namespace schedulers

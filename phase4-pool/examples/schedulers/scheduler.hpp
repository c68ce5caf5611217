// What three ways to share jobs among threads have in common: one worker thread per CPU, pinned, that takes a
// job, runs it, and sleeps when there is none. They differ in which worker takes which job, and that is all
// that shared_queue.hpp, queue_per_core.hpp and work_stealing.hpp say.
//
// This is for measuring, not a second runtime. A job is a call that never waits; and its home means nothing
// to it, while in a real program a job that stays at home finds its data in the cache and needs no lock.
//
// Threads: submit() from any thread, jobs included; start() and stop() from one. The scheduler outlives both.
#pragma once

#include <ringlet/base/check.hpp>
#include <ringlet/base/clock.hpp>
#include <ringlet/executor/placement.hpp>

#include <cstdint>
#include <ctime>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

namespace schedulers {

using ringlet::Clock;
using ringlet::Duration;
using ringlet::Time;

// Called once, with the number of the worker that runs it. It does not throw.
using Job = std::move_only_function<void(unsigned worker)>;

// CPU time of the calling thread.
inline Duration thread_cpu_time() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + Duration(time.tv_nsec);
}

// Written by its worker, on a cache line of its own; read after stop().
struct alignas(64) WorkerStats {
    std::uint64_t jobs = 0;
    std::uint64_t stolen = 0;  // of these, from another worker's queue
    Duration alive{};          // from the thread's start to its end
    Duration idle{};           // asleep because there was no job, until it ran again
    Duration cpu{};            // on a CPU

    // Neither asleep nor on a CPU: another thread had it.
    Duration preempted() const { return std::max(alive - idle - cpu, Duration::zero()); }
};

class Scheduler {
public:
    explicit Scheduler(unsigned workers) : stats_(workers) {
        RINGLET_CHECK(workers > 0, "somebody has to work");
    }
    Scheduler(const Scheduler&) = delete;
    Scheduler& operator=(const Scheduler&) = delete;
    virtual ~Scheduler() { RINGLET_CHECK(threads_.empty(), "a scheduler is stopped before it is destroyed"); }

    virtual const char* name() const = 0;

    // The job belongs to worker `home`; whether another may run it is what the schedulers differ in. Wakes a
    // sleeping worker that may. Not after stop() was called.
    virtual void submit(unsigned home, Job job) = 0;

    void start() {
        for (unsigned me = 0; me < workers(); ++me) threads_.emplace_back([this, me] { work(me); });
    }

    // Returns when every job has run.
    void stop() {
        close();
        for (std::thread& thread : threads_) thread.join();
        threads_.clear();
    }

    unsigned workers() const { return static_cast<unsigned>(stats_.size()); }
    const std::vector<WorkerStats>& stats() const { return stats_; }

protected:
    // The next job for worker `me`, who sleeps until there is one. None: after close(), when nothing is left.
    virtual std::optional<Job> take(unsigned me, WorkerStats& stats) = 0;
    // No job will come any more: wakes all who sleep.
    virtual void close() = 0;

private:
    void work(unsigned me) {
        const std::vector<unsigned>& cpus = ringlet::allowed_cpus();
        auto pinned = ringlet::Placement::Fixed{cpus[me % cpus.size()]};
        RINGLET_CHECK(ringlet::Placement(pinned).apply_to_this_thread(), "a worker lost its CPU");
        Time begun = Clock::now();
        while (std::optional<Job> job = take(me, stats_[me])) {
            (*job)(me);
            ++stats_[me].jobs;
        }
        stats_[me].alive = Clock::now() - begun;
        stats_[me].cpu = thread_cpu_time();
    }

    std::vector<WorkerStats> stats_;
    std::vector<std::thread> threads_;
};

}  // namespace schedulers

// Two ways to put a load on a scheduler, because one cannot tell both things:
//
// - closed, for throughput: a fixed number of jobs in flight; who ends one submits the next. The workers do
//   all of it, so no other thread takes CPU from them. Latency means nothing here: more in flight, more of
//   it.
// - paced, for latency: jobs arrive when they are due, whether or not the ones before are done, and latency
//   counts from then, so that time in line counts, and time for which the pacing thread itself was late. It
//   sleeps from one arrival to the next, on any CPU, and asks to be scheduled before the workers (SCHED_FIFO,
//   which takes root or CAP_SYS_NICE). It may be late all the same: how late, and what CPU it took, is
//   measured, and p99 means little where that is as long as a job.
#pragma once

#include "load.hpp"

#include <atomic>
#include <cerrno>
#include <latch>
#include <sched.h>
#include <string>
#include <sys/prctl.h>

namespace schedulers {

// One job's way; written by the worker that ran it.
struct Trip {
    Duration begun;  // all from the start of the run
    Duration ended;
    unsigned worker;
};

struct Run {
    std::string scheduler;
    std::vector<Trip> trips;
    std::vector<WorkerStats> workers;
    Duration length{};  // from the first submission to the last job's end
    // Paced only:
    std::vector<Duration> latencies;  // ascending
    std::vector<Duration> delays;     // of the pacing thread, ascending
    Duration pacer_cpu{};

    double jobs_per_second() const {
        return static_cast<double>(trips.size()) / std::chrono::duration<double>(length).count();
    }
    unsigned long long stolen() const {
        unsigned long long sum = 0;
        for (const WorkerStats& worker : workers) sum += worker.stolen;
        return sum;
    }
};

inline Duration quantile(const std::vector<Duration>& ascending, double part) {
    return ascending[static_cast<std::size_t>(part * static_cast<double>(ascending.size() - 1))];
}

// Jobs on their way through a scheduler, from start() to stop().
class Measurement {
public:
    Measurement(Scheduler& scheduler, const std::vector<unsigned>& homes, Burn burn)
        : scheduler_(scheduler), homes_(homes), burn_(burn), unfinished_(std::ssize(homes)) {
        run_.trips.resize(homes.size());
        scheduler.start();
        begun_ = Clock::now();
    }

    Run closed(std::size_t in_flight) {
        for (std::size_t i = 0; i < in_flight; ++i) submit_next();
        return finish();
    }

    Run paced(const std::vector<Duration>& arrivals) {
        std::thread([this, &arrivals] { pace(arrivals); }).join();
        Run run = finish();
        for (std::size_t i = 0; i < arrivals.size(); ++i) {
            run.latencies.push_back(run.trips[i].ended - arrivals[i]);
        }
        std::ranges::sort(run.latencies);
        std::ranges::sort(run.delays);
        return run;
    }

private:
    void submit_next() {
        std::size_t i = submitted_++;
        if (i >= homes_.size()) return;
        scheduler_.submit(homes_[i], [this, i](unsigned worker) {
            run_job(i, worker);
            submit_next();  // before this one is counted: after the last there is no submission
            unfinished_.count_down();
        });
    }

    void pace(const std::vector<Duration>& arrivals) {
        sched_param priority{.sched_priority = 1};
        bool is_punctual = sched_setscheduler(0, SCHED_FIFO, &priority) == 0;
        if (!is_punctual) prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);  // in ns; without, it sleeps 50 us too long
        for (std::size_t i = 0; i < arrivals.size(); ++i) {
            sleep_until(begun_ + arrivals[i]);
            run_.delays.push_back(Clock::now() - begun_ - arrivals[i]);
            scheduler_.submit(homes_[i], [this, i](unsigned worker) {
                run_job(i, worker);
                unfinished_.count_down();
            });
        }
        run_.pacer_cpu = thread_cpu_time();
    }

    void run_job(std::size_t i, unsigned worker) {
        Time begun = Clock::now();
        burn_();
        run_.trips[i] = {begun - begun_, Clock::now() - begun_, worker};
    }

    Run finish() {
        unfinished_.wait();
        scheduler_.stop();
        run_.scheduler = scheduler_.name();
        run_.workers = scheduler_.stats();
        for (const Trip& trip : run_.trips) run_.length = std::max(run_.length, trip.ended);
        return std::move(run_);
    }

    static void sleep_until(Time due) {
        auto ns = due.time_since_epoch().count();
        timespec time{ns / 1'000'000'000, ns % 1'000'000'000};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr) == EINTR) {
        }
    }

    Scheduler& scheduler_;
    const std::vector<unsigned>& homes_;
    Burn burn_;
    Time begun_;
    Run run_;
    std::atomic<std::size_t> submitted_ = 0;
    std::latch unfinished_;
};

}  // namespace schedulers

// A queue for each worker: a job runs at home, always, as on the executors of a pool that share nothing. No
// two workers touch the same lock. The price: one has jobs in line while its neighbour sleeps.
#pragma once

#include "blocking_queue.hpp"

namespace schedulers {

class QueuePerCore final : public Scheduler {
public:
    explicit QueuePerCore(unsigned workers) : Scheduler(workers), lines_(workers) {}

    const char* name() const override { return "queue per core"; }
    void submit(unsigned home, Job job) override { lines_[home].queue.push(std::move(job)); }

protected:
    std::optional<Job> take(unsigned me, WorkerStats& stats) override {
        return lines_[me].queue.pop(stats.idle);
    }
    void close() override {
        for (Line& line : lines_) line.queue.close();
    }

private:
    struct alignas(64) Line {  // no cache line belongs to two workers
        BlockingQueue queue;
    };

    std::vector<Line> lines_;
};

}  // namespace schedulers

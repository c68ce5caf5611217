// One queue for all workers. No core is idle while a job waits, whatever its home. The price: every submit
// and every take, on all cores, goes through one lock and its cache lines.
#pragma once

#include "blocking_queue.hpp"

namespace schedulers {

class SharedQueue final : public Scheduler {
public:
    using Scheduler::Scheduler;

    const char* name() const override { return "shared queue"; }
    void submit(unsigned, Job job) override { queue_.push(std::move(job)); }

protected:
    std::optional<Job> take(unsigned, WorkerStats& stats) override { return queue_.pop(stats.idle); }
    void close() override { queue_.close(); }

private:
    BlockingQueue queue_;
};

}  // namespace schedulers

#include <ringlet/pool/blocking_pool.hpp>

#include <ringlet/base/notice.hpp>
#include <ringlet/executor/local_executor.hpp>
#include <ringlet/task/report.hpp>

#include <csignal>
#include <pthread.h>
#include <system_error>

namespace ringlet {

void BlockingJob::arrive() noexcept {
    done_ = true;
    if (!abandoned_) return std::move(waker_).wake();
    if (error_) report_unhandled_exception(std::move(error_));
    delete this;
}

BlockingPool::~BlockingPool() {
    {
        std::lock_guard lock(mutex_);
        RINGLET_CHECK(queue_.empty(), "a BlockingPool was destroyed before a future that it gave out");
        ending_ = true;
    }
    has_work_.notify_all();
    for (std::thread& thread : threads_) thread.join();
}

unsigned BlockingPool::threads() noexcept {
    std::lock_guard lock(mutex_);
    return static_cast<unsigned>(threads_.size());
}

void BlockingPool::submit(BlockingJob& job) {
    Result<Unparker> home = require_executor().unparker();
    if (!home) throw std::system_error(home.error());
    std::lock_guard lock(mutex_);
    if (waiting_ >= idle_ && threads_.size() < threads_max_) start_thread();
    job.home_ = std::move(*home);
    queue_.push_back(job);
    ++waiting_;
    has_work_.notify_one();
}

// One that cannot be started is missed only if there is no other.
void BlockingPool::start_thread() {
    try {
        threads_.reserve(threads_max_);
        threads_.emplace_back([this] { work(); });
    } catch (...) {
        if (threads_.empty()) throw;
    }
}

void BlockingPool::abandon(BlockingJob& job) noexcept {
    bool is_out = job.home_.inbox() && !job.done_;
    if (is_out) {
        std::lock_guard lock(mutex_);
        if (!job.is_linked()) {
            job.abandoned_ = true;
            job.waker_ = Waker();
            return;
        }
        job.unlink();
        --waiting_;
    }
    delete &job;
}

void BlockingPool::work() noexcept {
    // Signals are for the program's own threads; its CPUs, not those of the thread that needed this one.
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    if (auto bound = placement_.apply_to_this_thread(); !bound) {
        notice_once("blocking pool", "a blocking thread runs anywhere: " + bound.error().text);
    }
    std::unique_lock lock(mutex_);
    while (true) {
        ++idle_;
        has_work_.wait(lock, [this] { return !queue_.empty() || ending_; });
        --idle_;
        if (queue_.empty()) return;
        BlockingJob& job = queue_.front();
        job.unlink();
        --waiting_;
        lock.unlock();
        job.run();
        // A copy: once it is posted, the job may be gone.
        if (Unparker home = job.home_; !home.post(job)) delete &job;
        lock.lock();
    }
}

}  // namespace ringlet

#include <ringlet/pool/blocking_pool.hpp>

#include <ringlet/base/notice.hpp>
#include <ringlet/executor/local_executor.hpp>
#include <ringlet/task/report.hpp>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <pthread.h>
#include <system_error>

namespace ringlet {

BlockingJob::~BlockingJob() {
    if (error_) report_unhandled_exception(std::move(error_));
}

void BlockingJob::arrive() noexcept {
    done_ = true;
    std::move(waker_).wake();
    release();
}

void BlockingJob::release() noexcept {
    if (holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

BlockingPool::BlockingPool(unsigned threads_max, Placement placement)
    : threads_max_(threads_max), placement_(std::move(placement)) {
    RINGLET_CHECK(threads_max > 0, "a blocking pool without threads would never run anything");
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

bool BlockingPool::is_on_own_thread() noexcept {
    std::lock_guard lock(mutex_);
    return std::ranges::find(threads_, std::this_thread::get_id(), &std::thread::get_id) != threads_.end();
}

void BlockingPool::submit(BlockingJob& job) {
    Result<Unparker> home = require_executor().unparker();
    if (!home) throw std::system_error(home.error());
    RINGLET_CHECK(home->inbox(), "this executor's parker cannot be woken by other threads");
    std::lock_guard lock(mutex_);
    if (waiting_ >= idle_ && threads_.size() < threads_max_) start_thread();
    job.home_ = std::move(*home);
    job.holders_.fetch_add(1, std::memory_order_relaxed);
    queue_.push_back(job);
    ++waiting_;
    has_work_.notify_one();
}

// One that cannot be started is missed only if there is no other.
void BlockingPool::start_thread() {
    try {
        threads_.emplace_back([this] { work(); });
    } catch (...) {
        if (threads_.empty()) throw;
    }
}

void BlockingPool::abandon(BlockingJob& job) noexcept {
    job.waker_ = Waker();
    bool is_queued = false;
    {
        std::lock_guard lock(mutex_);
        is_queued = job.is_linked();
        if (is_queued) {
            job.unlink();
            --waiting_;
        }
    }
    if (is_queued) job.release();
    job.release();
}

void BlockingPool::place_this_thread() const noexcept {
    try {
        Placement::unbind_this_thread();
        if (auto bound = placement_.apply_to_this_thread(); !bound) {
            notice_once("blocking pool", "a blocking thread runs anywhere: " + bound.error().text);
        }
    } catch (const std::bad_alloc&) {
        std::fputs("ringlet: a blocking thread runs anywhere: out of memory\n", stderr);
    }
}

void BlockingPool::work() noexcept {
    // Signals are for the program's own threads; its CPUs, not those of the thread that needed this one.
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    place_this_thread();
    std::unique_lock lock(mutex_);
    ++idle_;
    while (true) {
        has_work_.wait(lock, [this] { return !queue_.empty() || ending_; });
        if (queue_.empty()) return;
        BlockingJob& job = queue_.front();
        job.unlink();
        --waiting_;
        --idle_;
        lock.unlock();
        job.run();
        // Idle from here on: who is told of the end may have the next function ready at once.
        lock.lock();
        ++idle_;
        lock.unlock();
        // A copy: once it is posted, the job may be gone.
        if (Unparker home = job.home_; !home.post(job)) job.release();
        lock.lock();
    }
}

}  // namespace ringlet

// BlockingPool: threads for what blocks and cannot be awaited otherwise: a library that waits, a system call
// that no ring knows, a long computation. An executor's task hands a function over and awaits its result.
//
// Threads: spawn() on any executor's thread; the pool is made and destroyed on any. Lifetimes: outlives the
// futures that it gave out.
#pragma once

#include <ringlet/base/intrusive_list.hpp>
#include <ringlet/executor/inbox.hpp>
#include <ringlet/executor/placement.hpp>
#include <ringlet/executor/unparker.hpp>
#include <ringlet/pool/called.hpp>

#include <atomic>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace ringlet {

class BlockingPool;

// A function on its way through the pool. As a ListNode: in the pool's queue.
class BlockingJob : public Message, public ListNode {
public:
    BlockingJob() noexcept = default;
    virtual ~BlockingJob();

    // Home thread only:
    bool is_done() const noexcept { return done_; }
    void set_waker(const Waker& waker) noexcept { waker_.remember(waker); }

protected:
    // On a thread of the pool.
    virtual void run() noexcept = 0;

    std::exception_ptr error_;

private:
    friend class BlockingPool;

    void arrive() noexcept override;
    void release() noexcept;

    // Home thread only:
    Unparker home_;
    Waker waker_;
    bool done_ = false;
    // Any thread (atomic): the future, and the pool until the job is home again.
    std::atomic<int> holders_ = 1;
};

class BlockingPool {
public:
    // Starts at most so many threads, each when it is needed and no other is idle; they run on all CPUs that
    // the process may use, unless told otherwise.
    explicit BlockingPool(unsigned threads_max, Placement placement = Placement::Fenced{allowed_cpus()});
    BlockingPool(const BlockingPool&) = delete;
    BlockingPool& operator=(const BlockingPool&) = delete;
    // Waits for the functions that are running.
    ~BlockingPool();

    template <class Fn>
    class [[nodiscard]] Blocking;

    // Calls `fn` on a thread of the pool. Await the result; what it throws is thrown there. Dropped before a
    // thread has begun, it does not run; dropped later, it runs on, its result is dropped and its exception
    // reported. Only the pool's destructor waits for that: what it borrows must outlive the pool, unless its
    // task is never dropped.
    template <class Fn>
    Blocking<std::decay_t<Fn>> spawn(Fn&& fn) {
        return {*this, std::decay_t<Fn>(std::forward<Fn>(fn))};
    }

    unsigned threads() noexcept;
    // The calling thread is one of them.
    bool is_on_own_thread() noexcept;

private:
    // Throws std::bad_alloc, and std::system_error if there can be no thread and no descriptor.
    void submit(BlockingJob& job);
    // The future is gone.
    void abandon(BlockingJob& job) noexcept;
    void work() noexcept;
    void place_this_thread() const noexcept;
    void start_thread();

    const unsigned threads_max_;
    const Placement placement_;
    // Guarded by mutex_:
    std::mutex mutex_;
    std::condition_variable has_work_;
    IntrusiveList<BlockingJob> queue_;
    std::vector<std::thread> threads_;
    unsigned idle_ = 0;
    unsigned waiting_ = 0;  // in queue_
    bool ending_ = false;
};

template <class Fn>
class [[nodiscard]] BlockingPool::Blocking {
public:
    using Output = std::invoke_result_t<Fn&>;

    Blocking(BlockingPool& pool, Fn&& fn) : job_(new Job(std::move(fn)), Abandon{pool}) {}

    Poll<Output> poll(Context& context) {
        if (job_->is_done()) return job_->take();
        job_->set_waker(context.waker());
        if (!submitted_) job_.get_deleter().pool.submit(*job_);
        submitted_ = true;
        return pending;
    }

private:
    class Job final : public BlockingJob {
    public:
        explicit Job(Fn&& fn) : fn_(std::move(fn)) {}

        Poll<Output> take() {
            if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
            return Poll<Output>(std::move(*value_));
        }

    private:
        void run() noexcept override {
            try {
                value_.emplace(call_stored(fn_));
            } catch (...) {
                error_ = std::current_exception();
            }
        }

        Fn fn_;
        std::optional<Stored<Output>> value_;
    };

    struct Abandon {
        BlockingPool& pool;
        void operator()(Job* job) const noexcept { pool.abandon(*job); }
    };

    std::unique_ptr<Job, Abandon> job_;
    bool submitted_ = false;
};

}  // namespace ringlet

// The composition root: LocalExecutorBuilder makes executors, on this thread or on a new one. Programs
// include this file.
#pragma once

#include <ringlet/executor/local_executor.hpp>
#include <ringlet/executor/placement.hpp>
#include <ringlet/executor/preempt.hpp>
#include <ringlet/future/co.hpp>

#include <exception>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

namespace ringlet {

// An executor on a thread of its own. Any thread may hold and join it; one at a time.
class ExecutorThread {
public:
    ExecutorThread(std::thread thread, std::shared_ptr<std::exception_ptr> error)
        : thread_(std::move(thread)), error_(std::move(error)) {}
    ExecutorThread(ExecutorThread&&) = default;
    ExecutorThread& operator=(ExecutorThread&&) = delete;
    // Joins; an exception of the root that nobody has asked for is reported.
    ~ExecutorThread();

    // Waits for the root and for the end of its executor; throws what the root threw.
    void join();

private:
    std::thread thread_;
    std::shared_ptr<std::exception_ptr> error_;  // written by the thread before it ends
};

class LocalExecutorBuilder {
public:
    // Names the executor, and the thread that spawn() starts (the kernel keeps 15 characters).
    LocalExecutorBuilder& name(std::string name);
    LocalExecutorBuilder& placement(Placement placement);

    // Submission entries of the ring, a power of two up to 32,768; 128 if not set.
    LocalExecutorBuilder& ring_depth(unsigned entries);
    // Buffers that the kernel fills when data arrives on a stream, 256 of 8 KiB if not set. All streams of
    // the executor share them; `count` is a power of two.
    LocalExecutorBuilder& receive_buffers(unsigned count, unsigned bytes);

    // Memory for direct I/O, 4 MiB if not set; rounded up to a power of two. It is taken when the first
    // buffer is made, and counts against the limit of locked memory, with each ring that uses it. 0: from the
    // heap.
    LocalExecutorBuilder& io_memory(std::size_t bytes);

    // How long a queue with all shares may run while others wait; 5 ms if not set, 200 us at least.
    LocalExecutorBuilder& slice(Duration slice);
    // How long to look for work before going to sleep: dearer in CPU time, sooner awake. Only for an executor
    // that is bound to a CPU; else it is refused, since the kernel may put two spinning threads on one.
    LocalExecutorBuilder& spin_before_park(Duration longest);

    // Notes in `trace` what the executor does, and switches histograms on. The trace outlives the executor;
    // it is for one only.
    LocalExecutorBuilder& trace(Trace& trace);
    // Takes the times from wake to run, of each queue, and those of operations, of each ring: 15 ns for an
    // operation and the wake that it ends with (kernel 6.18, an EPYC in a VM).
    LocalExecutorBuilder& histograms(bool wanted = true);
    // Reports each turn of a queue that outlasts the slice by `limit` (executor/stall_detector.hpp).
    LocalExecutorBuilder& detect_stalls(Duration limit = std::chrono::milliseconds(10));

    // An executor for the calling thread, which is bound as the placement says.
    std::expected<std::unique_ptr<LocalExecutor>, StartError> make() const;

    // Starts a thread, makes the executor there and runs what `root` returns. Returns once the executor
    // stands, or with the reason why not.
    template <class F>
        requires Future<std::invoke_result_t<F&>>
    std::expected<ExecutorThread, StartError> spawn(F root) const {
        return start_thread(
            [root = std::move(root)](LocalExecutor& executor) mutable { executor.run(std::move(root)); });
    }

private:
    std::expected<ExecutorThread, StartError> start_thread(
        std::move_only_function<void(LocalExecutor&)> body) const;

    std::string name_ = "executor";
    Placement placement_ = Placement::Unbound{};
    ParkerOptions parker_options_;
    Duration slice_ = LocalExecutor::default_slice;
    std::optional<Duration> stall_limit_;
};

}  // namespace ringlet

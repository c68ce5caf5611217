// The composition root: LocalExecutorBuilder makes executors, on this thread or on a new one. Programs
// include this file.
#pragma once

#include <ringlet/executor/local_executor.hpp>
#include <ringlet/executor/placement.hpp>
#include <ringlet/future/co.hpp>

#include <exception>
#include <expected>
#include <functional>
#include <memory>
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
};

}  // namespace ringlet

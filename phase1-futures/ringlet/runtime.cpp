#include <ringlet/executor/idle_parker.hpp>
#include <ringlet/runtime.hpp>

#include <future>
#include <pthread.h>

namespace ringlet {

std::expected<std::unique_ptr<Parker>, StartError> make_parker(const ParkerOptions&) {
    return std::make_unique<IdleParker>();
}

ExecutorThread::~ExecutorThread() {
    if (thread_.joinable()) thread_.join();
    if (error_ && *error_) report_unhandled_exception(std::move(*error_));
}

void ExecutorThread::join() {
    thread_.join();
    if (*error_) std::rethrow_exception(std::exchange(*error_, nullptr));
}

LocalExecutorBuilder& LocalExecutorBuilder::name(std::string name) {
    name_ = std::move(name);
    return *this;
}

LocalExecutorBuilder& LocalExecutorBuilder::placement(Placement placement) {
    placement_ = placement;
    return *this;
}

std::expected<std::unique_ptr<LocalExecutor>, StartError> LocalExecutorBuilder::make() const {
    if (auto bound = placement_.apply_to_this_thread(); !bound) return std::unexpected(bound.error());
    auto parker = make_parker(parker_options_);
    if (!parker) return std::unexpected(parker.error());
    return std::make_unique<LocalExecutor>(name_, std::move(*parker));
}

std::expected<ExecutorThread, StartError> LocalExecutorBuilder::start_thread(
    std::move_only_function<void(LocalExecutor&)> body) const {
    using Started = std::expected<void, StartError>;
    std::promise<Started> started;
    std::future<Started> outcome = started.get_future();
    auto error = std::make_shared<std::exception_ptr>();
    std::thread thread;
    try {
        thread = std::thread(
            [builder = *this, body = std::move(body), started = std::move(started), error]() mutable {
                pthread_setname_np(pthread_self(), builder.name_.substr(0, 15).c_str());
                std::expected<std::unique_ptr<LocalExecutor>, StartError> executor;
                try {
                    Placement::unbind_this_thread();
                    executor = builder.make();
                } catch (...) {
                    return started.set_exception(std::current_exception());
                }
                if (!executor) return started.set_value(std::unexpected(std::move(executor.error())));
                started.set_value({});
                try {
                    body(**executor);
                } catch (...) {
                    *error = std::current_exception();
                }
            });
    } catch (const std::system_error& refused) {
        return std::unexpected(
            StartError{refused.code(), "cannot start a thread: " + refused.code().message()});
    }
    outcome.wait();
    ExecutorThread running(std::move(thread), std::move(error));  // joins what has not started
    if (Started result = outcome.get(); !result) return std::unexpected(result.error());
    return running;
}

}  // namespace ringlet

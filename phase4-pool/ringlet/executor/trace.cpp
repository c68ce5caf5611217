#include <ringlet/executor/trace.hpp>

#include <ringlet/base/check.hpp>

#include <utility>

namespace ringlet {

void Trace::begin(std::string executor_name) {
    RINGLET_CHECK(executor_name_.empty() && count_ == 0, "a trace was given to a second executor");
    executor_name_ = std::move(executor_name);
}

void Trace::name_queue(std::size_t index, std::string name) {
    if (queue_names_.size() <= index) queue_names_.resize(index + 1);
    queue_names_[index] = std::move(name);
}

}  // namespace ringlet

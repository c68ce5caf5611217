// Task: one turn of a spawned future, the thing a queue holds and the executor runs.
//
// Threads: owner thread only.
#pragma once

#include <ringlet/task/header.hpp>

#include <utility>

namespace ringlet {

// Owns the queue's reference to a task that is SCHEDULED. At most one exists for a task. Dropping it
// without a run is for the end of the executor, when the future is gone already.
class Task {
public:
    Task() noexcept = default;
    explicit Task(Header& header) noexcept : header_(&header) {}
    Task(Task&& other) noexcept : header_(std::exchange(other.header_, nullptr)) {}
    Task& operator=(Task&& other) noexcept {
        std::swap(header_, other.header_);
        return *this;
    }
    ~Task();

    explicit operator bool() const noexcept { return header_ != nullptr; }

    // Names the task for as long as it lives.
    const Header* id() const noexcept { return header_; }

    // Polls the future once and puts the task where it belongs afterwards.
    void run() &&;

private:
    friend class ReadyQueue;

    Header* header_ = nullptr;
};

}  // namespace ringlet

// Unparker: ends an executor's sleep from any thread. Doorbell: what it shares with the sleeper.
#pragma once

#include <ringlet/base/unique_fd.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace ringlet {

// A wake cannot be lost: the one who rings first says so in `rung_` and then looks whether the owner sleeps;
// the owner first says that it sleeps and then looks whether somebody has rung. In the one order that all
// threads see (seq_cst), one of the two looks is the later one and sees what the other has said.
class Doorbell {
public:
    explicit Doorbell(UniqueFd event) noexcept : event_(std::move(event)) {}

    // Any thread. A system call only if the owner sleeps, and once per sleep.
    void ring() noexcept;

    // Owner: false if somebody has rung since the last end_sleep(); then do not sleep.
    bool begin_sleep() noexcept {
        asleep_.store(true, std::memory_order_seq_cst);
        return !rung_.load(std::memory_order_seq_cst);
    }
    void end_sleep() noexcept {
        asleep_.store(false, std::memory_order_relaxed);
        // Acquire: what the other thread did before it rang is seen from here on.
        rung_.exchange(false, std::memory_order_acq_rel);
    }
    // Owner, who has found out without having slept. Written only if somebody has rung: those who look
    // whether the owner sleeps keep the line.
    void hear() noexcept {
        if (rung_.load(std::memory_order_relaxed)) end_sleep();
    }
    bool is_rung() const noexcept { return rung_.load(std::memory_order_relaxed); }

    // Any thread. When the last unparker goes the bell rings once more: nobody can end the next sleep.
    void add_holder() noexcept { holders_.fetch_add(1, std::memory_order_relaxed); }
    void drop_holder() noexcept;
    bool has_holders() const noexcept { return holders_.load(std::memory_order_acquire) > 0; }

    // Becomes readable when a sleep is to end. Never read: each write wakes whoever polls it anew.
    int fd() const noexcept { return event_.get(); }

private:
    UniqueFd event_;
    // Any thread (atomic):
    std::atomic<bool> rung_ = false;
    std::atomic<bool> asleep_ = false;
    std::atomic<std::uint64_t> holders_ = 0;  // unparkers that exist
};

class Unparker {
public:
    Unparker() = default;
    explicit Unparker(std::shared_ptr<Doorbell> bell) noexcept : bell_(std::move(bell)) {
        bell_->add_holder();
    }
    Unparker(const Unparker& other) noexcept : bell_(other.bell_) {
        if (bell_) bell_->add_holder();
    }
    Unparker(Unparker&&) noexcept = default;
    Unparker& operator=(Unparker other) noexcept {
        std::swap(bell_, other.bell_);
        return *this;
    }
    ~Unparker() {
        if (bell_) bell_->drop_holder();
    }

    // Any thread, and signal handlers: the owner's sleep ends, or, if it does not sleep, its next attempt to.
    // Does nothing if the executor is gone.
    void unpark() const noexcept {
        if (bell_) bell_->ring();
    }

private:
    std::shared_ptr<Doorbell> bell_;
};

}  // namespace ringlet

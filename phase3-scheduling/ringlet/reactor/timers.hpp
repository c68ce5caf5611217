// Timers: all deadlines of one reactor in one ordered structure. The kernel hears only of the earliest, as
// the time limit of the call in which the reactor sleeps: a million sleeping tasks cost it nothing.
//
// Threads: owner thread only.
#pragma once

#include <ringlet/base/check.hpp>
#include <ringlet/base/clock.hpp>
#include <ringlet/future/waker.hpp>

#include <cstdint>
#include <optional>
#include <vector>

namespace ringlet {

// One deadline and whom to wake. Part of the future that waits; must stay in place while armed, which a
// future does once it was polled.
class Timer {
public:
    Timer() noexcept = default;
    Timer(Timer&& other) noexcept {
        RINGLET_CHECK(!other.is_armed(), "a timer was moved while armed: its future was polled already");
    }
    ~Timer() { disarm(); }

    bool is_armed() const noexcept { return timers_ != nullptr; }
    // Its deadline has come, and its waker was called, since it was last armed.
    bool has_fired() const noexcept { return fired_; }
    void disarm() noexcept;
    // Armed, it wakes the same waker, but at `deadline`. Else it only forgets that it has fired.
    void reset(Time deadline) noexcept;

private:
    friend class Timers;

    class Timers* timers_ = nullptr;  // while armed
    Waker waker_;
    std::uint32_t index_ = 0;  // in the heap, while armed
    bool fired_ = false;
};

class Timers {
public:
    Timers() = default;
    Timers(const Timers&) = delete;
    Timers& operator=(const Timers&) = delete;
    // Timers that outlive the reactor are disarmed.
    ~Timers();

    // Wakes `waker` once, at or after `deadline`, unless disarmed before. An armed timer keeps its deadline
    // and only learns the new waker.
    void arm(Timer& timer, Time deadline, const Waker& waker);

    // Wakes and disarms what is due at `now`, earliest first.
    void expire(Time now) noexcept;

    bool empty() const noexcept { return heap_.empty(); }
    std::size_t size() const noexcept { return heap_.size(); }
    std::optional<Time> earliest() const noexcept {
        return heap_.empty() ? std::nullopt : std::optional(heap_.front().deadline);
    }

private:
    friend class Timer;

    // A heap of four children per node: half the levels of a binary one, and the four deadlines that a step
    // compares lie in one cache line. Deadlines stand in the heap, so that a step touches no other timer.
    static constexpr std::size_t arity = 4;
    struct Entry {
        Time deadline;
        Timer* timer;
    };

    void place(Entry entry, std::size_t index) noexcept;
    void sift_up(Entry entry, std::size_t index) noexcept;
    void sift_down(Entry entry, std::size_t index) noexcept;
    void sift(Entry entry, std::size_t index) noexcept;
    void remove(std::size_t index) noexcept;

    std::vector<Entry> heap_;
};

inline void Timer::disarm() noexcept {
    fired_ = false;
    if (timers_) timers_->remove(index_);
}

inline void Timer::reset(Time deadline) noexcept {
    fired_ = false;
    if (timers_) timers_->sift({deadline, this}, index_);
}

}  // namespace ringlet

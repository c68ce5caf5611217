// Semaphore: a number of units, and tasks that take some, waiting until there are enough. Limits how many do
// something at once, or how much memory they hold.
//
// First come, first served: who asks for much is not overtaken by those who ask for little. A wait gets its
// units at the moment that there are enough, not when its task runs; if it is dropped before, it gives them
// back, and whoever it stood before moves up.
//
// Threads: owner thread only. Lifetimes: the semaphore outlives its waits and permits, and stays in place.
#pragma once

#include <ringlet/base/intrusive_list.hpp>
#include <ringlet/future/future.hpp>
#include <ringlet/sync/closed.hpp>

#include <cstdint>
#include <expected>
#include <limits>
#include <utility>

namespace ringlet {

class Semaphore;

// Why units were not taken at once.
enum class NotAcquired {
    would_block,  // too few units, or others wait
    closed,
};

// A wait for units. Whoever has them gives them back with signal().
class [[nodiscard]] Acquire : public ListNode {
public:
    using Output = std::expected<void, Closed>;

    Acquire(Semaphore& semaphore, std::uint64_t units) noexcept : semaphore_(semaphore), units_(units) {}
    Acquire(Acquire&& other) noexcept : semaphore_(other.semaphore_), units_(other.units_) {
        RINGLET_CHECK(other.state_ == State::unasked, "a wait for a semaphore was moved after it was polled");
    }
    ~Acquire();

    Poll<Output> poll(Context& context);

protected:
    friend class Semaphore;

    enum class State : std::uint8_t {
        unasked,  // not polled yet
        waiting,  // on the semaphore's list
        granted,  // off the list, and the units are its own; set by the semaphore
        refused,  // off the list, closed; set by the semaphore
        done,     // its poll has said so
    };

    Semaphore& semaphore_;
    std::uint64_t units_;
    Waker waker_;
    State state_ = State::unasked;
};

// Units that go back to the semaphore with it. Empty after a move.
class [[nodiscard]] Permit {
public:
    Permit(Semaphore& semaphore, std::uint64_t units) noexcept : semaphore_(&semaphore), units_(units) {}
    Permit(Permit&& other) noexcept
        : semaphore_(std::exchange(other.semaphore_, nullptr)), units_(other.units_) {}
    Permit& operator=(Permit&& other) noexcept {
        std::swap(semaphore_, other.semaphore_);
        std::swap(units_, other.units_);
        return *this;
    }
    ~Permit();

private:
    Semaphore* semaphore_;
    std::uint64_t units_;
};

// A wait for a Permit.
class [[nodiscard]] AcquirePermit : Acquire {
public:
    using Output = std::expected<Permit, Closed>;
    using Acquire::Acquire;

    Poll<Output> poll(Context& context) {
        auto polled = Acquire::poll(context);
        if (polled.is_pending()) return pending;
        if (!polled.take()) return Output(std::unexpected(Closed{}));
        return Output(Permit(semaphore_, units_));
    }
};

class Semaphore {
public:
    explicit Semaphore(std::uint64_t units) noexcept : available_(units) {}
    Semaphore(const Semaphore&) = delete;
    Semaphore& operator=(const Semaphore&) = delete;

    // Units that nobody has been given.
    std::uint64_t available() const noexcept { return available_; }

    // Waits for `units`. Nothing can be taken from a closed semaphore, not even 0 units.
    Acquire acquire(std::uint64_t units) noexcept { return Acquire(*this, units); }
    AcquirePermit acquire_permit(std::uint64_t units) noexcept { return AcquirePermit(*this, units); }

    // The same without waiting, and without overtaking those who wait.
    std::expected<void, NotAcquired> try_acquire(std::uint64_t units) noexcept {
        if (closed_) return std::unexpected(NotAcquired::closed);
        if (!take(units)) return std::unexpected(NotAcquired::would_block);
        return {};
    }
    std::expected<Permit, NotAcquired> try_acquire_permit(std::uint64_t units) noexcept {
        if (auto taken = try_acquire(units); !taken) return std::unexpected(taken.error());
        return Permit(*this, units);
    }

    // Adds `units`, taken before or new, and wakes those who can go on.
    void signal(std::uint64_t units) noexcept {
        RINGLET_CHECK(units <= std::numeric_limits<std::uint64_t>::max() - available_,
                      "a semaphore was given more units than it can count");
        available_ += units;
        if (!waiters_.empty()) grant();
    }

    // For good: all who wait are refused, and so is whoever comes. Units that were given can come back.
    void close() noexcept;

private:
    friend class Acquire;

    bool take(std::uint64_t units) noexcept {
        if (!waiters_.empty() || units > available_) return false;
        available_ -= units;
        return true;
    }
    void ask(Acquire& acquire) noexcept {
        if (closed_) {
            acquire.state_ = Acquire::State::refused;
        } else if (take(acquire.units_)) {
            acquire.state_ = Acquire::State::granted;
        } else {
            waiters_.push_back(acquire);
            acquire.state_ = Acquire::State::waiting;
        }
    }
    void grant() noexcept;
    void finish_front(Acquire::State state) noexcept;
    void leave(Acquire& acquire) noexcept;

    std::uint64_t available_;
    bool closed_ = false;
    IntrusiveList<Acquire> waiters_;  // in the order of their first polls; the first needs more than there is
};

inline Poll<Acquire::Output> Acquire::poll(Context& context) {
    if (state_ == State::unasked) semaphore_.ask(*this);
    if (state_ == State::waiting) {
        waker_.remember(context.waker());
        return pending;
    }
    if (std::exchange(state_, State::done) == State::refused) return Output(std::unexpected(Closed{}));
    return Output();
}

inline Acquire::~Acquire() {
    if (state_ == State::waiting || state_ == State::granted) semaphore_.leave(*this);
}

inline Permit::~Permit() {
    if (semaphore_) semaphore_->signal(units_);
}

}  // namespace ringlet

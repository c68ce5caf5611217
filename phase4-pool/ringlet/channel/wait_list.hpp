// WaitList: the futures at one end of a channel that wait, each for one thing: an item, or a slot for one.
// LocalChannel has a list for its receivers and one for its senders.
//
// When a thing is free, it is promised to the first of them, and only that one is woken. Who comes later does
// not touch what is promised, so nobody is overtaken and no wake is in vain. Who is dropped with a promise
// passes it on, so no wake is lost either.
//
// While anybody waits, everything that is free is promised: whoever uses the list offers each thing.
//
// Threads: owner thread only.
#pragma once

#include <ringlet/base/intrusive_list.hpp>
#include <ringlet/future/waker.hpp>

#include <cstddef>
#include <utility>

namespace ringlet {

class WaitList;

// The part of a future that waits. Must stay in place while it waits or holds a promise.
class Waiter : public ListNode {
public:
    Waiter() noexcept = default;
    Waiter(Waiter&& other) noexcept {
        RINGLET_CHECK(!other.is_involved(), "a future of a channel was moved after it was polled");
    }

    bool is_involved() const noexcept { return is_linked() || promised_; }

private:
    friend class WaitList;

    Waker waker_;
    bool promised_ = false;  // set when it leaves the list with a thing to take: excludes is_linked()
};

class WaitList {
public:
    // How many things are to be left to those who have been woken for them.
    std::size_t promised() const noexcept { return promised_; }
    bool is_idle() const noexcept { return waiters_.empty() && promised_ == 0; }

    void wait(Waiter& waiter, const Waker& waker) noexcept {
        if (!waiter.is_linked()) waiters_.push_back(waiter);
        waiter.waker_.remember(waker);
    }

    // One thing more is free.
    void offer() noexcept {
        if (waiters_.empty()) return;
        ++promised_;
        wake_front(true);
    }

    // True if the waiter held a promise; it does no longer, and the caller takes the thing.
    bool redeem(Waiter& waiter) noexcept {
        if (!waiter.promised_) return false;
        waiter.promised_ = false;
        --promised_;
        return true;
    }

    // To be called before a waiter that is_involved() dies.
    void leave(Waiter& waiter) noexcept {
        if (redeem(waiter)) {
            offer();
        } else {
            waiter.unlink();
        }
    }

    // Nothing will ever be offered again: each finds out for itself.
    void wake_all() noexcept {
        while (!waiters_.empty()) wake_front(false);
    }

private:
    void wake_front(bool promised) noexcept {
        Waiter& first = waiters_.front();
        first.unlink();
        first.promised_ = promised;
        std::move(first.waker_).wake();
    }

    IntrusiveList<Waiter> waiters_;
    std::size_t promised_ = 0;
};

}  // namespace ringlet

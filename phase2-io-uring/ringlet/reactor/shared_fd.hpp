// SharedFd: a descriptor held by its socket or file and by each of its operations in flight. It is closed
// when the last of them lets go, so that no entry in the submission queue can ever name a number that
// meanwhile belongs to another file.
//
// Threads: owner thread only (the count is not atomic).
#pragma once

#include <ringlet/base/check.hpp>
#include <ringlet/base/intrusive_list.hpp>
#include <ringlet/base/recycle.hpp>
#include <ringlet/base/unique_fd.hpp>
#include <ringlet/future/waker.hpp>

#include <cstdint>
#include <utility>

namespace ringlet {

class SharedFd {
public:
    // Part of a future that waits for the other holders to go. There may be several, any of which may be
    // dropped.
    class Waiter : public ListNode {
    public:
        Waiter() noexcept = default;
        Waiter(Waiter&& other) noexcept {
            RINGLET_CHECK(!other.is_linked(), "a future was moved while it waited");
        }
        ~Waiter() {
            if (is_linked()) unlink();
        }

    private:
        friend class SharedFd;

        Waker waker_;
    };

    SharedFd() noexcept = default;
    explicit SharedFd(UniqueFd fd) : shared_(new Shared{std::move(fd), 1, {}}) {}
    SharedFd(const SharedFd& other) noexcept : shared_(other.shared_) {
        if (shared_) ++shared_->holders;
    }
    SharedFd(SharedFd&& other) noexcept : shared_(std::exchange(other.shared_, nullptr)) {}
    SharedFd& operator=(SharedFd other) noexcept {
        std::swap(shared_, other.shared_);
        return *this;
    }
    ~SharedFd() {
        if (shared_) release();
    }

    explicit operator bool() const noexcept { return shared_ != nullptr; }
    int get() const noexcept { return shared().fd.get(); }

    // No operation is in flight on it, or made and yet to begin.
    bool is_sole_holder() const noexcept { return shared().holders == 1; }
    // Wakes `waker` when only one holder is left, unless `waiter` has gone before.
    void wait_for_sole_holder(Waiter& waiter, const Waker& waker) const noexcept {
        waiter.waker_.remember(waker);
        if (!waiter.is_linked()) shared_->waiters.push_back(waiter);
    }

    // Only for the sole holder: takes the descriptor out.
    UniqueFd take() noexcept { return std::move(shared_->fd); }

private:
    struct Shared {
        UniqueFd fd;
        std::uint32_t holders;
        IntrusiveList<Waiter> waiters;

        static void* operator new(std::size_t bytes) { return recycle::allocate(bytes); }
        static void operator delete(void* shared, std::size_t bytes) noexcept {
            recycle::deallocate(shared, bytes);
        }
    };

    Shared& shared() const noexcept {
        RINGLET_CHECK(shared_, "a socket or file was used after it was moved from or closed");
        return *shared_;
    }

    void release() noexcept {
        if (--shared_->holders == 0) return delete shared_;
        while (shared_->holders == 1 && !shared_->waiters.empty()) {
            Waiter& waiter = shared_->waiters.front();
            waiter.unlink();
            std::move(waiter.waker_).wake();
        }
    }

    Shared* shared_ = nullptr;
};

}  // namespace ringlet

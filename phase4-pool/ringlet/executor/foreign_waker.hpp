// WakeMessage: a wake on its way to another thread. ForeignWaker: a waker for any thread.
#pragma once

#include <ringlet/base/intrusive_list.hpp>
#include <ringlet/base/recycle.hpp>
#include <ringlet/executor/inbox.hpp>
#include <ringlet/executor/unparker.hpp>
#include <ringlet/future/waker.hpp>

#include <atomic>
#include <cstdint>
#include <utility>

namespace ringlet {

// What one executor waits for and others wake it from. A wake that is asked for while one is on its way is
// the same wake: what happened before it was asked for is seen by who is woken.
class WakeMessage : public Message {
public:
    // Any thread.
    void send(const Unparker& owner) noexcept;

    // Owner thread only:
    void remember(const Waker& waker) noexcept { waker_.remember(waker); }
    void forget() noexcept { waker_ = Waker(); }

protected:
    ~WakeMessage() = default;

    void arrive() noexcept override;

private:
    // The message must stay while it is on its way: retained on any thread, released on the owner's; or on
    // the sender's, if it was refused.
    virtual void retain() noexcept = 0;
    virtual void release() noexcept = 0;

    // Owner thread only:
    Waker waker_;
    // Any thread (atomic):
    std::atomic<bool> on_its_way_ = false;
};

// A task, as its foreign wakers share it. The reference to the task never leaves the owner's thread, since
// the counts of tasks are not atomic: what other threads count is the references to this, and the last one
// sends it home to be freed. HomeObject (pool/foreign_ptr.hpp) is such a thing with an object of its own.
class ForeignTask : public WakeMessage, public ListNode {
public:
    ForeignTask(Unparker home, const Waker& waker) : home_(std::move(home)) { remember(waker); }

    virtual ~ForeignTask() = default;

    const Unparker& home() const noexcept { return home_; }

    void retain() noexcept override { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept override;

    // The executor ends: owner thread only.
    virtual void close() noexcept {
        unlink();
        forget();
    }

    static void* operator new(std::size_t bytes) { return recycle::allocate(bytes); }
    static void operator delete(void* task, std::size_t bytes) noexcept { recycle::deallocate(task, bytes); }

private:
    void arrive() noexcept override;

    const Unparker home_;
    // Any thread (atomic):
    std::atomic<std::uint32_t> references_ = 1;
};

// Wakes one task. Made on the thread of its executor; copied, called and dropped on any. Does nothing once
// the executor is gone. While one lives, the executor waits for it rather than throw Deadlock.
class ForeignWaker {
public:
    ForeignWaker() noexcept = default;
    // From the waker of a task that runs here. Throws std::bad_alloc, or std::system_error if there is no
    // descriptor left for a doorbell.
    explicit ForeignWaker(const Waker& waker);

    ForeignWaker(const ForeignWaker& other) noexcept : task_(other.task_) {
        if (task_) task_->retain();
    }
    ForeignWaker(ForeignWaker&& other) noexcept : task_(std::exchange(other.task_, nullptr)) {}
    ForeignWaker& operator=(ForeignWaker other) noexcept {
        std::swap(task_, other.task_);
        return *this;
    }
    ~ForeignWaker() {
        if (task_) task_->release();
    }

    explicit operator bool() const noexcept { return task_ != nullptr; }

    void wake() const noexcept {
        if (task_) task_->send(task_->home());
    }

private:
    ForeignTask* task_ = nullptr;
};

}  // namespace ringlet

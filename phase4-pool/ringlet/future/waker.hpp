// Waker: the way back from an event to whoever waits for it. A pending future keeps a clone of the
// waker it was polled with and calls it when polling again could succeed. Also Context, which carries
// the waker down to the leaf.
//
// Threads: a waker belongs to the thread of the executor that made it. A wake elsewhere aborts if it would
// put the task into its queue; in builds with RINGLET_CHECKED, whenever the task is not over.
#pragma once

#include <utility>

namespace ringlet {

// What a waker does with its `data`. Every `clone` and every waker made by hand is answered by exactly
// one `wake` or `drop`. None may throw.
struct WakerVTable {
    void* (*clone)(void* data) noexcept;       // one reference more; returns the clone's data
    void (*wake)(void* data) noexcept;         // wakes and gives up the reference
    void (*wake_by_ref)(void* data) noexcept;  // wakes and keeps the reference
    void (*drop)(void* data) noexcept;         // gives up the reference
};

class Waker {
public:
    Waker() noexcept = default;  // empty: wakes nobody
    // Takes over one reference to `data`.
    Waker(void* data, const WakerVTable& vtable) noexcept : data_(data), vtable_(&vtable) {}
    Waker(Waker&& other) noexcept : data_(other.data_), vtable_(std::exchange(other.vtable_, nullptr)) {}
    Waker& operator=(Waker&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(vtable_, other.vtable_);
        return *this;
    }
    ~Waker() {
        if (vtable_) vtable_->drop(data_);
    }

    explicit operator bool() const noexcept { return vtable_ != nullptr; }

    // Copying is spelled out, since it costs a reference.
    Waker clone() const noexcept { return vtable_ ? Waker(vtable_->clone(data_), *vtable_) : Waker(); }

    // Empties this waker. Cheaper than wake_by_ref and a drop.
    void wake() && noexcept {
        if (const WakerVTable* vtable = std::exchange(vtable_, nullptr)) vtable->wake(data_);
    }
    void wake_by_ref() const noexcept {
        if (vtable_) vtable_->wake_by_ref(data_);
    }

    // True if waking either of the two wakes the same task: spares a future a new clone.
    bool will_wake(const Waker& other) const noexcept {
        return data_ == other.data_ && vtable_ == other.vtable_;
    }

    // Lets go of the reference without giving it back: for a waker that only borrowed one.
    void forget() noexcept { vtable_ = nullptr; }

    // Keeps a clone of `other`, unless this waker already wakes the same task.
    void remember(const Waker& other) noexcept {
        if (!will_wake(other)) *this = other.clone();
    }

private:
    void* data_ = nullptr;
    const WakerVTable* vtable_ = nullptr;
};

// What poll() is given. Lives for that one call; what must outlive it is cloned.
class Context {
public:
    explicit Context(const Waker& waker) noexcept : waker_(waker) {}
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;

    const Waker& waker() const noexcept { return waker_; }

private:
    const Waker& waker_;
};

}  // namespace ringlet

// Inbox: where other threads leave messages for an executor: wakes, calls, answers. Any thread adds to it,
// and only the owner takes from it, all at once. Who posts also sees to it that the owner wakes up:
// Unparker::post (executor/unparker.hpp).
//
// Lifetimes: a message in the inbox belongs to it until it arrives. The inbox outlives its executor, as part
// of the doorbell that all who may post share; once the executor is gone it refuses.
#pragma once

#include <atomic>
#include <cstdint>

namespace ringlet {

// Something that is to happen on another executor's thread.
class Message {
public:
    Message() noexcept = default;
    Message(const Message&) = delete;
    Message& operator=(const Message&) = delete;

protected:
    ~Message() = default;

    // On the owner's thread, inside run() but in no task. The message has left the inbox: it may free itself
    // or go on its way again. When the executor ends, those that are left arrive too.
    virtual void arrive() noexcept = 0;

private:
    friend class Inbox;

    Message* next_ = nullptr;  // posted before this one
};

class Inbox {
public:
    enum class Posted {
        first,    // the inbox was empty: see to it that the owner looks
        more,     // it was not, and whoever posted the first sees to that
        refused,  // the executor is gone; the message stays with who has tried
    };

    // Any thread. What was done before is seen by arrive().
    Posted post(Message& message) noexcept;

    // Any thread: there is something, or the inbox is closed.
    bool has_news() const noexcept {
        // In one order with the announcement of sleep (Doorbell): see there.
        return std::atomic_ref(head_).load(std::memory_order_seq_cst) != empty;
    }

    // Owner thread only:
    // Lets all messages arrive that are there, in the order in which they were posted.
    void deliver() noexcept { deliver_and_leave(empty); }
    // The same for the last time: who posts from now on is refused.
    void close() noexcept { deliver_and_leave(closed); }

    // Not zero while there is something: for need_preempt().
    const std::uintptr_t& word() const noexcept { return head_; }

private:
    static constexpr std::uintptr_t empty = 0;
    static constexpr std::uintptr_t closed = 1;  // no message has this address

    void deliver_and_leave(std::uintptr_t state) noexcept;

    // The message posted last, and through it the others. Accessed as an atomic, but for need_preempt(). On a
    // line of its own: who posts takes it away from the owner, who reads it after each task.
    alignas(64) mutable std::uintptr_t head_ = empty;
};

}  // namespace ringlet

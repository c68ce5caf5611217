// SharedEnd: one end of a shared channel, as far as it needs no item: how far it has come, how it waits for
// the other end and is woken by it, how it closes. SharedEnds: the two of them, and what they own together.
//
// The two ends are alike. Each has a position, which only it moves: how many items it has sent or received.
// It may go on up to a limit: the receiver up to the sender's position, the sender up to the receiver's and
// the capacity. It keeps the limit it has seen last, and looks at the other's position only when it is there.
#pragma once

#include <ringlet/base/hook.hpp>
#include <ringlet/channel/wait_list.hpp>
#include <ringlet/executor/inbox.hpp>
#include <ringlet/executor/unparker.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace ringlet {

class SharedEnds;

// Hears of what happens at the other end in place of those who wait in SharedEnd::poll().
class ChannelListener {
public:
    // Inside run(), in no task: after ask() there may be something, or the other end is gone.
    virtual void on_news() noexcept = 0;

protected:
    ~ChannelListener() = default;
};

// As a Message: the wake that the other end sends. Holds one reference to the channel, which is the
// message's if the end is dropped while the message is on its way.
class alignas(64) SharedEnd final : public Message {
public:
    enum class Turn {
        go,      // one step
        wait,    // the waker will be called
        closed,  // no step will ever be possible: the other end is gone
    };

    SharedEnd(SharedEnds& channel, SharedEnd& peer, std::size_t lead) noexcept
        : limit_(lead), lead_(lead), peer_(peer), channel_(channel) {}

    SharedEnds& channel() const noexcept { return channel_; }

    // Any thread. What the other end did before it was dropped is seen after this.
    bool is_gone() const noexcept { return state_.load(std::memory_order_seq_cst) == State::gone; }

    // Owner thread only:

    // Throws std::system_error.
    void connect();

    std::size_t position() const noexcept { return next_.load(std::memory_order_relaxed); }

    // How many steps may be taken; looks anew if there are fewer than `wanted`.
    std::size_t available(std::size_t wanted) noexcept {
        if (limit_ - position() < wanted) limit_ = peer_.next_.load(std::memory_order_seq_cst) + lead_;
        return limit_ - position();
    }
    // Without those that are left to others, who have been woken for them.
    std::size_t unpromised(std::size_t wanted) noexcept { return available(wanted) - waiting_.promised(); }

    // True if there is a step to take, and nobody waits who comes first.
    bool may_go() noexcept { return waiting_.is_idle() && available(1) > 0; }

    Turn poll(Waiter& waiter, const Waker& waker) noexcept {
        if (may_go()) [[likely]]
            return Turn::go;
        return poll_slowly(waiter, waker);
    }
    // To be called before a waiter dies.
    void leave(Waiter& waiter) noexcept {
        if (waiter.is_involved()) [[unlikely]]
            waiting_.leave(waiter);
    }
    // After Turn::go, if no step was taken: it is left to those who wait.
    void pass_on() noexcept { look(0); }

    // Goes on by so many steps, all at once in the eyes of the other end, which is woken if it waits.
    //
    // A wake cannot be lost: this end first moves its position and then looks whether the other one has
    // asked; the other one first asks and then looks at the position. In the one order that all threads see
    // (seq_cst), one of the two looks is the later one. While nobody waits, the look finds a line that
    // nobody writes, and the store is all that it costs.
    void advance(std::size_t steps) noexcept {
        hook::point("channel: publish");
        next_.store(position() + steps, std::memory_order_seq_cst);
        hook::point("channel: look whether the other waits");
        peer_.wake_if_asked();
    }

    // In place of poll(): `listener` outlives the end.
    void listen(ChannelListener& listener) noexcept { listener_ = &listener; }
    // Asks the other end for one wake. True: look again, since what came before that will not wake anybody.
    bool ask() noexcept;

    void close() noexcept;

private:
    enum class State : std::uint32_t {
        idle,        // nobody waits here; set by the owner when the message arrives
        asked,       // the other end is to send the message; set by the owner, from idle
        on_its_way,  // so it has, or is about to; set by the other end, from asked
        gone,        // dropped; set by the owner, and never left. From on_its_way: the message releases
    };

    // Any thread:
    void wake_if_asked() noexcept {
        if (state_.load(std::memory_order_seq_cst) == State::asked) [[unlikely]]
            wake();
    }
    void wake() noexcept;

    // Owner thread only:
    void arrive() noexcept override;
    Turn poll_slowly(Waiter& waiter, const Waker& waker) noexcept;
    void look(std::size_t taken) noexcept;
    void offer(std::size_t steps) noexcept;

    // Written when somebody waits, and only then: the line that the other end looks at.
    std::atomic<State> state_ = State::idle;
    Unparker address_;  // set by connect(), read by the other end once it is asked
    WaitList waiting_;  // owner thread only

    // Written at each step, by the owner:
    alignas(64) std::atomic<std::size_t> next_ = 0;
    std::size_t limit_;
    const std::size_t lead_;
    SharedEnd& peer_;
    SharedEnds& channel_;
    ChannelListener* listener_ = nullptr;
};

class SharedEnds {
public:
    explicit SharedEnds(std::size_t capacity) noexcept
        : sender_(*this, receiver_, capacity), receiver_(*this, sender_, 0) {}
    SharedEnds(const SharedEnds&) = delete;
    SharedEnds& operator=(const SharedEnds&) = delete;

    SharedEnd& sender() noexcept { return sender_; }
    SharedEnd& receiver() noexcept { return receiver_; }

protected:
    ~SharedEnds() = default;

    // The receiver is gone: what it would have received dies at once. On either thread: the sender may have
    // published just then; whoever comes first does it for both.
    void discard() noexcept;

private:
    friend class SharedEnd;

    virtual void drop_items() noexcept = 0;
    virtual void destroy() noexcept = 0;

    void retain() noexcept { holders_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept;

    SharedEnd sender_;
    SharedEnd receiver_;
    // Any thread (atomic):
    std::atomic<int> holders_ = 2;
    std::atomic<int> discards_ = 0;  // that are asked for
};

struct CloseEnd {
    void operator()(SharedEnd* end) const noexcept { end->close(); }
};
using OwnedEnd = std::unique_ptr<SharedEnd, CloseEnd>;

}  // namespace ringlet

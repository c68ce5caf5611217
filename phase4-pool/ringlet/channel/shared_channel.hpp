// SharedChannel: passes items from one executor to another: bounded, one sender, one receiver.
//
//     auto [sender, receiver] = shared_channel::new_bounded<Request>(1024);
//     // Each end goes to its thread, and there:
//     ConnectedSender<Request> requests = std::move(sender).connect();
//
// Closing is as with a local channel: when the sender is gone, the receiver drains the channel and then ends;
// when the receiver is gone, so are the items, and each send gives its item back. An end that its executor
// has taken with it is gone too. Nobody need be connected for that.
//
// Threads: an end is made, moved and dropped anywhere before it is connected, and used on the thread of the
// executor it is connected to. Tasks of that executor may share it. Lifetimes: as a local channel's: the
// future of a send or recv must be gone before its end is. The last end frees the memory.
#pragma once

#include <ringlet/channel/local_channel.hpp>
#include <ringlet/channel/shared_end.hpp>

#include <algorithm>
#include <bit>
#include <iterator>
#include <memory>
#include <new>
#include <span>
#include <utility>
#include <vector>

namespace ringlet {

// The ring of slots behind its two ends, in one allocation.
template <class T>
class SharedChannel final : public SharedEnds {
    static_assert(std::is_nothrow_move_constructible_v<T>, "items move through the channel");

public:
    static SharedChannel& make(std::size_t capacity) {
        RINGLET_CHECK(capacity > 0, "a channel without capacity can never send");
        RINGLET_CHECK(capacity <= PTRDIFF_MAX / 2 / sizeof(T), "a channel larger than memory");
        std::size_t slots = std::bit_ceil(capacity);
        void* memory = ::operator new(slots_offset() + slots * sizeof(T), alignment());
        return *new (memory) SharedChannel(capacity, slots);
    }

    // Sender's thread:

    SendResult<T> try_send(T&& item) {
        bool has_room = sender().may_go();
        if (receiver().is_gone()) return not_sent(NotSent::closed, std::move(item));
        if (!has_room) return not_sent(NotSent::would_block, std::move(item));
        put(std::move(item));
        return {};
    }

    Poll<SendResult<T>> poll_send(Waiter& waiter, T& item, Context& context) {
        SharedEnd::Turn turn = sender().poll(waiter, context.waker());
        if (turn == SharedEnd::Turn::wait) return pending;
        if (turn == SharedEnd::Turn::closed || receiver().is_gone()) {
            return not_sent(NotSent::closed, std::move(item));
        }
        put(std::move(item));
        return SendResult<T>();
    }

    // Gives how many of the first items were sent; the others are untouched.
    std::size_t try_send_many(std::span<T> items) {
        std::size_t sent = 0;
        while (sent < items.size() && sender().may_go() && !receiver().is_gone()) {
            sent += put_run(items.subspan(sent));
        }
        return sent;
    }

    Poll<std::size_t> poll_send_many(Waiter& waiter, std::span<T> items, std::size_t& sent,
                                     Context& context) {
        while (sent < items.size()) {
            SharedEnd::Turn turn = sender().poll(waiter, context.waker());
            if (turn == SharedEnd::Turn::wait) return pending;
            if (turn == SharedEnd::Turn::closed || receiver().is_gone()) break;
            sent += put_run(items.subspan(sent));
        }
        return std::size_t{sent};
    }

    // Receiver's thread:

    Received<T> try_recv() { return receiver().may_go() ? Received<T>(take()) : Received<T>(); }

    Poll<Received<T>> poll_recv(Waiter& waiter, Context& context) {
        switch (receiver().poll(waiter, context.waker())) {
            case SharedEnd::Turn::go: return Received<T>(take());
            case SharedEnd::Turn::wait: return pending;
            default: return Received<T>();
        }
    }

    std::size_t try_recv_many(std::vector<T>& into, std::size_t most) {
        return receiver().may_go() ? take_run(into, most) : 0;
    }

    Poll<std::size_t> poll_recv_many(Waiter& waiter, std::vector<T>& into, std::size_t most,
                                     Context& context) {
        switch (receiver().poll(waiter, context.waker())) {
            case SharedEnd::Turn::go: return take_run(into, most);
            case SharedEnd::Turn::wait: return pending;
            default: return std::size_t{0};
        }
    }

    // The oldest item; only if there is one.
    T& front() noexcept { return slots_[receiver().position() & mask_]; }
    void drop_front() noexcept {
        hook::point("channel: pop");
        std::destroy_at(&front());
        receiver().advance(1);
    }
    T take() noexcept {
        T item = std::move(front());
        drop_front();
        return item;
    }

private:
    SharedChannel(std::size_t capacity, std::size_t slots) noexcept
        : SharedEnds(capacity),
          mask_(slots - 1),
          slots_(reinterpret_cast<T*>(reinterpret_cast<std::byte*>(this) + slots_offset())) {}

    static constexpr std::align_val_t alignment() {
        return std::align_val_t(std::max(alignof(SharedChannel), alignof(T)));
    }
    static constexpr std::size_t slots_offset() {
        return (sizeof(SharedChannel) + alignof(T) - 1) / alignof(T) * alignof(T);
    }

    void put(T&& item) noexcept {
        hook::point("channel: push");
        new (&slots_[sender().position() & mask_]) T(std::move(item));
        publish(1);
    }

    // As many as there is room for, up to the end of the ring: at least one. The receiver sees them together.
    std::size_t put_run(std::span<T> items) noexcept {
        hook::point("channel: push");
        std::size_t at = sender().position() & mask_;
        std::size_t run = std::min({items.size(), sender().unpromised(items.size()), mask_ + 1 - at});
        std::uninitialized_move_n(items.begin(), run, slots_ + at);
        publish(run);
        return run;
    }

    // The same from the other side. Throws std::bad_alloc with nothing taken.
    std::size_t take_run(std::vector<T>& into, std::size_t most) {
        hook::point("channel: pop");
        std::size_t at = receiver().position() & mask_;
        std::size_t run = std::min({most, receiver().unpromised(most), mask_ + 1 - at});
        T* first = slots_ + at;
        try {
            into.insert(into.end(), std::move_iterator(first), std::move_iterator(first + run));
        } catch (...) {
            receiver().pass_on();
            throw;
        }
        std::destroy_n(first, run);
        receiver().advance(run);
        return run;
    }

    void publish(std::size_t count) noexcept {
        sender().advance(count);
        if (receiver().is_gone()) [[unlikely]]
            discard();
    }

    void drop_items() noexcept override {
        while (receiver().available(1) > 0) take();
    }

    void destroy() noexcept override {
        std::destroy_at(this);
        ::operator delete(this, alignment());
    }

    const std::size_t mask_;
    T* const slots_;
};

template <class T>
class [[nodiscard]] SharedSend {
public:
    using Output = SendResult<T>;

    SharedSend(SharedChannel<T>& channel, T&& item) : channel_(channel), item_(std::move(item)) {}
    SharedSend(SharedSend&&) noexcept = default;
    ~SharedSend() { channel_.sender().leave(waiter_); }

    Poll<Output> poll(Context& context) { return channel_.poll_send(waiter_, item_, context); }

private:
    SharedChannel<T>& channel_;
    T item_;
    Waiter waiter_;
};

template <class T>
class [[nodiscard]] SharedSendMany {
public:
    using Output = std::size_t;

    SharedSendMany(SharedChannel<T>& channel, std::span<T> items) : channel_(channel), items_(items) {}
    SharedSendMany(SharedSendMany&&) noexcept = default;
    ~SharedSendMany() { channel_.sender().leave(waiter_); }

    Poll<Output> poll(Context& context) { return channel_.poll_send_many(waiter_, items_, sent_, context); }

private:
    SharedChannel<T>& channel_;
    std::span<T> items_;
    std::size_t sent_ = 0;
    Waiter waiter_;
};

template <class T>
class [[nodiscard]] SharedRecv {
public:
    using Output = Received<T>;

    explicit SharedRecv(SharedChannel<T>& channel) noexcept : channel_(channel) {}
    SharedRecv(SharedRecv&&) noexcept = default;
    ~SharedRecv() { channel_.receiver().leave(waiter_); }

    Poll<Output> poll(Context& context) { return channel_.poll_recv(waiter_, context); }

private:
    SharedChannel<T>& channel_;
    Waiter waiter_;
};

template <class T>
class [[nodiscard]] SharedRecvMany {
public:
    using Output = std::size_t;

    SharedRecvMany(SharedChannel<T>& channel, std::vector<T>& into, std::size_t most) noexcept
        : channel_(channel), into_(into), most_(most) {}
    SharedRecvMany(SharedRecvMany&&) noexcept = default;
    ~SharedRecvMany() { channel_.receiver().leave(waiter_); }

    Poll<Output> poll(Context& context) { return channel_.poll_recv_many(waiter_, into_, most_, context); }

private:
    SharedChannel<T>& channel_;
    std::vector<T>& into_;
    std::size_t most_;
    Waiter waiter_;
};

// The end that sends, on its executor's thread. Empty after a move; dropping it closes it.
template <class T>
class ConnectedSender {
public:
    explicit ConnectedSender(OwnedEnd end) noexcept : end_(std::move(end)) {}

    // Does not block: would_block also while others wait here for room.
    SendResult<T> try_send(T item) const { return channel().try_send(std::move(item)); }
    // Waits until there is room; fails only if the receiver is gone. Those who wait get in one after another.
    SharedSend<T> send(T item) const { return SharedSend<T>(channel(), std::move(item)); }

    // The same for many, which are moved out of `items`. What there is room for is published together: one
    // store in the order that all cores see, and not one for each. Gives how many were sent; with the waiting
    // one, fewer than all means that the receiver is gone. `items` must stay until then. Dropped before, it
    // has sent some of the first items, perhaps all, and nobody is told how many.
    std::size_t try_send_many(std::span<T> items) const { return channel().try_send_many(items); }
    SharedSendMany<T> send_many(std::span<T> items) const { return {channel(), items}; }

private:
    SharedChannel<T>& channel() const noexcept { return static_cast<SharedChannel<T>&>(end_->channel()); }

    OwnedEnd end_;
};

// The end that receives, on its executor's thread. Empty after a move; dropping it closes it.
template <class T>
class ConnectedReceiver {
public:
    explicit ConnectedReceiver(OwnedEnd end) noexcept : end_(std::move(end)) {}

    // Nothing: there is none now, or others wait here.
    Received<T> try_recv() const { return channel().try_recv(); }
    // The next item, or nothing: the sender is gone, and every item has been taken.
    SharedRecv<T> recv() const noexcept { return SharedRecv<T>(channel()); }

    // Appends what is there, at least one item and at most `most` of them, and gives back the slots together.
    // Gives how many; 0 only at the end of the channel, as recv(), or if there is none now. Throws
    // std::bad_alloc with nothing taken. Aborts if `most` is 0.
    std::size_t try_recv_many(std::vector<T>& into, std::size_t most) const {
        return channel().try_recv_many(into, checked(most));
    }
    SharedRecvMany<T> recv_many(std::vector<T>& into, std::size_t most) const noexcept {
        return {channel(), into, checked(most)};
    }

private:
    static std::size_t checked(std::size_t most) noexcept {
        RINGLET_CHECK(most > 0, "to receive at most 0 items looks like the end of the channel");
        return most;
    }
    SharedChannel<T>& channel() const noexcept { return static_cast<SharedChannel<T>&>(end_->channel()); }

    OwnedEnd end_;
};

// The ends on their way to their threads.
template <class Connected>
class UnconnectedEnd {
public:
    explicit UnconnectedEnd(OwnedEnd end) noexcept : end_(std::move(end)) {}

    // Inside an executor, which the end belongs to from now on. Neither waits for the other end nor needs
    // one. Throws std::system_error if there is no descriptor left for a doorbell.
    Connected connect() && {
        end_->connect();
        return Connected(std::move(end_));
    }

    // Leaves it to the caller to connect it.
    OwnedEnd release() && noexcept { return std::move(end_); }

private:
    OwnedEnd end_;
};

template <class T>
using SharedSender = UnconnectedEnd<ConnectedSender<T>>;
template <class T>
using SharedReceiver = UnconnectedEnd<ConnectedReceiver<T>>;

namespace shared_channel {

template <class T>
using Ends = std::pair<SharedSender<T>, SharedReceiver<T>>;

// At most `capacity` items, at least 1, are queued; the ring has the next power of two of slots. Allocates
// once, here. Throws std::bad_alloc.
template <class T>
Ends<T> new_bounded(std::size_t capacity) {
    SharedChannel<T>& channel = SharedChannel<T>::make(capacity);
    return {SharedSender<T>(OwnedEnd(&channel.sender())), SharedReceiver<T>(OwnedEnd(&channel.receiver()))};
}

}  // namespace shared_channel

}  // namespace ringlet

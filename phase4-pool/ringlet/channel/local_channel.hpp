// LocalChannel: passes items from task to task of one executor.
//
//     auto [sender, receiver] = local_channel::new_bounded<Request>(16);
//     while (auto request = co_await receiver.recv()) serve(*request);
//
// There is one sender and one receiver; tasks that share one hold a reference or a shared_ptr, since all of
// its functions are const. When the sender is gone, the receiver drains the channel and then ends; when the
// receiver is gone, so are the items, and each send gives its item back.
//
// A send or a recv that is dropped before it was ready has sent or received nothing.
//
// Threads: owner thread only. Lifetimes: the future of a send() or recv() must be gone before its end of the
// channel is, which is checked of those that wait; the end may be moved meanwhile.
#pragma once

#include <ringlet/channel/item_queue.hpp>
#include <ringlet/channel/wait_list.hpp>
#include <ringlet/future/future.hpp>

#include <cstdint>
#include <expected>
#include <optional>
#include <utility>

namespace ringlet {

enum class NotSent {
    would_block,  // the channel is full
    closed,       // the receiver is gone
};

// Gives the item back.
//
// This and Received move member by member, even where T could be copied as bytes: a result was just written
// in parts, its value and a flag, and to read both as one block stalls the processor for about 5 ns.
template <class T>
struct ChannelError {
    NotSent why;
    T item;

    ChannelError(NotSent reason, T&& unsent) noexcept : why(reason), item(std::move(unsent)) {}
    ChannelError(ChannelError&& other) noexcept : why(other.why), item(std::move(other.item)) {}
    ChannelError& operator=(ChannelError&&) = default;
};

template <class T>
using SendResult = std::expected<void, ChannelError<T>>;

template <class T>
SendResult<T> not_sent(NotSent why, T&& item) {
    return std::unexpected(ChannelError<T>(why, std::forward<T>(item)));
}

// What recv() gives: an item, or nothing at the end of the channel.
template <class T>
struct Received : std::optional<T> {
    using std::optional<T>::optional;
    Received(Received&& other) noexcept : std::optional<T>() {
        if (other) this->emplace(*std::move(other));
    }
    Received& operator=(Received&&) = default;
};

// What the two ends share, in one allocation with the first slots. Lives as long as one of them.
template <class T>
class LocalChannel {
public:
    static constexpr std::size_t unbounded = SIZE_MAX;

    static LocalChannel& make(std::size_t capacity) {
        // Of an unbounded channel: few, since items may be large.
        constexpr std::size_t slots_unbounded = 4;
        std::size_t slots = capacity == unbounded ? slots_unbounded : capacity;
        RINGLET_CHECK(slots > 0, "a channel without capacity can never send");
        RINGLET_CHECK(slots <= PTRDIFF_MAX / sizeof(T), "a channel larger than memory");
        return *new (recycle::allocate(bytes(slots))) LocalChannel(capacity, slots);
    }

    std::size_t len() const noexcept { return items_.size(); }
    // A slot that is promised to a waiting send counts as taken.
    bool is_full() const noexcept { return items_.size() + senders_.promised() >= capacity_; }

    SendResult<T> try_send(T&& item) {
        if (!has_receiver_) return not_sent(NotSent::closed, std::move(item));
        if (is_full()) return not_sent(NotSent::would_block, std::move(item));
        put(std::move(item));
        return {};
    }

    Poll<SendResult<T>> poll_send(Waiter& waiter, T& item, Context& context) {
        bool may_send = senders_.redeem(waiter) || !is_full();
        if (!has_receiver_) return not_sent(NotSent::closed, std::move(item));
        if (!may_send) {
            senders_.wait(waiter, context.waker());
            return pending;
        }
        put(std::move(item));
        return SendResult<T>();
    }

    Poll<Received<T>> poll_recv(Waiter& waiter, Context& context) {
        if (receivers_.redeem(waiter) || items_.size() > receivers_.promised()) return take();
        if (!has_sender_ && items_.empty()) return Received<T>();
        receivers_.wait(waiter, context.waker());
        return pending;
    }

    void leave_senders(Waiter& waiter) noexcept { senders_.leave(waiter); }
    void leave_receivers(Waiter& waiter) noexcept { receivers_.leave(waiter); }

    void drop_sender() noexcept {
        RINGLET_CHECK(senders_.is_idle(), "a LocalSender was dropped while a send() waits");
        has_sender_ = false;
        if (items_.empty()) receivers_.wake_all();
        release();
    }

    void drop_receiver() noexcept {
        RINGLET_CHECK(receivers_.is_idle(), "a LocalReceiver was dropped while a recv() waits");
        has_receiver_ = false;
        senders_.wake_all();
        items_.clear();  // perhaps the sender with them: they may hold anything
        release();
    }

private:
    LocalChannel(std::size_t capacity, std::size_t slots) noexcept
        : capacity_(capacity),
          slots_(slots),
          items_(reinterpret_cast<std::byte*>(this) + slots_offset(), slots) {}

    static constexpr std::size_t slots_offset() {
        return (sizeof(LocalChannel) + alignof(T) - 1) / alignof(T) * alignof(T);
    }
    static constexpr std::size_t bytes(std::size_t slots) { return slots_offset() + slots * sizeof(T); }

    void put(T&& item) {
        items_.push(std::move(item));
        receivers_.offer();
    }

    Received<T> take() noexcept {
        Received<T> item(items_.pop());
        senders_.offer();
        if (!has_sender_ && items_.empty()) receivers_.wake_all();  // the last one that was promised
        return item;
    }

    void release() noexcept {
        if (--ends_ > 0) return;
        std::size_t size = bytes(slots_);
        std::destroy_at(this);
        recycle::deallocate(this, size);
    }

    const std::size_t capacity_;
    const std::size_t slots_;  // in this allocation
    ItemQueue<T> items_;
    WaitList receivers_;  // each for an item
    WaitList senders_;    // each for a slot
    int ends_ = 2;
    bool has_sender_ = true;
    bool has_receiver_ = true;
};

template <class T>
class [[nodiscard]] LocalSend {
public:
    using Output = SendResult<T>;

    LocalSend(LocalChannel<T>& channel, T&& item) : channel_(channel), item_(std::move(item)) {}
    LocalSend(LocalSend&&) noexcept = default;
    ~LocalSend() {
        if (waiter_.is_involved()) channel_.leave_senders(waiter_);
    }

    Poll<Output> poll(Context& context) { return channel_.poll_send(waiter_, item_, context); }

private:
    LocalChannel<T>& channel_;
    T item_;
    Waiter waiter_;
};

template <class T>
class [[nodiscard]] LocalRecv {
public:
    using Output = Received<T>;

    explicit LocalRecv(LocalChannel<T>& channel) noexcept : channel_(channel) {}
    LocalRecv(LocalRecv&&) noexcept = default;
    ~LocalRecv() {
        if (waiter_.is_involved()) channel_.leave_receivers(waiter_);
    }

    Poll<Output> poll(Context& context) { return channel_.poll_recv(waiter_, context); }

private:
    LocalChannel<T>& channel_;
    Waiter waiter_;
};

// The end that sends. Empty after a move.
template <class T>
class LocalSender {
public:
    explicit LocalSender(LocalChannel<T>& channel) noexcept : channel_(&channel) {}
    LocalSender(LocalSender&& other) noexcept : channel_(std::exchange(other.channel_, nullptr)) {}
    LocalSender& operator=(LocalSender&& other) noexcept {
        std::swap(channel_, other.channel_);
        return *this;
    }
    ~LocalSender() {
        if (channel_) channel_->drop_sender();
    }

    // An unbounded channel grows here, and in send(): std::bad_alloc, and the item is lost.
    SendResult<T> try_send(T item) const { return channel_->try_send(std::move(item)); }

    // Waits until there is room; fails only if the receiver is gone. Those who wait get in one after another.
    LocalSend<T> send(T item) const { return LocalSend<T>(*channel_, std::move(item)); }

    // How many items are queued.
    std::size_t len() const noexcept { return channel_->len(); }
    // True if try_send() would block.
    bool is_full() const noexcept { return channel_->is_full(); }

private:
    LocalChannel<T>* channel_;
};

// The end that receives. Empty after a move.
template <class T>
class LocalReceiver {
public:
    explicit LocalReceiver(LocalChannel<T>& channel) noexcept : channel_(&channel) {}
    LocalReceiver(LocalReceiver&& other) noexcept : channel_(std::exchange(other.channel_, nullptr)) {}
    LocalReceiver& operator=(LocalReceiver&& other) noexcept {
        std::swap(channel_, other.channel_);
        return *this;
    }
    ~LocalReceiver() {
        if (channel_) channel_->drop_receiver();
    }

    // The next item, or nothing: the sender is gone, and every item has been taken. If several tasks wait,
    // each item goes to one of them, first come, first served.
    LocalRecv<T> recv() const noexcept { return LocalRecv<T>(*channel_); }

private:
    LocalChannel<T>* channel_;
};

namespace local_channel {

template <class T>
using Ends = std::pair<LocalSender<T>, LocalReceiver<T>>;

template <class T>
Ends<T> make(std::size_t capacity) {
    LocalChannel<T>& channel = LocalChannel<T>::make(capacity);
    return Ends<T>(LocalSender<T>(channel), LocalReceiver<T>(channel));
}

// At most `capacity` items, at least 1, are queued. Allocates once, here.
template <class T>
Ends<T> new_bounded(std::size_t capacity) {
    return make<T>(capacity);
}

// Never full.
template <class T>
Ends<T> new_unbounded() {
    return make<T>(LocalChannel<T>::unbounded);
}

}  // namespace local_channel

}  // namespace ringlet

// ChannelMesh: a channel from each peer to each other one. A peer is an executor or a part of one; there may
// be more of them than shards.
//
//     auto seats = channel_mesh::full<Message>(4, 16);         // anywhere
//     MeshPeer<Message> mesh = std::move(seats[id]).join();    // on each peer's executor
//     co_await mesh.send_to(2, message);
//     auto from_anybody = co_await mesh.recv();
//
// It cannot deadlock, however small its channels are. If all peers send before they receive, each channel may
// be full, and each peer wait for room at another: so while a peer waits in send_to(), it takes in whatever
// arrives for it, and sets that aside, in order, until it is received. The same while it waits in
// recv_from(), for one peer, since that one may wait for others that wait for this one. The price is memory:
// all that others send to a peer while it waits so. recv() takes what comes first and so has no need to set
// aside: a peer that does nothing else holds back those who are too fast for it.
//
// Joining waits for nobody. A peer that is gone, or whose seat was dropped before it joined, is a closed
// channel to the others.
//
// Threads: a seat is for any thread; a MeshPeer is for the thread of the executor it was made on, whose tasks
// may share it. Lifetimes: futures must be gone before their MeshPeer is; it may be moved meanwhile.
#pragma once

#include <ringlet/channel/mesh_link.hpp>
#include <ringlet/channel/shared_channel.hpp>

#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace ringlet {

// From 0 on.
using PeerId = std::size_t;

enum class MeshRole {
    producer,  // has a channel to each consumer
    consumer,  // has one from each producer
    both,
};

template <class T>
struct MeshItem {
    PeerId from;
    T item;
};

template <class T>
class [[nodiscard]] MeshSend {
public:
    using Output = SendResult<T>;

    MeshSend(MeshIntake& intake, SharedSend<T> send) : send_(std::move(send)), standing_(intake) {}
    MeshSend(MeshSend&&) noexcept = default;

    Poll<Output> poll(Context& context) {
        auto polled = send_.poll(context);
        standing_.set(polled.is_pending());
        return polled;
    }

private:
    SharedSend<T> send_;
    MeshIntake::Standing standing_;
};

template <class T>
class [[nodiscard]] MeshRecvFrom {
public:
    using Output = Received<T>;

    MeshRecvFrom(MeshIntake& intake, MeshLink<T>& link) : link_(link), standing_(intake) {}
    MeshRecvFrom(MeshRecvFrom&&) noexcept = default;
    ~MeshRecvFrom() { link_.leave(waiter_); }

    Poll<Output> poll(Context& context) {
        bool closed = link_.is_closed();
        Received<T> item = link_.take();
        if (!item && !closed) {
            link_.wait(waiter_, context.waker());
            standing_.set(true);
            return pending;
        }
        standing_.set(false);
        return item;
    }

private:
    MeshLink<T>& link_;
    Waiter waiter_;
    MeshIntake::Standing standing_;
};

// What one peer has of the mesh.
template <class T>
class MeshState : public MeshIntake {
public:
    MeshState(PeerId id, std::vector<std::optional<SharedSender<T>>> senders,
              std::vector<std::optional<SharedReceiver<T>>> receivers)
        : id_(id), senders_(senders.size()), links_(receivers.size()) {
        for (PeerId peer = 0; peer < senders.size(); ++peer) {
            if (senders[peer]) senders_[peer].emplace(std::move(*senders[peer]).connect());
            if (receivers[peer]) {
                links_[peer] = std::make_unique<MeshLink<T>>(*this, std::move(*receivers[peer]));
                add(*links_[peer]);
            }
        }
    }

    PeerId id() const noexcept { return id_; }
    std::size_t size() const noexcept { return links_.size(); }
    bool sends_to(PeerId peer) const noexcept { return peer < size() && senders_[peer]; }
    bool receives_from(PeerId peer) const noexcept { return peer < size() && links_[peer]; }
    void stop_sending() noexcept {
        for (auto& sender : senders_) sender.reset();
    }

    const ConnectedSender<T>& sender(PeerId peer) const {
        RINGLET_CHECK(sends_to(peer), "the mesh has no channel to this peer");
        return *senders_[peer];
    }
    MeshLink<T>& link(PeerId peer) {
        RINGLET_CHECK(receives_from(peer), "the mesh has no channel from this peer");
        return *links_[peer];
    }

    // One after another, so that nobody is heard twice while another one waits.
    Poll<std::optional<MeshItem<T>>> poll_any(Waiter& waiter, Context& context) {
        bool open = false;
        for (PeerId looked = 0; looked < size(); ++looked) {
            next_ = next_ + 1 < size() ? next_ + 1 : 0;
            if (!links_[next_]) continue;
            bool closed = links_[next_]->is_closed();
            if (Received<T> item = links_[next_]->take()) {
                return std::optional<MeshItem<T>>({next_, *std::move(item)});
            }
            open = open || !closed;
        }
        if (!open) return std::optional<MeshItem<T>>();
        wait(waiter, context.waker());
        return pending;
    }

private:
    const PeerId id_;
    std::vector<std::optional<ConnectedSender<T>>> senders_;
    std::vector<std::unique_ptr<MeshLink<T>>> links_;
    PeerId next_ = 0;
};

template <class T>
class [[nodiscard]] MeshRecv {
public:
    using Output = std::optional<MeshItem<T>>;

    explicit MeshRecv(MeshState<T>& state) : state_(state) {}
    MeshRecv(MeshRecv&&) noexcept = default;
    ~MeshRecv() { state_.leave(waiter_); }

    Poll<Output> poll(Context& context) { return state_.poll_any(waiter_, context); }

private:
    MeshState<T>& state_;
    Waiter waiter_;
};

// A peer that has joined. Dropping it closes its channels.
template <class T>
class MeshPeer {
public:
    explicit MeshPeer(std::unique_ptr<MeshState<T>> state) noexcept : state_(std::move(state)) {}

    PeerId id() const noexcept { return state_->id(); }
    // Of all peers, this one among them.
    std::size_t size() const noexcept { return state_->size(); }
    // By the roles of the two; never to or from itself.
    bool sends_to(PeerId peer) const noexcept { return state_->sends_to(peer); }
    bool receives_from(PeerId peer) const noexcept { return state_->receives_from(peer); }

    // Waits until there is room; fails only if the peer is gone. Aborts if no channel leads there.
    MeshSend<T> send_to(PeerId peer, T item) const {
        return {*state_, state_->sender(peer).send(std::move(item))};
    }
    SendResult<T> try_send_to(PeerId peer, T item) const {
        return state_->sender(peer).try_send(std::move(item));
    }

    // The next item of this peer, or nothing: it is gone, and all its items have been received. Aborts if no
    // channel comes from there.
    MeshRecvFrom<T> recv_from(PeerId peer) const { return {*state_, state_->link(peer)}; }

    // The next item of any peer, in turn, or nothing: all of them are gone. Those of one peer come in order.
    MeshRecv<T> recv() const { return MeshRecv<T>(*state_); }

    // Nothing more will be sent from here: to the others, this peer is gone.
    void stop_sending() noexcept { state_->stop_sending(); }

private:
    std::unique_ptr<MeshState<T>> state_;
};

// The place of a peer that has not joined yet.
template <class T>
class MeshSeat {
public:
    // To be called inside the peer's executor. Throws std::system_error if there is no descriptor left for a
    // doorbell, std::bad_alloc.
    MeshPeer<T> join() && {
        return MeshPeer<T>(std::make_unique<MeshState<T>>(id_, std::move(senders_), std::move(receivers_)));
    }

private:
    template <class U>
    friend std::vector<MeshSeat<U>> make_seats(std::span<const MeshRole> roles, std::size_t capacity);

    MeshSeat(PeerId id, std::size_t peers) : id_(id), senders_(peers), receivers_(peers) {}

    PeerId id_;
    std::vector<std::optional<SharedSender<T>>> senders_;
    std::vector<std::optional<SharedReceiver<T>>> receivers_;
};

template <class T>
std::vector<MeshSeat<T>> make_seats(std::span<const MeshRole> roles, std::size_t capacity) {
    std::vector<MeshSeat<T>> seats;
    for (PeerId id = 0; id < roles.size(); ++id) seats.push_back(MeshSeat<T>(id, roles.size()));
    for (MeshSeat<T>& from : seats) {
        for (MeshSeat<T>& to : seats) {
            bool linked = roles[from.id_] != MeshRole::consumer && roles[to.id_] != MeshRole::producer;
            if (!linked || from.id_ == to.id_) continue;
            auto [sender, receiver] = shared_channel::new_bounded<T>(capacity);
            from.senders_[to.id_].emplace(std::move(sender));
            to.receivers_[from.id_].emplace(std::move(receiver));
        }
    }
    return seats;
}

namespace channel_mesh {

// One seat per role, in this order; each channel has room for `capacity` items, at least 1.
template <class T>
std::vector<MeshSeat<T>> partial(std::span<const MeshRole> roles, std::size_t capacity) {
    return make_seats<T>(roles, capacity);
}

// Everybody sends to everybody else.
template <class T>
std::vector<MeshSeat<T>> full(std::size_t peers, std::size_t capacity) {
    return make_seats<T>(std::vector<MeshRole>(peers, MeshRole::both), capacity);
}

}  // namespace channel_mesh

}  // namespace ringlet

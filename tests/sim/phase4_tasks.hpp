// What happens between shards: calls, channels, a mesh, wakes from other threads. Each shard's root plays its
// own tasks as well; pools are stopped, cancelled, and left early.
#pragma once

#include "phase3_run.hpp"

#include <ringlet/channel/channel_mesh.hpp>
#include <ringlet/channel/shared_channel.hpp>
#include <ringlet/executor/foreign_waker.hpp>
#include <ringlet/pool/executor_pool.hpp>
#include <ringlet/pool/submit_to.hpp>

#include <deque>
#include <memory>
#include <stdexcept>
#include <vector>

namespace sim {

// Owns memory, which must not be lost with an item that nobody receives.
struct Item {
    explicit Item(unsigned number) : number(number), memory(std::make_unique<int>()) {}

    unsigned number;
    std::unique_ptr<int> memory;
};

// A channel between two shards, and what became of it.
struct Line {
    ShardId from, to;
    unsigned items;
    SharedSender<Item> sender;
    SharedReceiver<Item> receiver;
    unsigned accepted = 0;  // by the channel
    unsigned received = 0;
    bool is_sent = false;   // the sender went on its own account
    bool is_eaten = false;  // the receiver has seen the end
};

// A task of one shard waits until another shard has been there.
struct Rendezvous {
    ShardId waiter, visitor;
    ForeignWaker waker{};
    bool is_done = false;
};

// What the shards of one run share. In a simulation they are one thread, and need no locks for it.
struct Cast {
    unsigned shards;
    std::deque<Line> lines;
    std::deque<Rendezvous> meetings;
    std::vector<MeshSeat<unsigned>> seats;
    unsigned mesh_items = 0;  // from each to each other
    bool is_cut = false;      // the pool was stopped, or a root left early: what is under way may end
};

inline ShardId another(Scene& scene, const Cast& cast) { return scene.chance.below(cast.shards); }

// --- Calls -------------------------------------------------------------------------------------------

inline void check_call_error(const Cast& cast, CallError error, bool may_time_out) {
    if (error == CallError::timed_out && may_time_out) return;
    if (cast.is_cut && error != CallError::timed_out) return;
    violated("a call comes home with its result", "with an error instead", static_cast<unsigned>(error));
}

inline Co<void> calls_a_function(Scene& scene, Cast& cast) {
    for (unsigned rounds = scene.chance.between(1, 4); rounds > 0; --rounds) {
        unsigned given = scene.chance.below(1000);
        auto twice = [given] { return given * 2; };
        auto result = co_await submit_to(another(scene, cast), twice);
        if (!result) co_return check_call_error(cast, result.error(), false);
        if (*result != given * 2) violated("a call comes home with its result", "with another one", *result);
    }
}

inline Co<void> calls_a_task(Scene& scene, Cast& cast) {
    Duration long_enough = scene.up_to(100us);
    auto function = [long_enough]() -> Co<unsigned> {
        co_await sleep(long_enough);
        co_return 7U;
    };
    auto call = submit_to(another(scene, cast), std::move(function));
    if (scene.chance.once_in(2)) {
        auto result = co_await std::move(call).timeout(scene.up_to(100us));
        if (!result) check_call_error(cast, result.error(), true);
    } else if (scene.chance.once_in(2)) {
        co_await timeout(scene.up_to(50us), std::move(call));  // dropped
    } else {
        auto result = co_await std::move(call);
        if (!result) check_call_error(cast, result.error(), false);
    }
}

// A cancellation follows its call, and ends it.
inline Co<void> cancels_a_call(Scene& scene, Cast& cast) {
    auto function = []() -> Co<unsigned> {
        co_await sleep(1h);
        co_return 7U;
    };
    auto call = submit_to(another(scene, cast), std::move(function));
    call.start();
    if (scene.chance.once_in(2)) co_await sleep(scene.up_to(50us));
    call.cancel();
    auto result = co_await std::move(call);
    if (result) violated("a cancelled call ends", "it took its hour");
    if (result.error() != CallError::cancelled) check_call_error(cast, result.error(), false);
}

inline Co<void> calls_what_throws(Scene& scene, Cast& cast) {
    auto thrower = [] { throw std::runtime_error("over there"); };
    try {
        auto result = co_await submit_to(another(scene, cast), thrower);
        if (result) violated("a call comes home with its result", "the exception was lost");
        check_call_error(cast, result.error(), false);
    } catch (const std::runtime_error&) {
    }
}

// --- Wakes -------------------------------------------------------------------------------------------

// R45: what another shard has done before it wakes is seen, and the wake is not lost. Nothing else comes by
// that would make good for it.
inline Co<void> waits_for_another(Rendezvous& meeting) {
    co_await poll_fn([&meeting](Context& context) -> Poll<void> {
        if (meeting.is_done) return Unit{};
        meeting.waker = ForeignWaker(context.waker());
        return pending;
    });
}

inline Co<void> visits_another(Scene& scene, Rendezvous& given) {
    // In any case, also if it is dropped.
    struct Visit {
        Rendezvous& meeting;
        explicit Visit(Rendezvous& meeting) : meeting(meeting) {}
        ~Visit() {
            meeting.is_done = true;
            std::exchange(meeting.waker, ForeignWaker()).wake();
        }
    };
    Visit visit(given);
    if (scene.chance.once_in(3)) co_return;
    co_await sleep(scene.up_to(300us));
}

// --- Channels ----------------------------------------------------------------------------------------

// R48: the other end may be gone at any moment.
inline Co<void> feeds_a_line(Scene& scene, Line& line) {
    ConnectedSender<Item> sender = std::move(line.sender).connect();
    while (line.accepted < line.items) {
        if (scene.chance.once_in(4)) {
            std::vector<Item> batch;
            for (unsigned i = line.accepted; i < line.items && batch.size() < 3; ++i) batch.emplace_back(i);
            std::size_t sent = co_await sender.send_many(batch);
            line.accepted += static_cast<unsigned>(sent);
            if (sent < batch.size()) co_return;
        } else {
            Item item(line.accepted);
            auto sent = co_await sender.send(std::move(item));
            if (!sent) co_return;
            ++line.accepted;
        }
        if (scene.chance.once_in(8)) co_await sleep(scene.up_to(20us));
        if (scene.chance.once_in(60)) break;
    }
    line.is_sent = true;
}

inline void check_item(Line& line, const Item& item) {
    if (item.number != line.received++) {
        violated("items arrive once and in order", "instead came", item.number);
    }
}

inline Co<void> eats_a_line(Scene& scene, Line& line) {
    ConnectedReceiver<Item> receiver = std::move(line.receiver).connect();
    if (scene.chance.once_in(4)) {
        auto company = [](Line& line, ConnectedReceiver<Item>& receiver) -> Co<void> {
            while (auto item = co_await receiver.recv()) check_item(line, *item);
        };
        co_await join(company(line, receiver), company(line, receiver));
        line.is_eaten = true;
        co_return;
    }
    while (true) {
        if (scene.chance.once_in(4)) {
            std::vector<Item> batch;
            if (co_await receiver.recv_many(batch, 3) == 0) break;
            for (const Item& item : batch) check_item(line, item);
        } else if (scene.chance.once_in(3)) {
            auto item = co_await timeout(scene.up_to(20us), receiver.recv());
            if (!item) continue;  // given up, and asked again
            if (!*item) break;
            check_item(line, **item);
        } else {
            auto item = co_await receiver.recv();
            if (!item) break;
            check_item(line, *item);
        }
        if (scene.chance.once_in(60)) co_return;
    }
    line.is_eaten = true;
}

// However small its channels, it does not lock up, though all send before they receive.
inline Co<void> takes_a_seat(Cast& cast, ShardId self) {
    unsigned items = cast.mesh_items;
    MeshPeer<unsigned> peer = std::move(cast.seats[self]).join();
    for (unsigned item = 0; item < items; ++item) {
        for (PeerId other = 0; other < peer.size(); ++other) {
            if (!peer.sends_to(other)) continue;
            auto sent = co_await peer.send_to(other, item);
            if (!sent && !cast.is_cut) violated("a mesh does not lock up", "a peer was gone");
        }
    }
    peer.stop_sending();
    std::vector<unsigned> next(peer.size());
    while (auto item = co_await peer.recv()) {
        if (item->item != next[item->from]++)
            violated("items arrive once and in order", "by the mesh", item->item);
    }
    for (PeerId other = 0; other < peer.size(); ++other) {
        if (peer.receives_from(other) && next[other] != items && !cast.is_cut) {
            violated("items arrive once and in order", "the mesh ended at", next[other]);
        }
    }
}

}  // namespace sim

// The kinds of task that phase 3 adds: semaphores, gates, local channels; and the two promises of its
// scheduler, which are kept in runs without faults: a kernel that tells of a timer 100 ms late cannot keep
// them.
#pragma once

#include "phase2_tasks.hpp"

#include <ringlet/channel/local_channel.hpp>
#include <ringlet/executor/preempt.hpp>
#include <ringlet/sync/gate.hpp>
#include <ringlet/sync/semaphore.hpp>

#include <algorithm>
#include <cmath>
#include <memory>

namespace sim {

// Work on the CPU, in steps, after each of which it may be preempted.
inline Co<void> works(Scene& scene, Duration work, Duration step) {
    for (Duration done{}; done < work; done += step) {
        scene.kernel.pass(step);
        co_await yield_if_needed();
    }
}

inline Co<void> works_a_little(Scene& scene) {
    co_await works(scene, scene.up_to(1ms), 1us + scene.up_to(50us));
}

// --- Waiting for each other --------------------------------------------------------------------------

// Shared, since whoever has started the users may be cancelled before they end.
struct Room {
    std::uint64_t units;
    Semaphore semaphore{units};
    std::uint64_t inside = 0;
};

// Also if who is inside is cancelled.
struct Inside {
    Room& room;
    std::uint64_t units;
    Inside(Room& room, std::uint64_t units) : room(room), units(units) { room.inside += units; }
    Inside(const Inside&) = delete;
    ~Inside() { room.inside -= units; }
};

inline Co<void> locks(Scene& scene, std::shared_ptr<Room> room) {
    std::uint64_t wanted = scene.chance.between(1, static_cast<unsigned>(room->units));
    auto permit = co_await room->semaphore.acquire_permit(wanted);
    if (!permit) co_return;
    Inside inside(*room, wanted);
    if (room->inside > room->units) violated("a semaphore gives what it has", "units out", room->inside);
    if (scene.chance.once_in(2)) {
        co_await sleep(scene.up_to(50us));
    } else {
        co_await yield_now();
    }
}

inline Co<void> share_a_semaphore(Scene& scene) {
    auto room = std::make_shared<Room>(scene.chance.between(1, 3));
    std::vector<JoinHandle<void>> users;
    for (unsigned count = scene.chance.between(2, 5); count > 0; --count) {
        ++scene.tasks;
        users.push_back(spawn_local(locks(scene, room)));
    }
    // Who waits, or has just been given its units, may be cancelled.
    if (scene.chance.once_in(2)) {
        if (scene.chance.once_in(2)) co_await sleep(scene.up_to(60us));
        users[scene.chance.below(static_cast<unsigned>(users.size()))].cancel();
    }
    for (auto& user : users) co_await user;
    std::uint64_t left = room->semaphore.available();
    if (left != room->units) violated("a semaphore gives what it has", "left", left);
}

inline Co<void> gives_up_locking(Scene& scene) {
    Semaphore semaphore(1);
    auto held = co_await semaphore.acquire_permit(1);
    co_await timeout(scene.up_to(20us), semaphore.acquire_permit(1));
    auto release = [](Scene& scene, Permit permit) -> Co<void> {
        Permit mine = std::move(permit);
        co_await sleep(scene.up_to(20us));
    };
    auto next = [](Semaphore& semaphore) -> Co<void> { auto permit = co_await semaphore.acquire_permit(1); };
    co_await join(release(scene, std::move(*held)), next(semaphore));
    if (semaphore.available() != 1) violated("a semaphore gives what it has", "left", semaphore.available());
}

// Who waits for less gets it when who waits before it for more gives up, although nobody gives anything back.
inline Co<void> gives_way(Scene& scene) {
    auto semaphore = std::make_shared<Semaphore>(2);
    auto held = co_await semaphore->acquire_permit(1);
    auto wants_two = [](std::shared_ptr<Semaphore> semaphore, Duration patience) -> Co<void> {
        co_await timeout(patience, semaphore->acquire_permit(2));
    };
    auto wants_one = [](std::shared_ptr<Semaphore> semaphore) -> Co<void> {
        auto permit = co_await semaphore->acquire_permit(1);
    };
    scene.tasks += 2;
    auto first = spawn_local(wants_two(semaphore, scene.up_to(30us)));
    co_await yield_now();
    auto second = spawn_local(wants_one(semaphore));
    co_await second;
    co_await first;
}

// An item that was promised to who gave up waiting is for the next.
inline Co<void> passes_a_promise_on(Scene& scene) {
    auto [sender, receiver] = local_channel::new_bounded<unsigned>(2);
    auto shared = std::make_shared<LocalReceiver<unsigned>>(std::move(receiver));
    auto impatient = [](std::shared_ptr<LocalReceiver<unsigned>> receiver, Duration patience) -> Co<bool> {
        co_return (co_await timeout(patience, receiver->recv())).has_value();
    };
    auto patient = [](std::shared_ptr<LocalReceiver<unsigned>> receiver) -> Co<void> {
        co_await receiver->recv();
    };
    scene.tasks += 2;
    auto first = spawn_local(impatient(shared, scene.up_to(40us)));
    auto second = spawn_local(patient(shared));
    co_await sleep(scene.up_to(40us));
    static_cast<void>(sender.try_send(1));
    if (scene.chance.once_in(2)) first.cancel();
    auto got = co_await first;
    if (got.value_or(false)) static_cast<void>(sender.try_send(2));
    co_await second;
}

inline Co<void> visits(Scene& scene, Pass given, std::shared_ptr<unsigned> inside) {
    ++*inside;
    co_await sleep(scene.up_to(40us));
    --*inside;
    Pass pass = std::move(given);
}

inline Co<void> passes_a_gate(Scene& scene) {
    Gate gate;
    auto inside = std::make_shared<unsigned>(0);
    std::vector<JoinHandle<void>> guests;
    for (unsigned count = scene.chance.between(1, 3); count > 0; --count) {
        auto pass = gate.enter();
        if (!pass) violated("a gate is open until it is closed", "an open one refused");
        ++scene.tasks;
        guests.push_back(spawn_local(visits(scene, std::move(*pass), inside)));
    }
    auto closed = co_await gate.close();
    if (closed && *inside > 0) violated("a gate waits for its guests", "left inside", *inside);
    for (auto& guest : guests) co_await guest;
}

inline Co<void> feeds(Scene& scene, LocalSender<unsigned> given, unsigned items) {
    LocalSender<unsigned> sender = std::move(given);  // closed when all is sent
    for (unsigned item = 0; item < items; ++item) {
        if (scene.chance.once_in(4)) co_await yield_now();
        auto sent = co_await sender.send(item);
        if (!sent) co_return;
    }
}

inline Co<void> eats(Scene& scene, LocalReceiver<unsigned> given, unsigned items, bool to_the_end) {
    LocalReceiver<unsigned> receiver = std::move(given);
    unsigned next = 0;
    while (to_the_end || next < items / 2) {
        auto item = co_await timeout(scene.up_to(30us), receiver.recv());
        if (!item) continue;  // given up, and asked again
        if (!*item) break;
        if (**item != next++) violated("items arrive once and in order", "expected", next - 1);
    }
    if (to_the_end && next != items) violated("items arrive once and in order", "the channel ended at", next);
}

inline Co<void> talks_through_a_channel(Scene& scene) {
    unsigned items = scene.chance.between(0, 20);
    auto [sender, receiver] = local_channel::new_bounded<unsigned>(scene.chance.between(1, 4));
    bool to_the_end = !scene.chance.once_in(4);
    co_await join(feeds(scene, std::move(sender), items),
                  eats(scene, std::move(receiver), items, to_the_end));
}

inline constexpr Kind phase3_kinds[] = {
    works_a_little,      share_a_semaphore, gives_up_locking,       gives_way,
    passes_a_promise_on, passes_a_gate,     talks_through_a_channel};

// --- The scheduler's promises ------------------------------------------------------------------------

// What the kernel may be late with a timer when it does nothing wrong, and what a turn costs.
inline constexpr Duration slack = 60us;

inline void check_lateness(Time due, Duration bound, Duration step) {
    Duration late = Clock::now() - due;
    if (late > bound + 2 * step + slack) {
        violated("a latency queue runs within its bound", "late by ns",
                 static_cast<std::uint64_t>(late.count()));
    }
}

// R41: a queue whose latency matters runs within its bound and one step of who holds the core, however many
// polls lie in between that may eat the preempt timer's completion.
inline Co<void> ticks_in_time(Scene& scene, Duration bound, Duration step, Duration how_long) {
    Time end = Clock::now() + how_long;
    while (Clock::now() < end) {
        Time due = Clock::now() + 100us + scene.up_to(900us);
        co_await sleep_until(due);
        check_lateness(due, bound, step);
    }
}

// Who `naps` blocks for a moment after each millisecond.
inline Co<void> works_until(Scene& scene, const bool& stop, Duration step, bool naps = false) {
    Duration worked{};
    while (!stop) {
        scene.kernel.run_on(step);
        co_await yield_if_needed();
        worked += step;
        if (!naps || worked < 1ms) continue;
        worked = {};
        co_await sleep(10us);
    }
}

// R42: also if it has just worked, and is ahead of the others by most of what its bound lends it: a quarter
// of their shares, and so four times the virtual time.
inline Co<void> ticks_in_pairs(Scene& scene, Duration bound, Duration step, int pairs) {
    for (; pairs > 0; --pairs) {
        for (Duration work : {bound / 5, Duration::zero()}) {
            Time due = Clock::now() + 50us;
            co_await sleep_until(due);
            check_lateness(due, bound, step);
            scene.kernel.pass(work);
        }
        co_await sleep(4 * bound);
    }
}

inline Co<void> bounds_are_kept(Scene& scene) {
    Duration step = 1us + scene.up_to(50us);
    Duration bound = 1ms + scene.up_to(1ms);
    TaskQueueHandle one = create_task_queue("one");
    TaskQueueHandle other = create_task_queue("other");
    TaskQueueHandle urgent = create_task_queue(Shares::Static{250}, Latency::Matters{bound}, "urgent");
    bool stop = false;
    scene.tasks += 3;
    auto first = spawn_local_into(one, works_until(scene, stop, step)).value();
    auto second = spawn_local_into(other, works_until(scene, stop, step)).value();
    auto ticking = spawn_local_into(urgent, ticks_in_pairs(scene, bound, step, 4)).value();
    co_await ticking;
    stop = true;
    co_await first;
    co_await second;
}

// Two queues that never block get the core by their shares, but for a slice (R43).
inline Co<void> shares_are_kept(Scene& scene) {
    LocalExecutor& executor = *current_executor();
    unsigned heavy_shares = scene.chance.between(1, 1000);
    unsigned light_shares = scene.chance.between(1, 1000);
    Duration step = 1us + scene.up_to(100us);
    Duration bound = 500us + scene.up_to(1ms);
    TaskQueueHandle heavy = create_task_queue(Shares::Static{heavy_shares}, Latency{}, "heavy");
    TaskQueueHandle light = create_task_queue(Shares::Static{light_shares}, Latency{}, "light");
    TaskQueueHandle urgent = create_task_queue(Shares::Static{1000}, Latency::Matters{bound}, "urgent");
    Duration how_long = 20ms + scene.up_to(20ms);
    bool stop = false;
    scene.tasks += 3;
    auto first = spawn_local_into(heavy, works_until(scene, stop, step)).value();
    // Who blocks now and then keeps its debt: it gets no more than its share, but perhaps less.
    bool naps = scene.chance.once_in(2);
    auto second = spawn_local_into(light, works_until(scene, stop, step, naps)).value();
    auto ticking = spawn_local_into(urgent, ticks_in_time(scene, bound, step, how_long)).value();
    co_await ticking;
    auto part = [&executor](TaskQueueHandle queue, unsigned shares) {
        return static_cast<double>(executor.queue(queue)->stats().runtime.count()) / shares;
    };
    // Each is ahead of the other by a turn at most, of the slice that its shares give it.
    auto turn = [&](unsigned shares) {
        Duration slice = std::max<Duration>(Duration(5ms) * shares / 1000, 200us);
        return static_cast<double>((slice + 2 * step + slack).count()) / shares;
    };
    double ahead = part(light, light_shares) - part(heavy, heavy_shares);
    double apart = naps ? std::max(ahead, 0.0) : std::abs(ahead);
    if (apart > std::max(turn(heavy_shares), turn(light_shares))) {
        violated("shares are kept", "apart by ns of virtual time", static_cast<std::uint64_t>(apart));
    }
    stop = true;
    co_await first;
    co_await second;
}

}  // namespace sim

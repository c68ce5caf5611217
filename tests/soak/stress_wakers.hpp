// A kind of races of soak_stress (stress.cpp): foreign wakers that are copied, called and dropped on other
// threads while their tasks wait, run and die.
#pragma once

#include "stress.hpp"

#include <ringlet/executor/foreign_waker.hpp>
#include <ringlet/future/future.hpp>

#include <algorithm>
#include <array>
#include <mutex>
#include <thread>
#include <vector>

namespace stress {

inline constexpr unsigned slots_count = 6, meddlers_count = 2;

// A task that waits, over and over, and what other threads know of it.
struct Slot {
    std::mutex mutex;
    bool is_open = false;
    ForeignWaker waker;
    // Any thread (atomic):
    std::atomic<std::uint64_t> answers = 0, deaths = 0;

    ForeignWaker copy_waker() {
        std::lock_guard lock(mutex);
        return waker;
    }
    ForeignWaker take_waker() {
        std::lock_guard lock(mutex);
        return std::move(waker);
    }
    // Ready when it is open, and closes it.
    auto wait() {
        return poll_fn([this](Context& context) -> Poll<void> {
            std::lock_guard lock(mutex);
            if (std::exchange(is_open, false)) return Unit{};
            waker = ForeignWaker(context.waker());
            return pending;
        });
    }
};

// Keeps a task at each slot. A task that nobody can wake any more is dropped by its executor; then the keeper
// spawns another.
struct Keeper {
    std::array<Slot, slots_count> slots;
    std::array<bool, slots_count> vacant;  // owner thread only
    Waker waker;
    ForeignWaker end;  // for the last meddler; set by the owner before is_ready
    std::atomic<unsigned> meddlers = meddlers_count;
    std::atomic<bool> is_ready = false;
    std::atomic<std::uint64_t> wakes = 0;
};

// Part of a slot's task: notes that the task is gone.
class Tenant {
public:
    Tenant(Keeper& keeper, unsigned slot) : keeper_(&keeper), slot_(slot) { keeper.vacant[slot] = false; }
    Tenant(Tenant&& other) noexcept : keeper_(std::exchange(other.keeper_, nullptr)), slot_(other.slot_) {}
    ~Tenant() {
        if (!keeper_) return;
        keeper_->vacant[slot_] = true;
        ++keeper_->slots[slot_].deaths;
        std::move(keeper_->waker).wake();
    }

private:
    Keeper* keeper_;
    unsigned slot_;
};

inline Co<void> answer(Slot& slot, Tenant) {
    while (true) {
        co_await slot.wait();
        ++slot.answers;
        ++progress;
    }
}

inline Co<void> keep(Keeper& keeper) {
    auto vacancy = poll_fn([&keeper](Context& context) -> Poll<void> {
        if (keeper.meddlers == 0 || std::ranges::count(keeper.vacant, true) > 0) return Unit{};
        keeper.waker.remember(context.waker());
        if (!keeper.end) keeper.end = ForeignWaker(context.waker());
        keeper.is_ready = true;
        return pending;
    });
    while (keeper.meddlers > 0) {
        for (unsigned slot = 0; slot < slots_count; ++slot) {
            if (keeper.vacant[slot]) spawn_local(answer(keeper.slots[slot], Tenant(keeper, slot))).detach();
        }
        co_await vacancy;
    }
}

// Until `count` has changed; that it does not is the watchdog's business.
inline void wait_for_change(const std::atomic<std::uint64_t>& count, std::uint64_t before) {
    while (count.load(std::memory_order_relaxed) == before) std::this_thread::yield();
}

// Opens the slot, and wakes whoever waits there.
inline void open(Slot& slot, Random& random) {
    std::uint64_t before = slot.answers;
    ForeignWaker waker;
    {
        std::lock_guard lock(slot.mutex);
        slot.is_open = true;
        waker = std::move(slot.waker);
    }
    spin(random);
    waker.wake();
    waker = ForeignWaker();
    wait_for_change(slot.answers, before);
}

// Takes the only waker of a task and drops it: the task must die. Nobody else may know the slot meanwhile.
inline void abandon(Slot& slot, Random& random) {
    std::uint64_t before = slot.deaths;
    ForeignWaker waker = slot.take_waker();
    if (!waker) return;
    spin(random);
    waker = ForeignWaker();
    wait_for_change(slot.deaths, before);
}

inline void meddle(Keeper& keeper, unsigned me, Time end, std::uint64_t seed) {
    Random random(seed);
    while (!keeper.is_ready) std::this_thread::yield();
    while (is_before(end)) {
        // Half of the slots are for both, and each meddler has some of its own.
        Slot& shared = keeper.slots[random() % (slots_count / 2)];
        Slot& own = keeper.slots[slots_count / 2 + me];
        switch (random() % 4) {
            case 0: open(random() % 2 ? shared : own, random); break;
            case 1: abandon(own, random); break;
            default:
                ForeignWaker copy = shared.copy_waker();
                for (std::uint64_t count = random() % 4; count > 0; --count) {
                    ForeignWaker another = copy;
                    spin(random);
                    another.wake();
                    ++keeper.wakes;
                }
        }
    }
    if (--keeper.meddlers == 0) keeper.end.wake();
}

inline void foreign_wakers(Time end, std::uint64_t seed) {
    Keeper keeper;
    keeper.vacant.fill(true);
    auto executor = make_executor();
    std::vector<std::thread> meddlers;
    for (unsigned me = 0; me < meddlers_count; ++me) {
        meddlers.emplace_back([&, me] { meddle(keeper, me, end, seed + me); });
    }
    executor->run(keep(keeper));
    for (std::thread& meddler : meddlers) meddler.join();
    std::uint64_t parks = executor->stats().parks, answers = 0, deaths = 0;
    for (Slot& slot : keeper.slots) {
        answers += slot.answers;
        deaths += slot.deaths;
    }
    executor.reset();
    if (std::ranges::count(keeper.vacant, false) > 0) fail("foreign wakers: a task was never freed");
    report("foreign wakers",
           {{keeper.wakes, "wakes"}, {answers, "answers"}, {deaths, "tasks dropped"}, {parks, "sleeps"}});
}

}  // namespace stress

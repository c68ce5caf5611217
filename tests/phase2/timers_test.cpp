// Timers, driven directly: the clock is a number that the test moves.
#include "support.hpp"

#include <ringlet/reactor/timers.hpp>

#include <map>
#include <random>

using namespace support;

namespace {

Time at(std::int64_t tick) { return Time(Duration(tick)); }

// Waker data: notes in `order` that it was woken.
struct Sleeper {
    std::vector<int>* order;
    int id;
    int wakes = 0;
    int references = 0;

    Waker waker() {
        static constexpr WakerVTable vtable = {
            .clone = [](void* data) noexcept -> void* {
                ++static_cast<Sleeper*>(data)->references;
                return data;
            },
            .wake =
                [](void* data) noexcept {
                    auto& self = *static_cast<Sleeper*>(data);
                    ++self.wakes;
                    self.order->push_back(self.id);
                    --self.references;
                },
            .wake_by_ref = [](void*) noexcept { FAIL("a timer wakes and lets go"); },
            .drop = [](void* data) noexcept { --static_cast<Sleeper*>(data)->references; },
        };
        ++references;
        return Waker(this, vtable);
    }
};

// A timer, its sleeper, and what must be true of them.
struct Entry {
    Sleeper sleeper;
    std::unique_ptr<Timer> timer = std::make_unique<Timer>();
    std::int64_t deadline = 0;
    int wakes_due = 0;
};

}  // namespace

TEST_CASE("a timer wakes once, at its deadline and not before") {
    std::vector<int> order;
    Sleeper sleeper{&order, 1};
    Timers timers;
    Timer timer;
    timers.arm(timer, at(100), sleeper.waker());
    CHECK(timer.is_armed());
    CHECK(timers.earliest() == at(100));
    timers.expire(at(99));
    CHECK(sleeper.wakes == 0);
    timers.expire(at(100));
    CHECK(sleeper.wakes == 1);
    CHECK_FALSE(timer.is_armed());
    CHECK(timers.empty());
    CHECK(timers.earliest() == std::nullopt);
    timers.expire(at(1000));
    CHECK(sleeper.wakes == 1);
    CHECK(sleeper.references == 0);
}

TEST_CASE("a disarmed or destroyed timer does not wake") {
    std::vector<int> order;
    Sleeper disarmed{&order, 1};
    Sleeper destroyed{&order, 2};
    Timers timers;
    Timer first;
    timers.arm(first, at(10), disarmed.waker());
    {
        Timer second;
        timers.arm(second, at(20), destroyed.waker());
        CHECK(timers.size() == 2);
    }
    CHECK(timers.size() == 1);
    first.disarm();
    CHECK(timers.empty());
    first.disarm();
    timers.expire(at(100));
    CHECK(order.empty());
    CHECK(destroyed.references == 0);
}

TEST_CASE("arming an armed timer keeps its deadline and wakes whoever came last") {
    std::vector<int> order;
    Sleeper first{&order, 1};
    Sleeper second{&order, 2};
    Timers timers;
    Timer timer;
    timers.arm(timer, at(10), first.waker());
    timers.arm(timer, at(5), second.waker());
    CHECK(timers.size() == 1);
    CHECK(timers.earliest() == at(10));
    CHECK(first.references == 0);
    timers.expire(at(10));
    CHECK(order == std::vector<int>{2});
}

TEST_CASE("a timer that is reset keeps its waker and changes its deadline, to earlier or later") {
    std::vector<int> order;
    Sleeper first{&order, 1};
    Sleeper second{&order, 2};
    Timers timers;
    Timer earlier;
    Timer later;
    timers.arm(later, at(10), first.waker());
    timers.arm(earlier, at(20), second.waker());
    earlier.reset(at(5));
    later.reset(at(30));
    CHECK(timers.size() == 2);
    CHECK(timers.earliest() == at(5));
    timers.expire(at(29));
    CHECK(order == std::vector<int>{2});
    timers.expire(at(30));
    CHECK(order == std::vector<int>{2, 1});
}

TEST_CASE("a timer that is reset when it is not armed has not fired, and arms nothing") {
    std::vector<int> order;
    Sleeper sleeper{&order, 1};
    Timers timers;
    Timer timer;
    timers.arm(timer, at(10), sleeper.waker());
    timers.expire(at(10));
    CHECK(timer.has_fired());
    timer.reset(at(20));
    CHECK_FALSE(timer.has_fired());
    CHECK(timers.empty());
}

TEST_CASE("what is due together wakes in the order of the deadlines") {
    std::vector<int> order;
    std::vector<Sleeper> sleepers;
    for (int id = 0; id < 100; ++id) sleepers.push_back({&order, id});
    Timers timers;
    std::vector<Timer> armed(100);
    for (int i = 0; i < 100; ++i) {
        int id = i * 37 % 100;
        timers.arm(armed[id], at(id), sleepers[id].waker());
    }
    timers.expire(at(1000));
    REQUIRE(order.size() == 100);
    CHECK(std::is_sorted(order.begin(), order.end()));
}

TEST_CASE("timers that outlive their reactor are disarmed and give their wakers back") {
    std::vector<int> order;
    Sleeper sleeper{&order, 1};
    {
        Timer timer;
        {
            Timers timers;
            timers.arm(timer, at(10), sleeper.waker());
        }
        CHECK_FALSE(timer.is_armed());
        timer.disarm();
    }
    CHECK(order.empty());
    CHECK(sleeper.references == 0);
}

TEST_CASE("a timer may be moved while it is not armed; to move an armed one is a bug") {
    Timer idle;
    Timer moved = std::move(idle);
    CHECK_FALSE(moved.is_armed());
    ChildEnd child = run_in_child([] {
        Timers timers;
        Timer armed;
        timers.arm(armed, at(10), Waker());
        Timer moved(std::move(armed));
    });
    CHECK(child.aborted());
    CHECK(child.says("a timer was moved while armed"));
}

TEST_CASE("random arming, resetting, disarming and expiring agree with a sorted model") {
    for (unsigned seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        auto below = [&random](std::int64_t limit) { return static_cast<std::int64_t>(random() % limit); };
        std::vector<int> order;
        Timers timers;
        std::multimap<std::int64_t, int> model;  // deadline -> index
        std::vector<Entry> entries(200);
        for (int i = 0; i < 200; ++i) entries[i].sleeper = {&order, i};
        auto forget = [&](int index) {
            auto [first, last] = model.equal_range(entries[index].deadline);
            for (auto at = first; at != last; ++at) {
                if (at->second == index) return model.erase(at), true;
            }
            return false;
        };

        std::int64_t now = 0;
        for (int step = 0; step < 5000; ++step) {
            int index = static_cast<int>(below(200));
            Entry& entry = entries[index];
            switch (below(8)) {
                case 0:
                    CHECK(entry.timer->is_armed() == forget(index));
                    entry.timer->disarm();
                    break;
                case 1:
                    forget(index);
                    entry.timer = std::make_unique<Timer>();
                    break;
                case 2: {
                    now += below(30);
                    order.clear();
                    timers.expire(at(now));
                    std::vector<std::int64_t> woken;
                    for (int id : order) woken.push_back(entries[id].deadline);
                    std::vector<std::int64_t> due;
                    auto end = model.upper_bound(now);
                    for (auto it = model.begin(); it != end; ++it) {
                        due.push_back(it->first);
                        ++entries[it->second].wakes_due;
                    }
                    model.erase(model.begin(), end);
                    CHECK(woken == due);
                    break;
                }
                case 3:
                    CHECK(entry.timer->is_armed() == forget(index));
                    entry.deadline = now + below(100);
                    if (entry.timer->is_armed()) model.emplace(entry.deadline, index);
                    entry.timer->reset(at(entry.deadline));
                    break;
                default:
                    if (!entry.timer->is_armed()) {
                        // Few different deadlines, so that many are equal.
                        entry.deadline = now + below(100);
                        model.emplace(entry.deadline, index);
                    }
                    timers.arm(*entry.timer, at(entry.deadline), entry.sleeper.waker());
            }
            REQUIRE(timers.size() == model.size());
            if (!model.empty()) CHECK(timers.earliest() == at(model.begin()->first));
        }
        timers.expire(at(now + 1000));
        for (auto& [deadline, index] : model) ++entries[index].wakes_due;
        for (Entry& entry : entries) {
            CHECK(entry.sleeper.wakes == entry.wakes_due);
            entry.timer.reset();
            CHECK(entry.sleeper.references == 0);
        }
        CHECK(timers.empty());
    }
}

// Semaphore: who gets units and when, who is woken, and that no unit is lost however a wait ends.
#include "waits.hpp"

#include "../phase1/counted_new.hpp"

#include <ringlet/sync/semaphore.hpp>

#include <deque>
#include <random>

using namespace support;

namespace {

using Waiting = Wait<Acquire>;

bool was_granted(const Waiting& wait) { return wait.output && wait.output->has_value(); }
bool was_refused(const Waiting& wait) { return wait.output && !wait.output->has_value(); }

Co<void> take_and_log(Semaphore& semaphore, std::uint64_t units, Log& log, std::string name) {
    auto permit = co_await semaphore.acquire_permit(units);
    log.push_back(name + (permit ? " in" : " refused"));
    co_await yield_now();
    log.push_back(name + " out");
}

}  // namespace

TEST_CASE("units that are there are taken at once and come back with signal") {
    Semaphore semaphore(3);
    Waiting two(semaphore.acquire(2));
    CHECK(semaphore.available() == 3);  // not before it is polled
    CHECK(two.poll());
    CHECK(was_granted(two));
    CHECK(two.counts.clones == 0);
    CHECK(semaphore.available() == 1);
    two.drop();
    CHECK(semaphore.available() == 1);  // its holder owes them
    semaphore.signal(2);
    CHECK(semaphore.available() == 3);
}

TEST_CASE("more units than at first may be signalled") {
    Semaphore semaphore(0);
    Waiting wait(semaphore.acquire(5));
    CHECK_FALSE(wait.poll());
    semaphore.signal(7);
    CHECK(wait.is_woken());
    CHECK(semaphore.available() == 2);  // its units are its own before its task runs
    CHECK(wait.poll());
}

TEST_CASE("no units are always enough, but not out of turn") {
    Semaphore semaphore(0);
    Waiting nothing(semaphore.acquire(0));
    CHECK(nothing.poll());
    Waiting one(semaphore.acquire(1));
    Waiting behind(semaphore.acquire(0));
    CHECK_FALSE(one.poll());
    CHECK_FALSE(behind.poll());
    semaphore.signal(1);
    CHECK(one.is_woken());
    CHECK(behind.is_woken());
    CHECK(one.poll());
    CHECK(behind.poll());
}

TEST_CASE("try_acquire says why not, and overtakes nobody") {
    Semaphore semaphore(2);
    CHECK(semaphore.try_acquire(1));
    CHECK(semaphore.try_acquire(2).error() == NotAcquired::would_block);
    CHECK(semaphore.try_acquire_permit(2).error() == NotAcquired::would_block);
    Waiting two(semaphore.acquire(2));
    CHECK_FALSE(two.poll());
    CHECK(semaphore.available() == 1);
    CHECK(semaphore.try_acquire(1).error() == NotAcquired::would_block);
    two.drop();
    CHECK(semaphore.try_acquire(1));
    semaphore.close();
    CHECK(semaphore.try_acquire(0).error() == NotAcquired::closed);
    CHECK(semaphore.try_acquire_permit(0).error() == NotAcquired::closed);
}

TEST_CASE("a big wait is not starved by small ones") {
    Semaphore semaphore(1);
    Waiting big(semaphore.acquire(3));
    Waiting small(semaphore.acquire(1));
    CHECK_FALSE(big.poll());
    CHECK_FALSE(small.poll());  // one unit is there, but it came later
    semaphore.signal(1);
    CHECK_FALSE(big.is_woken());
    CHECK_FALSE(small.is_woken());
    semaphore.signal(1);
    CHECK(big.is_woken());
    CHECK_FALSE(small.is_woken());
    CHECK(semaphore.available() == 0);
    CHECK(big.poll());
    semaphore.signal(3);
    CHECK(small.is_woken());
    CHECK(small.poll());
    CHECK(semaphore.available() == 2);
}

TEST_CASE("a signal wakes exactly those who can go on") {
    Semaphore semaphore(0);
    std::deque<Waiting> waits;
    for (int index = 0; index < 4; ++index) {
        waits.emplace_back(semaphore.acquire(2));
        CHECK_FALSE(waits.back().poll());
    }
    semaphore.signal(5);
    CHECK(waits[0].counts.wakes == 1);
    CHECK(waits[1].counts.wakes == 1);
    CHECK(waits[2].counts.wakes == 0);
    CHECK(waits[3].counts.wakes == 0);
    CHECK(semaphore.available() == 1);
}

TEST_CASE("polling again keeps the place, and the last waker counts") {
    Semaphore semaphore(0);
    WakerCounts first;
    WakerCounts second;
    {
        auto wait = semaphore.acquire(1);
        Waiting behind(semaphore.acquire(1));
        CHECK(poll_with(wait, make_waker(first)).is_pending());
        CHECK_FALSE(behind.poll());
        CHECK(poll_with(wait, make_waker(first)).is_pending());
        CHECK(first.clones == 1);  // the same task: no new reference
        CHECK(poll_with(wait, make_waker(second)).is_pending());
        semaphore.signal(1);
        CHECK(first.wakes == 0);
        CHECK(second.wakes == 1);
        CHECK_FALSE(behind.is_woken());
        CHECK(poll(wait).take().has_value());
    }
    CHECK(first.references == 0);
    CHECK(second.references == 0);
}

TEST_CASE("dropping a wait that was never polled, or is done, changes nothing") {
    Semaphore semaphore(1);
    {
        auto unpolled = semaphore.acquire(1);
    }
    CHECK(semaphore.available() == 1);
    {
        auto done = semaphore.acquire(1);
        CHECK(poll(done).is_ready());
    }
    CHECK(semaphore.available() == 0);
}

TEST_CASE("dropping a wait lets those pass that it blocked") {
    Semaphore semaphore(2);
    Waiting big(semaphore.acquire(3));
    Waiting one(semaphore.acquire(1));
    Waiting other(semaphore.acquire(1));
    Waiting third(semaphore.acquire(1));
    for (Waiting* wait : {&big, &one, &other, &third}) CHECK_FALSE(wait->poll());
    big.drop();
    CHECK(one.is_woken());
    CHECK(other.is_woken());
    CHECK_FALSE(third.is_woken());
    CHECK(semaphore.available() == 0);
}

TEST_CASE("a wait in the middle leaves the others in order") {
    Semaphore semaphore(0);
    Waiting first(semaphore.acquire(1));
    Waiting second(semaphore.acquire(1));
    Waiting third(semaphore.acquire(1));
    for (Waiting* wait : {&first, &second, &third}) CHECK_FALSE(wait->poll());
    second.drop();
    semaphore.signal(1);
    CHECK(first.is_woken());
    CHECK_FALSE(third.is_woken());
    semaphore.signal(1);
    CHECK(third.is_woken());
}

TEST_CASE("a wait that is dropped after it was woken passes its units on") {
    Semaphore semaphore(0);
    Waiting first(semaphore.acquire(2));
    Waiting second(semaphore.acquire(1));
    CHECK_FALSE(first.poll());
    CHECK_FALSE(second.poll());
    semaphore.signal(2);
    REQUIRE(first.is_woken());
    first.drop();
    CHECK(second.is_woken());
    CHECK(semaphore.available() == 1);
    second.drop();
    CHECK(semaphore.available() == 2);
}

TEST_CASE("the same holds for a wait for a permit") {
    Semaphore semaphore(0);
    Wait<AcquirePermit> first(semaphore.acquire_permit(2));
    CHECK_FALSE(first.poll());
    semaphore.signal(2);
    REQUIRE(first.is_woken());
    CHECK(semaphore.available() == 0);
    first.drop();
    CHECK(semaphore.available() == 2);
}

TEST_CASE("a permit gives its units back once, wherever it went") {
    Semaphore semaphore(5);
    {
        auto permit = semaphore.try_acquire_permit(2);
        REQUIRE(permit);
        Permit moved = std::move(*permit);
        CHECK(semaphore.available() == 3);
        auto future = semaphore.acquire_permit(1);
        auto other = poll(future).take();
        REQUIRE(other);
        CHECK(semaphore.available() == 2);
        moved = std::move(*other);
        CHECK(semaphore.available() == 2);
    }
    CHECK(semaphore.available() == 5);
}

TEST_CASE("closing refuses all who wait and whoever comes, for good") {
    Semaphore semaphore(1);
    Waiting waiting(semaphore.acquire(2));
    Waiting behind(semaphore.acquire(1));
    Waiting unpolled(semaphore.acquire(1));
    CHECK_FALSE(waiting.poll());
    CHECK_FALSE(behind.poll());
    semaphore.close();
    CHECK(waiting.counts.wakes == 1);
    CHECK(behind.counts.wakes == 1);
    semaphore.close();
    semaphore.signal(5);
    for (Waiting* wait : {&waiting, &behind, &unpolled}) {
        CHECK(wait->poll());
        CHECK(was_refused(*wait));
    }
    auto permit = semaphore.acquire_permit(0);
    CHECK_FALSE(poll(permit).take().has_value());
    CHECK(semaphore.available() == 6);
}

TEST_CASE("what was granted before the close stays granted, and comes back") {
    Semaphore semaphore(0);
    Waiting granted(semaphore.acquire(1));
    Waiting dropped(semaphore.acquire(1));
    Waiting refused(semaphore.acquire(1));
    for (Waiting* wait : {&granted, &dropped, &refused}) CHECK_FALSE(wait->poll());
    semaphore.signal(2);
    semaphore.close();
    CHECK(granted.poll());
    CHECK(was_granted(granted));
    dropped.drop();
    CHECK(semaphore.available() == 1);
    refused.drop();  // told, but never polled
    CHECK(semaphore.available() == 1);
}

TEST_CASE("tasks get in one after another, in the order in which they came") {
    auto executor = make_executor();
    Log log;
    Semaphore semaphore(2);
    executor->run([&]() -> Co<void> {
        auto a = spawn_local(take_and_log(semaphore, 1, log, "a"));
        auto b = spawn_local(take_and_log(semaphore, 2, log, "b"));
        auto c = spawn_local(take_and_log(semaphore, 1, log, "c"));
        co_await a;
        co_await b;
        co_await c;
    });
    CHECK(log == Log{"a in", "a out", "b in", "b out", "c in", "c out"});
    CHECK(semaphore.available() == 2);
}

TEST_CASE("a task cancelled while it waits, or between its wake and its run, holds up nobody") {
    auto executor = make_executor();
    Semaphore semaphore(0);
    for (bool is_woken : {false, true}) {
        Log log;
        executor->run([&]() -> Co<void> {
            auto cancelled = spawn_local(take_and_log(semaphore, 1, log, "cancelled"));
            auto next = spawn_local(take_and_log(semaphore, 1, log, "next"));
            co_await yield_now();
            if (is_woken) semaphore.signal(1);
            cancelled.cancel();
            if (!is_woken) semaphore.signal(1);
            CHECK_FALSE(co_await cancelled);
            CHECK(co_await next);
            CHECK(semaphore.try_acquire(1));
        });
        CHECK(log == Log{"next in", "next out"});
    }
}

TEST_CASE("random waits, drops and signals: as the plainest queue would do it") {
    for (unsigned seed = 1; seed <= 200; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        auto below = [&](unsigned end) {
            return std::uniform_int_distribution<unsigned>(0, end - 1)(random);
        };
        std::uint64_t model_available = below(4);
        Semaphore semaphore(model_available);
        struct Entry {
            std::unique_ptr<Waiting> wait;
            std::uint64_t units;
            bool granted;  // by the model
        };
        std::deque<Entry> entries;
        std::uint64_t held = 0;
        auto model_grant = [&] {
            for (Entry& entry : entries) {
                if (entry.granted) continue;
                if (entry.units > model_available) return;
                model_available -= entry.units;
                entry.granted = true;
            }
        };
        for (int step = 0; step < 100; ++step) {
            unsigned action = below(4);
            if (action == 0 || entries.empty()) {
                std::uint64_t units = below(4);
                entries.push_back({std::make_unique<Waiting>(semaphore.acquire(units)), units, false});
                entries.back().wait->poll();
            } else if (action == 1) {
                std::uint64_t units = held > 0 ? 1 + below(static_cast<unsigned>(held)) : 1;
                held -= std::min(held, units);
                model_available += units;
                semaphore.signal(units);
            } else {
                auto entry = entries.begin() + below(static_cast<unsigned>(entries.size()));
                if (action == 2 && entry->granted) {
                    REQUIRE(entry->wait->poll());
                    held += entry->units;
                } else if (entry->granted && !entry->wait->output) {
                    model_available += entry->units;  // dropped before it knew
                } else if (entry->granted) {
                    held += entry->units;
                }
                entries.erase(entry);
            }
            model_grant();
            REQUIRE(semaphore.available() == model_available);
            for (Entry& entry : entries) {
                bool told = entry.wait->output || entry.wait->is_woken();
                REQUIRE(told == entry.granted);
            }
        }
    }
}

#if !defined(OPERATOR_NEW_IS_FIXED)
TEST_CASE("neither taking nor waiting allocates") {
    Semaphore semaphore(1);
    long before = counted_new::made;
    Waiting first(semaphore.acquire(1));
    Waiting second(semaphore.acquire(1));
    Waiting third(semaphore.acquire(1));
    Wait<AcquirePermit> fourth(semaphore.acquire_permit(1));
    bool ready = first.poll() || second.poll() || third.poll() || fourth.poll();
    second.drop();
    semaphore.signal(2);
    ready = third.poll() && fourth.poll();
    semaphore.close();
    CHECK(counted_new::made == before);
    CHECK(ready);
}
#endif

TEST_CASE("misuse is told") {
    CHECK(run_in_child([] {
              Semaphore semaphore(1);
              semaphore.signal(static_cast<std::uint64_t>(-1));
          }).says("more units than it can count"));
    CHECK(run_in_child([] {
              Semaphore semaphore(0);
              auto wait = semaphore.acquire(1);
              static_cast<void>(poll(wait));
              auto moved = std::move(wait);
          }).says("moved after it was polled"));
    CHECK(run_in_child([] {
              auto semaphore = std::make_unique<Semaphore>(0);
              auto wait = semaphore->acquire(1);
              static_cast<void>(poll(wait));
              semaphore.reset();
          }).aborted());
}

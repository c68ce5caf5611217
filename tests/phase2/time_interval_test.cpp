// Interval: ticks at a fixed distance.
#include "support.hpp"

#include <ringlet/time/interval.hpp>

using namespace support;

namespace {

// Busy: the executor learns of nothing meanwhile.
void spin(Duration wait) {
    Time until = after(Clock::now(), wait);
    while (Clock::now() < until) {
    }
}

}  // namespace

TEST_CASE("an interval's ticks are due at fixed times, whatever happens between them") {
    run_io([]() -> Co<void> {
        Time start = Clock::now();
        Interval interval(5ms);
        Time end = Clock::now();
        Time first = co_await interval.tick();
        CHECK(first >= after(start, 5ms));
        CHECK(first <= after(end, 5ms));
        CHECK(Clock::now() >= first);
        Time previous = first;
        for (int tick = 0; tick < 5; ++tick) {
            spin(1ms);
            Time due = co_await interval.tick();
            CHECK(Clock::now() >= due);
            // A machine that is late may skip ticks, never shift them.
            CHECK((due - first) % Duration(5ms) == Duration::zero());
            CHECK(due > previous);
            previous = due;
        }
    });
}

TEST_CASE("ticks that nobody waited for are skipped and not made up for") {
    run_io([]() -> Co<void> {
        Interval interval(10ms);
        Time first = co_await interval.tick();
        spin(35ms);
        // The oldest of those that were due meanwhile comes at once; then only what is still to come.
        Time asked = Clock::now();
        Time late = co_await interval.tick();
        CHECK(late > first);
        CHECK(late <= after(asked, -20ms));
        Time now = Clock::now();
        Time next = co_await interval.tick();
        CHECK(next > asked);
        CHECK(next <= after(now, 10ms));
        CHECK((next - first) % Duration(10ms) == Duration::zero());
    });
}

TEST_CASE("two who wait for the same tick take no other with it") {
    run_io([]() -> Co<void> {
        Interval interval(10ms);
        auto one = interval.tick();
        auto other = interval.tick();
        Time first = co_await one;
        CHECK(co_await other == first);
        Time asked = Clock::now();
        Time next = co_await interval.tick();
        CHECK(next > first);
        CHECK(next <= after(asked, 10ms));
    });
}

TEST_CASE("a dropped tick is not lost") {
    run_io([]() -> Co<void> {
        Interval interval(100ms);
        CHECK(co_await timeout(1ms, interval.tick()) == std::nullopt);
        Time now = Clock::now();
        CHECK(co_await interval.tick() <= after(now, 100ms));
    });
}

TEST_CASE("an interval needs a period") {
    ChildEnd child = run_in_child([] { Interval interval(0ms); });
    CHECK(child.aborted());
    CHECK(child.says("an interval needs a period above zero"));
}

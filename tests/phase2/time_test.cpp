// Sleep, timeout, do_in and do_repeatedly.
#include "support.hpp"

#include <ringlet/time/timer_action.hpp>

using namespace support;

namespace {

// Busy: the executor learns of nothing meanwhile.
void spin(Duration wait) {
    Time until = after(Clock::now(), wait);
    while (Clock::now() < until) {
    }
}

Co<int> after_sleep(Duration wait, int value) {
    co_await sleep(wait);
    co_return value;
}

// Somebody else may reset it meanwhile.
Co<void> sleep_out(Sleep& nap) {
    co_await nap;
    CHECK(Clock::now() >= nap.deadline());
}

}  // namespace

TEST_CASE("a sleep is never early") {
    run_io([]() -> Co<void> {
        for (Duration wait : {Duration(1), Duration(1us), Duration(900us), Duration(3ms)}) {
            Time start = Clock::now();
            co_await sleep(wait);
            CHECK(Clock::now() - start >= wait);
        }
    });
}

TEST_CASE("a sleep whose time has come is ready at its first poll") {
    run_io([]() -> Co<void> {
        Sleep none = sleep(0ms);
        CHECK(co_await poll_once(none));
        Sleep past = sleep_until(after(Clock::now(), -1h));
        CHECK(co_await poll_once(past));
        CHECK(Reactor::current().timers().empty());
        Sleep forever = sleep(Duration::max());
        CHECK(forever.deadline() == Time::max());
        CHECK_FALSE(co_await poll_once(forever));
    });
}

TEST_CASE("a sleep counts from the call and not from the first poll") {
    run_io([]() -> Co<void> {
        Sleep nap = sleep(1ms);
        spin(2ms);
        CHECK(co_await poll_once(nap));
    });
}

TEST_CASE("sleepers wake in the order of their deadlines, whichever came first") {
    std::vector<int> order;
    run_io([&]() -> Co<void> {
        Time start = after(Clock::now(), 20ms);  // all are asleep by then
        auto nap = [&](int ms) -> Co<void> {
            co_await sleep_until(after(start, std::chrono::milliseconds(ms)));
            order.push_back(ms);
        };
        std::vector<JoinHandle<void>> tasks;
        for (int ms : {9, 3, 7, 1, 5}) tasks.push_back(spawn_local(nap(ms)));
        for (auto& task : tasks) co_await task;
    });
    CHECK(order == std::vector<int>{1, 3, 5, 7, 9});
}

TEST_CASE("a sleep that is polled often arms one timer") {
    run_io([]() -> Co<void> {
        Sleep nap = sleep(1h);
        for (int i = 0; i < 100; ++i) CHECK_FALSE(co_await poll_once(nap));
        CHECK(Reactor::current().timers().size() == 1);
    });
}

TEST_CASE("a sleep that is reset waits anew, longer or shorter") {
    run_io([]() -> Co<void> {
        Sleep nap = sleep(1h);
        CHECK_FALSE(co_await poll_once(nap));
        Time start = Clock::now();
        nap.reset(10ms);
        CHECK(Reactor::current().timers().size() == 1);
        co_await nap;
        CHECK(Clock::now() - start >= 10ms);

        nap.reset(1h);
        CHECK_FALSE(co_await poll_once(nap));
        nap.reset(1ms);
        start = Clock::now();
        co_await nap;
        CHECK(Clock::now() - start < 1h);

        nap.reset(0ms);
        CHECK(co_await poll_once(nap));
    });
}

TEST_CASE("a sleep that is reset by another task wakes who awaits it, at the new time") {
    run_io([]() -> Co<void> {
        for (Duration before : {Duration(1h), Duration(20ms)}) {
            Sleep nap = sleep(before);
            auto sleeper = spawn_local(sleep_out(nap));
            co_await yield_now();
            nap.reset(40ms);
            CHECK(co_await sleeper);
        }
    });
}

TEST_CASE("a sleep that is reset when its time has come, but before its task has run, waits anew") {
    run_io([]() -> Co<void> {
        Sleep first = sleep(10ms);
        Sleep nap = sleep(11ms);
        auto sleeper = spawn_local(sleep_out(nap));
        co_await yield_now();
        co_await poll_once(first);
        spin(12ms);
        co_await first;  // both are due, and this task is the first to run
        nap.reset(20ms);
        CHECK(co_await sleeper);
    });
}

TEST_CASE("a sleep may be moved before its first poll; after it, that is a bug") {
    run_io([]() -> Co<void> {
        Sleep here = sleep(1ms);
        Sleep there = std::move(here);
        co_await there;
    });
    ChildEnd child = run_in_child([] {
        run_io([]() -> Co<void> {
            Sleep here = sleep(1ms);
            co_await poll_once(here);
            Sleep there = std::move(here);
        });
    });
    CHECK(child.aborted());
    CHECK(child.says("a timer was moved while armed"));
}

TEST_CASE("a sleeper that is cancelled or dropped leaves no timer behind") {
    run_io([]() -> Co<void> {
        Timers& timers = Reactor::current().timers();
        auto sleeper = spawn_local(after_sleep(1h, 1));
        co_await yield_now();
        CHECK(timers.size() == 1);
        sleeper.cancel();
        CHECK_FALSE(co_await sleeper);
        CHECK(timers.empty());
    });
}

TEST_CASE("a timeout gives the value that comes in time") {
    run_io([]() -> Co<void> {
        auto value = co_await timeout(1h, after_sleep(1ms, 7));
        CHECK(value == 7);
        CHECK(co_await timeout(1h, sleep(1ms)) == true);
        CHECK(Reactor::current().timers().empty());
    });
}

TEST_CASE("a timeout is empty when the time is over first, and the future is dropped with it") {
    run_io([]() -> Co<void> {
        Time start = Clock::now();
        {
            auto limited = timeout(2ms, after_sleep(1h, 7));
            CHECK(co_await limited == std::nullopt);
            CHECK(Clock::now() - start >= 2ms);
            CHECK(Reactor::current().timers().size() == 1);
        }
        CHECK(Reactor::current().timers().empty());
        CHECK(co_await timeout(1ms, sleep(1h)) == false);
        CHECK(Reactor::current().timers().empty());
    });
}

TEST_CASE("on a tie the value wins") {
    run_io([]() -> Co<void> {
        CHECK(co_await timeout(0ms, ready(5)) == 5);
        // Both deadlines pass while nobody looks.
        auto limited = timeout(40ms, sleep(41ms));
        CHECK_FALSE(co_await poll_once(limited));
        spin(42ms);
        CHECK(co_await limited == true);
    });
}

TEST_CASE("a future that was only borrowed can be awaited on after its time is over") {
    Pipe pipe = make_pipe();
    SharedFd reader(std::move(pipe.reader));
    run_io([&]() -> Co<void> {
        std::vector<char> buffer(16);
        Operation read{operations::Read(reader, std::move(buffer), operations::at_current_position)};
        auto limited = co_await timeout(1ms, read);
        CHECK_FALSE(limited);
        put(pipe.writer.get(), "late");
        CHECK((co_await read).n == std::size_t{4});

        auto computing = after_sleep(80ms, 8);
        CHECK(co_await timeout(1ms, computing) == std::nullopt);
        CHECK(co_await computing == 8);
    });
}

TEST_CASE("timeouts nest, and the shorter one counts") {
    run_io([]() -> Co<void> {
        auto outer = co_await timeout(1h, timeout(1ms, after_sleep(1h, 1)));
        REQUIRE(outer);
        CHECK(*outer == std::nullopt);
        CHECK(co_await timeout(1ms, timeout(1h, after_sleep(1h, 1))) == std::nullopt);
    });
}

TEST_CASE("do_in acts once, when the time has come") {
    run_io([]() -> Co<void> {
        Time start = Clock::now();
        int calls = 0;
        auto action = [&] { ++calls; };
        auto task = do_in(50ms, action);
        co_await round_trip();
        CHECK(calls == 0);
        CHECK(co_await task);
        CHECK(Clock::now() - start >= 50ms);
        CHECK(calls == 1);
        co_await sleep(4ms);
        CHECK(calls == 1);
    });
}

TEST_CASE("do_in awaits what its action returns") {
    run_io([]() -> Co<void> {
        bool done = false;
        auto action = [&]() -> Co<void> {
            co_await sleep(1ms);
            done = true;
        };
        CHECK(co_await do_in(1ms, action));
        CHECK(done);
    });
}

TEST_CASE("do_in can be cancelled, detached, and throw") {
    run_io([]() -> Co<void> {
        int calls = 0;
        auto action = [&] { ++calls; };
        auto cancelled = do_in(1ms, action);
        cancelled.cancel();
        CHECK_FALSE(co_await cancelled);
        CHECK(Reactor::current().timers().empty());

        do_in(1ms, action).detach();
        auto acted = [&] { return calls == 1; };
        CHECK(co_await eventually(acted));

        auto fail = [] { throw std::runtime_error("no"); };
        auto failing = do_in(0ms, fail);
        bool threw = false;
        try {
            co_await failing;
        } catch (const std::runtime_error&) {
            threw = true;
        }
        CHECK(threw);
    });
}

TEST_CASE("do_repeatedly acts now, then after each time that it is told, until it is told to end") {
    run_io([]() -> Co<void> {
        std::vector<Time> calls;
        auto action = [&]() -> std::optional<Duration> {
            calls.push_back(Clock::now());
            if (calls.size() == 4) return std::nullopt;
            return std::chrono::milliseconds(calls.size());
        };
        auto task = do_repeatedly(action);
        co_await yield_now();
        CHECK(calls.size() == 1);
        CHECK(co_await task);
        REQUIRE(calls.size() == 4);
        for (std::size_t i = 1; i < 4; ++i) CHECK(calls[i] - calls[i - 1] >= std::chrono::milliseconds(i));
    });
}

TEST_CASE("do_repeatedly can be cancelled between two calls") {
    run_io([]() -> Co<void> {
        int calls = 0;
        auto action = [&]() -> std::optional<Duration> {
            ++calls;
            return 1h;
        };
        auto task = do_repeatedly(action);
        auto called = [&] { return calls == 1; };
        CHECK(co_await eventually(called));
        task.cancel();
        CHECK_FALSE(co_await task);
        CHECK(Reactor::current().timers().empty());
    });
}

TEST_CASE("ten thousand sleepers all wake, and none early") {
    run_io([]() -> Co<void> {
        int early = 0;
        int woken = 0;
        auto nap = [&](Duration wait) -> Co<void> {
            Sleep one = sleep(wait);
            co_await one;
            early += Clock::now() < one.deadline();
            ++woken;
        };
        std::vector<JoinHandle<void>> tasks;
        for (int i = 0; i < 10'000; ++i)
            tasks.push_back(spawn_local(nap(std::chrono::microseconds(i * 7919 % 10'000))));
        for (auto& task : tasks) co_await task;
        CHECK(woken == 10'000);
        CHECK(early == 0);
    });
}

TEST_CASE("an action that is due again at once lets others run") {
    run_io([]() -> Co<void> {
        auto again = do_repeatedly([]() -> std::optional<Duration> { return Duration::zero(); });
        co_await sleep(1ms);
        again.cancel();
    });
}

// Gate: who gets in, when it counts as closed, and who is told.
#include "waits.hpp"

#include "../phase1/counted_new.hpp"

#include <ringlet/sync/gate.hpp>

using namespace support;

namespace {

using Closing = Wait<CloseGate>;

bool has_closed(const Closing& wait) { return wait.output && wait.output->has_value(); }
bool was_refused(const Closing& wait) { return wait.output && !wait.output->has_value(); }

}  // namespace

TEST_CASE("a gate is open until it is closed, and an empty one closes at once") {
    Gate gate;
    CHECK(gate.is_open());
    CHECK_FALSE(gate.is_closed());
    {
        CHECK(gate.enter());
    }
    Closing closing(gate.close());
    CHECK_FALSE(gate.is_open());
    CHECK(gate.is_closed());
    CHECK(closing.poll());
    CHECK(has_closed(closing));
    CHECK_FALSE(gate.enter());
}

TEST_CASE("closing waits for the last pass") {
    Gate gate;
    auto first = gate.enter();
    auto second = gate.enter();
    Closing closing(gate.close());
    CHECK_FALSE(closing.poll());
    CHECK_FALSE(gate.enter());
    first = std::unexpected(Closed{});
    CHECK_FALSE(closing.is_woken());
    CHECK_FALSE(gate.is_closed());
    CHECK_FALSE(closing.poll());
    Pass moved = std::move(*second);
    second = std::unexpected(Closed{});
    CHECK_FALSE(gate.is_closed());
    {
        Pass last = std::move(moved);
    }
    CHECK(closing.is_woken());
    CHECK(gate.is_closed());
    CHECK(closing.poll());
    CHECK(has_closed(closing));
    CHECK(closing.counts.clones == 1);
    CHECK(closing.counts.references == 0);
}

TEST_CASE("an assigned pass gives up the one that it was") {
    Gate one;
    Gate other;
    Pass pass = std::move(*one.enter());
    pass = std::move(*other.enter());
    static_cast<void>(one.close());
    static_cast<void>(other.close());
    CHECK(one.is_closed());
    CHECK_FALSE(other.is_closed());
}

TEST_CASE("closing counts from the call, whatever becomes of its future") {
    Gate gate;
    auto pass = gate.enter();
    static_cast<void>(gate.close());
    CHECK_FALSE(gate.is_open());
    CHECK_FALSE(gate.enter());
    {
        Closing dropped(gate.close());
        CHECK_FALSE(dropped.poll());
    }
    Closing again(gate.close());
    CHECK_FALSE(again.poll());
    pass = std::unexpected(Closed{});
    CHECK(again.is_woken());
    CHECK(again.poll());
    CHECK(has_closed(again));
}

TEST_CASE("several may wait for the end, polled or not; who comes after it is refused") {
    Gate gate;
    auto pass = gate.enter();
    Closing first(gate.close());
    Closing second(gate.close());
    Closing dropped(gate.close());
    Closing dropped_woken(gate.close());
    Closing unpolled(gate.close());
    CHECK_FALSE(first.poll());
    CHECK_FALSE(dropped.poll());
    CHECK_FALSE(dropped_woken.poll());
    CHECK_FALSE(second.poll());
    dropped.drop();
    pass = std::unexpected(Closed{});
    CHECK(first.counts.wakes == 1);
    CHECK(second.counts.wakes == 1);
    CHECK(dropped.counts.wakes == 0);
    CHECK(dropped.counts.references == 0);
    CHECK(dropped_woken.counts.wakes == 1);
    dropped_woken.drop();
    CHECK(dropped_woken.counts.references == 0);
    for (Closing* wait : {&second, &unpolled, &first}) {
        CHECK(wait->poll());
        CHECK(has_closed(*wait));
    }
    Closing late(gate.close());
    CHECK(late.poll());
    CHECK(was_refused(late));
}

TEST_CASE("copies name the same gate, and passes outlive all of them") {
    std::optional<Gate> gate(std::in_place);
    Gate copy = *gate;
    auto pass = copy.enter();
    Closing closing(gate->close());
    CHECK_FALSE(closing.poll());
    CHECK_FALSE(copy.is_open());
    gate.reset();
    {
        Gate last = std::move(copy);
    }
    pass = std::unexpected(Closed{});
    CHECK(closing.poll());
}

TEST_CASE("a gate waits for what it spawned, callables and futures") {
    auto executor = make_executor();
    Event event;
    Log log;
    executor->run([&]() -> Co<void> {
        Gate gate;
        auto first = gate.spawn([&, end = std::make_unique<LogsEnd>(log, "captures dropped")]() -> Co<int> {
            co_await event.wait();
            log.push_back("first");
            co_return 1;
        });
        auto second = gate.spawn(ready(2));
        REQUIRE(first);
        REQUIRE(second);
        auto opener = spawn_local([&]() -> Co<void> {
            co_await yield_now();
            event.open();
        });
        auto closed = co_await gate.close();
        CHECK(closed);
        log.push_back("closed");
        CHECK(co_await *first == 1);
        CHECK(co_await *second == 2);
        CHECK_FALSE(gate.spawn(ready(3)));
    });
    CHECK(log == Log{"first", "captures dropped", "closed"});
}

TEST_CASE("the gate does not count as closed before all of a task is gone") {
    struct Probe {
        Gate gate;
        bool& was_closed;
        ~Probe() { was_closed = gate.is_closed(); }
    };
    auto executor = make_executor();
    bool was_closed = true;
    executor->run([&]() -> Co<void> {
        Gate gate;
        auto task = gate.spawn(
            [probe = std::make_unique<Probe>(gate, was_closed)]() -> Co<void> { co_await yield_now(); });
        CHECK(co_await gate.close());
        CHECK_FALSE(was_closed);
        CHECK(co_await *task);
    });
}

TEST_CASE("a spawned task that is cancelled or throws leaves the gate, too") {
    auto executor = make_executor();
    Event never;
    executor->run([&]() -> Co<void> {
        Gate gate;
        auto unpolled = gate.spawn([&]() -> Co<void> { co_await never.wait(); });
        auto waiting = gate.spawn([&]() -> Co<void> { co_await never.wait(); });
        auto throwing = gate.spawn([]() -> Co<void> {
            throw std::runtime_error("thrown");
            co_return;
        });
        unpolled->cancel();
        co_await yield_now();
        waiting->cancel();
        CHECK(co_await gate.close());
        CHECK_FALSE(co_await *unpolled);
        CHECK_FALSE(co_await *waiting);
        CHECK_THROWS_WITH(co_await *throwing, "thrown");
    });
}

TEST_CASE("a gate that dies before its tasks, and an executor that ends with them") {
    Census census;
    Event never;
    {
        auto executor = make_executor();
        executor->run([&]() -> Co<void> {
            Gate gate;
            auto forgotten =
                gate.spawn([&, member = Census::Member(census)]() -> Co<void> { co_await never.wait(); });
            co_await yield_now();
        });
        CHECK(census.alive() == 1);
    }
    CHECK(census.alive() == 0);
    CHECK(census.faults == 0);
}

#if !defined(OPERATOR_NEW_IS_FIXED)
TEST_CASE("entering, leaving and closing allocate nothing") {
    Gate gate;
    long before = counted_new::made;
    auto pass = gate.enter();
    {
        auto other = gate.enter();
    }
    Closing closing(gate.close());
    bool ready = closing.poll();
    pass = std::unexpected(Closed{});
    ready = closing.poll();
    CHECK(counted_new::made == before);
    CHECK(ready);
}

TEST_CASE("a gate's one allocation goes with the last who knows it") {
    long before = counted_new::living;
    {
        std::optional<Gate> gate(std::in_place);
        auto pass = gate->enter();
        auto closing = gate->close();
        gate.reset();
        pass = std::unexpected(Closed{});
        CHECK(poll(closing).is_ready());
    }
    // Recycled memory counts as living, and the next gate takes it.
    CHECK(counted_new::living <= before + 1);
    long made = counted_new::made;
    for (int round = 0; round < 10; ++round) Gate gate;
#if !defined(RINGLET_ASAN)
    CHECK(counted_new::made == made);
#else
    CHECK(counted_new::made == made + 10);
#endif
}
#endif

TEST_CASE("misuse is told") {
    CHECK(run_in_child([] {
              Gate gate;
              auto pass = gate.enter();
              auto closing = gate.close();
              static_cast<void>(poll(closing));
              auto moved = std::move(closing);
          }).says("moved after it was polled"));
}

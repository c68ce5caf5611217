// LocalExecutor::run() and turn(): values, exceptions, deadlocks, nesting, several executors on one thread,
// and what the executor asks of its parker.
#include "support.hpp"

#include <optional>

using namespace support;

namespace {

// Counts what is asked of it, and does at each call what the test says.
class TestParker : public Parker {
public:
    struct Calls {
        int polls = 0;
        int parks = 0;
        int drains = 0;
        bool ready_when_parked = false;
        std::move_only_function<void()> on_poll = [] {};
        std::move_only_function<void()> on_park = [] {};
        std::move_only_function<void()> on_drain = [] {};
    };
    explicit TestParker(Calls& calls) : calls_(calls) {}

    void poll() override {
        ++calls_.polls;
        calls_.on_poll();
    }
    void park(Recheck recheck) override {
        ++calls_.parks;
        calls_.ready_when_parked = calls_.ready_when_parked || recheck();
        calls_.on_park();
    }
    void drain() noexcept override {
        ++calls_.drains;
        calls_.on_drain();
    }

private:
    Calls& calls_;
};

}  // namespace

TEST_CASE("run gives the root's value, of any kind") {
    int named = 1;
    auto executor = make_executor();
    CHECK(executor->run(ready(2)) == 2);
    executor->run(ready());
    CHECK(*executor->run(ready(std::make_unique<int>(3))) == 3);
    auto reference = [&]() -> Co<int&> { co_return named; };
    CHECK(&executor->run(reference) == &named);
    static_assert(std::is_same_v<decltype(executor->run(reference)), int&>);
    static_assert(std::is_void_v<decltype(executor->run(yield_now()))>);
}

TEST_CASE("an executor runs one root after the other") {
    auto executor = make_executor();
    for (int i = 0; i < 10; ++i) CHECK(executor->run(ready(i)) == i);
    CHECK_THROWS_AS(executor->run([]() -> Co<void> {
        throw std::runtime_error("root");
        co_return;
    }),
                    std::runtime_error);
    CHECK(executor->run(ready(11)) == 11);
}

TEST_CASE("the first program: two tasks, one sum") {
    auto executor = make_executor();
    TaskQueueHandle queue = executor->create_task_queue("second");
    int sum = executor->run([&]() -> Co<int> {
        auto one = spawn_local(ready(1));
        auto two = spawn_local_into(queue, ready(2)).value();
        co_return *co_await one + *co_await two;
    });
    CHECK(sum == 3);
}

TEST_CASE("tasks that live after run wait for the next run") {
    Event event;
    TaskCounts waiting;
    int rounds = 0;
    auto executor = make_executor();
    executor->run([&]() -> Co<void> {
        spawn_local(Counted(event, waiting)).detach();
        spawn_local([&]() -> Co<void> {
            for (;;) {
                ++rounds;
                co_await yield_now();
            }
        }).detach();
        while (waiting.polls == 0) co_await yield_now();
    });
    int rounds_before = rounds;
    event.open();
    CHECK(waiting == TaskCounts{1, 0, 0});
    executor->run([&]() -> Co<void> {
        while (waiting.polls == 1 || rounds == rounds_before) co_await yield_now();
    });
    CHECK(waiting == TaskCounts{2, 1, 1});
}

TEST_CASE("inside a run, current_executor is the one that runs; outside it is none") {
    auto executor = make_executor();
    CHECK(current_executor() == nullptr);
    CHECK_FALSE(executor->is_entered());
    bool is_mine = executor->run([&]() -> Co<bool> { co_return current_executor() == executor.get(); });
    CHECK(is_mine);
    bool is_entered = executor->run([&]() -> Co<bool> { co_return executor->is_entered(); });
    CHECK(is_entered);
    CHECK(current_executor() == nullptr);
    CHECK_FALSE(executor->is_entered());
}

TEST_CASE("a run inside a run is refused, whichever executor is asked, and harms nothing") {
    auto executor = make_executor();
    auto other = make_executor();
    int value = executor->run([&]() -> Co<int> {
        CHECK_THROWS_AS(executor->run(ready(1)), std::logic_error);
        CHECK_THROWS_AS(other->run(ready(1)), std::logic_error);
        CHECK_THROWS_AS(executor->turn(false), std::logic_error);
        CHECK_THROWS_AS(other->turn(false), std::logic_error);
        CHECK_FALSE(other->is_entered());
        co_await yield_now();
        CHECK(current_executor() == executor.get());
        co_return 2;
    });
    CHECK(value == 2);
    CHECK(other->run(ready(3)) == 3);
}

TEST_CASE("an executor can be made and named inside a run of another") {
    auto executor = make_executor();
    auto other = executor->run([]() -> Co<std::unique_ptr<LocalExecutor>> {
        co_return std::move(LocalExecutorBuilder().name("other").make().value());
    });
    CHECK(executor->name() == "test");
    CHECK(other->name() == "other");
    CHECK(other->run(ready(1)) == 1);
}

TEST_CASE("a root that nothing can wake is a deadlock, and run says so") {
    Event never;
    TaskCounts other;
    LocalExecutor executor("idle", std::make_unique<IdleParker>());
    auto handle = executor.spawn_local(Counted(never, other));
    std::string text;
    try {
        executor.run(poll_fn([](Context&) -> Poll<void> { return pending; }));
    } catch (const Deadlock& deadlock) {
        text = deadlock.what();
    }
    CHECK(text == "deadlock: the root task waits, no other task is ready, and nothing can wake one");
    // The executor goes on, and so do the tasks that were there.
    CHECK_FALSE(handle.is_finished());
    CHECK(executor.run(ready(1)) == 1);
    never.open();
    CHECK(executor.run(std::move(handle)));
}

TEST_CASE("two tasks that await each other are a deadlock") {
    std::optional<JoinHandle<void>> handles[2];
    LocalExecutor executor("idle", std::make_unique<IdleParker>());
    auto await_other = [&](int other) -> Co<void> { co_await *handles[other]; };
    handles[0].emplace(executor.spawn_local(await_other(1)));
    handles[1].emplace(executor.spawn_local(await_other(0)));
    CHECK_THROWS_AS(executor.run(await_other(0)), Deadlock);
}

TEST_CASE("when run throws, the root is gone before what it refers to") {
    Log log;
    TestParker::Calls calls;
    calls.on_park = [] { throw std::runtime_error("parker"); };
    LocalExecutor idle("idle", std::make_unique<IdleParker>());
    LocalExecutor throwing("throwing", std::make_unique<TestParker>(calls));
    for (LocalExecutor* executor : {&idle, &throwing}) {
        log.clear();
        try {
            LogsEnd callers_local(log, "~caller's local");
            executor->run([&]() -> Co<void> {
                LogsEnd roots_local(log, "~root's local");
                co_await poll_fn([](Context&) -> Poll<void> { return pending; });
            });
        } catch (const std::exception&) {
            log.push_back("caught");
        }
        CHECK(log == Log{"~root's local", "~caller's local", "caught"});
    }
}

TEST_CASE("the parker is asked between turns even if tasks are always ready") {
    bool arrived = false;
    TestParker::Calls calls;
    calls.on_poll = [&] { arrived = calls.polls == 5; };
    LocalExecutor executor("test", std::make_unique<TestParker>(calls));
    executor.run([&]() -> Co<void> {
        while (!arrived) co_await yield_now();
    });
    CHECK(calls.polls >= 5);
    CHECK(calls.parks == 0);
}

TEST_CASE("the parker sleeps only while no task is ready, and what it wakes runs") {
    Event event;
    TestParker::Calls calls;
    calls.on_park = [&] { event.open(); };
    LocalExecutor executor("test", std::make_unique<TestParker>(calls));
    executor.run([&]() -> Co<void> {
        co_await yield_now();
        co_await event.wait();
    });
    CHECK(calls.parks == 1);
    CHECK_FALSE(calls.ready_when_parked);
}

TEST_CASE("a parker that returns early is asked again") {
    Event event;
    TestParker::Calls calls;
    calls.on_park = [&] {
        if (calls.parks == 3) event.open();
    };
    LocalExecutor executor("test", std::make_unique<TestParker>(calls));
    executor.run(event.wait());
    CHECK(calls.parks == 3);
}

TEST_CASE("turn never parks unless it may") {
    TestParker::Calls calls;
    LocalExecutor executor("test", std::make_unique<TestParker>(calls));
    executor.turn(false);
    CHECK(calls.parks == 0);
    CHECK(calls.polls == 1);
    executor.turn(true);
    CHECK(calls.parks == 1);
    executor.spawn_local(ready()).detach();
    executor.turn(true);
    CHECK(calls.parks == 1);
}

TEST_CASE("two executors on one thread, stepped in turns, wake each other's tasks") {
    int ping = 0;
    int pong = 0;
    Waker wakers[2];
    std::unique_ptr<LocalExecutor> executors[] = {make_executor(), make_executor()};
    auto player = [&](int self, int& count) {
        return poll_fn([&, self](Context& context) -> Poll<void> {
            CHECK(current_executor() == executors[self].get());
            wakers[self].remember(context.waker());
            wakers[1 - self].wake_by_ref();
            if (++count == 10) return Unit{};
            return pending;
        });
    };
    auto first = executors[0]->spawn_local(player(0, ping));
    auto second = executors[1]->spawn_local(player(1, pong));
    while (!first.is_finished() || !second.is_finished()) {
        for (auto& executor : executors) executor->turn(false);
    }
    CHECK(ping == 10);
    CHECK(pong == 10);
}

TEST_CASE("a task may await a handle of another executor on its thread") {
    auto first = make_executor();
    auto second = make_executor();
    auto inner = second->spawn_local([]() -> Co<int> {
        co_await yield_now();
        co_return 5;
    });
    auto outer = first->spawn_local([&]() -> Co<int> {
        auto output = co_await inner;
        co_return *output + 1;
    });
    while (!outer.is_finished()) {
        first->turn(false);
        second->turn(false);
    }
    CHECK(poll(outer).take() == 6);
}

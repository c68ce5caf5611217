// The end of an executor: every future is dropped once, whatever its task was doing, and then the parker
// drains.
#include "support.hpp"

#include <optional>

using namespace support;

TEST_CASE("futures are dropped once when their executor ends, in whatever state the tasks are") {
    Event events[5];
    TaskCounts counts[5];
    auto executor = make_executor();
    auto waiting = executor->spawn_local(Counted(events[0], counts[0]));
    executor->spawn_local(Counted(events[1], counts[1])).detach();
    auto woken = executor->spawn_local(Counted(events[2], counts[2]));
    auto cancelled = executor->spawn_local(Counted(events[3], counts[3]));
    settle(*executor);
    events[2].open();
    cancelled.cancel();
    auto unpolled = executor->spawn_local(Counted(events[4], counts[4]));
    executor.reset();
    for (int i = 0; i < 4; ++i) CHECK(counts[i] == TaskCounts{1, 1, 0});
    CHECK(counts[4] == TaskCounts{0, 1, 0});
    CHECK(waiting.is_finished());
    CHECK_FALSE(poll(woken).take());
    CHECK_FALSE(poll(cancelled).take());
    CHECK_FALSE(poll(unpolled).take());
}

TEST_CASE("tasks of every queue go with their executor") {
    Event event;
    TaskCounts counts[3];
    auto executor = make_executor();
    for (TaskCounts& count : counts) {
        TaskQueueHandle queue = executor->create_task_queue("queue");
        executor->spawn_local_into(queue, Counted(event, count)).value().detach();
    }
    executor->run(yield_now());
    executor.reset();
    for (TaskCounts& count : counts) CHECK(count.future_drops == 1);
}

TEST_CASE("an output that was not taken waits for its handle beyond the executor's end") {
    Event event;
    event.open();
    TaskCounts counts;
    auto executor = make_executor();
    {
        auto handle = executor->spawn_local(Counted(event, counts));
        settle(*executor);
        executor.reset();
        CHECK(counts == TaskCounts{1, 1, 0});
        auto output = poll(handle).take();
        CHECK(output);
    }
    CHECK(counts == TaskCounts{1, 1, 1});
}

TEST_CASE("a task that awaits another, or itself, goes as well") {
    int drops = 0;
    auto executor = make_executor();
    std::optional<JoinHandle<void>> self;
    self.emplace(executor->spawn_local([&]() -> Co<void> {
        Token token(drops);
        co_await *self;
    }));
    auto outer = executor->spawn_local([&]() -> Co<void> {
        Token token(drops);
        auto inner = spawn_local([&]() -> Co<void> {
            Token inner_token(drops);
            co_await poll_fn([](Context&) -> Poll<void> { return pending; });
        });
        co_await inner;
    });
    settle(*executor);
    executor.reset();
    CHECK(drops == 3);
}

TEST_CASE("tasks that hold each other's handles and wakers go as well") {
    int drops = 0;
    auto executor = make_executor();
    struct Shared {
        Waker waker;
        std::optional<JoinHandle<void>> handle;
    };
    auto left = std::make_shared<Shared>();
    auto right = std::make_shared<Shared>();
    auto body = [&](std::shared_ptr<Shared>, std::shared_ptr<Shared> theirs) -> Co<void> {
        Token token(drops);
        co_await poll_fn([&](Context& context) -> Poll<void> {
            theirs->waker = context.waker().clone();
            return pending;
        });
    };
    left->handle.emplace(executor->spawn_local(body(left, right)));
    right->handle.emplace(executor->spawn_local(body(right, left)));
    std::weak_ptr<Shared> observed[] = {left, right};
    left.reset();
    right.reset();
    settle(*executor);
    CHECK_FALSE(observed[0].expired());
    executor.reset();
    CHECK(drops == 2);
    CHECK(observed[0].expired());
    CHECK(observed[1].expired());
}

TEST_CASE("the destructor of a future may wake, cancel and spawn while its executor ends") {
    struct AtEnd {
        LocalExecutor& executor;
        JoinHandle<Token>& other;
        Waker& others_waker;
        Event& event;
        TaskCounts& spawned;
        ~AtEnd() {
            others_waker.wake_by_ref();
            other.cancel();
            executor.spawn_local(Counted(event, spawned)).detach();
        }
    };
    for (bool other_first : {false, true}) {
        CAPTURE(other_first);
        Event event;
        TaskCounts other_counts;
        TaskCounts spawned_counts;
        auto executor = make_executor();
        std::optional<JoinHandle<Token>> other;
        auto spawn_other = [&] { other.emplace(executor->spawn_local(Counted(event, other_counts))); };
        if (other_first) spawn_other();
        auto handle = executor->spawn_local([&]() -> Co<void> {
            AtEnd at_end{*executor, *other, event.waker, event, spawned_counts};
            co_await poll_fn([](Context&) -> Poll<void> { return pending; });
        });
        if (!other_first) spawn_other();
        settle(*executor);
        executor.reset();
        CHECK(other_counts == TaskCounts{1, 1, 0});
        CHECK(spawned_counts == TaskCounts{0, 1, 0});
    }
}

TEST_CASE("the parker drains once, after the last future is gone") {
    class DrainLogger : public Parker {
    public:
        explicit DrainLogger(Log& log) : log_(log) {}
        void poll() override {}
        void park(Recheck) override {}
        void drain() noexcept override { log_.push_back("drain"); }

    private:
        Log& log_;
    };
    Log log;
    {
        LocalExecutor executor("test", std::make_unique<DrainLogger>(log));
        auto body = [&]() -> Co<void> {
            LogsEnd end(log, "future dropped");
            co_await poll_fn([](Context&) -> Poll<void> { return pending; });
        };
        auto handle = executor.spawn_local(body());
        executor.turn(false);
        CHECK(log.empty());
    }
    CHECK(log == Log{"future dropped", "drain"});
}

TEST_CASE("an executor ends as it began when nothing was spawned") {
    for (int i = 0; i < 3; ++i) {
        auto executor = make_executor();
        executor->create_task_queue("empty");
    }
}

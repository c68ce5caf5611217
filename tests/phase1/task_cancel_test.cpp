// cancel(): before, during and after a run, from inside and from outside of the task and of the executor. The
// future is dropped once, the awaiter gets nothing, and a task that has completed keeps its output.
#include "support.hpp"

#include <optional>

using namespace support;

namespace {

// The output of a task that was cancelled, after its future is gone.
template <class T>
void check_cancelled(LocalExecutor& executor, JoinHandle<T> handle) {
    auto joined = executor.run(std::move(handle));
    CHECK_FALSE(joined);
}

}  // namespace

TEST_CASE("a task cancelled before its first run is never polled") {
    Event event;
    TaskCounts counts;
    auto executor = make_executor();
    auto handle = executor->spawn_local(Counted(event, counts));
    handle.cancel();
    CHECK_FALSE(handle.is_finished());
    CHECK(counts == TaskCounts{0, 0, 0});  // the executor drops it, not cancel()
    settle(*executor);
    CHECK(handle.is_finished());
    CHECK(counts == TaskCounts{0, 1, 0});
    check_cancelled(*executor, std::move(handle));
}

TEST_CASE("a waiting task is cancelled") {
    Event event;
    TaskCounts counts;
    auto executor = make_executor();
    auto handle = executor->spawn_local(Counted(event, counts));
    settle(*executor);
    handle.cancel();
    CHECK(counts == TaskCounts{1, 0, 0});
    check_cancelled(*executor, std::move(handle));
    CHECK(counts == TaskCounts{1, 1, 0});
}

TEST_CASE("a task cancelled after a wake is not polled again") {
    Event event;
    TaskCounts counts;
    auto executor = make_executor();
    auto handle = executor->spawn_local(Counted(event, counts));
    settle(*executor);
    event.open();
    handle.cancel();
    check_cancelled(*executor, std::move(handle));
    CHECK(counts == TaskCounts{1, 1, 0});
}

TEST_CASE("a wake after the cancel is not a run") {
    Event event;
    TaskCounts counts;
    auto executor = make_executor();
    auto handle = executor->spawn_local(Counted(event, counts));
    settle(*executor);
    handle.cancel();
    event.open();
    check_cancelled(*executor, std::move(handle));
    CHECK(counts == TaskCounts{1, 1, 0});
}

TEST_CASE("a completed task keeps its output when it is cancelled") {
    Event event;
    TaskCounts counts;
    auto executor = make_executor();
    event.open();
    auto handle = executor->spawn_local(Counted(event, counts));
    settle(*executor);
    handle.cancel();
    CHECK(counts == TaskCounts{1, 1, 0});
    auto joined = executor->run(std::move(handle));
    CHECK(joined);
    joined.reset();
    CHECK(counts == TaskCounts{1, 1, 1});
}

TEST_CASE("cancelling twice is cancelling once") {
    Event event;
    TaskCounts counts;
    auto executor = make_executor();
    auto handle = executor->spawn_local(Counted(event, counts));
    handle.cancel();
    handle.cancel();
    settle(*executor);
    handle.cancel();
    check_cancelled(*executor, std::move(handle));
    CHECK(counts == TaskCounts{0, 1, 0});
}

TEST_CASE("a cancelled task whose handle is dropped is gone at the executor's next turn") {
    Event event;
    TaskCounts counts;
    auto executor = make_executor();
    for (bool polled_before : {false, true}) {
        CAPTURE(polled_before);
        counts = {};
        {
            auto handle = executor->spawn_local(Counted(event, counts));
            if (polled_before) settle(*executor);
            handle.cancel();
        }
        CHECK(counts.future_drops == 0);
        settle(*executor);
        CHECK(counts == TaskCounts{polled_before ? 1 : 0, 1, 0});
    }
}

TEST_CASE("a task that cancels itself ends with that poll") {
    Log log;
    auto executor = make_executor();
    std::optional<JoinHandle<void>> self;
    auto body = [&](bool woken) -> Co<void> {
        LogsEnd end(log, "future dropped");
        self->cancel();
        log.push_back("cancelled");
        if (woken) {
            co_await yield_now();
        } else {
            co_await poll_fn([](Context&) -> Poll<void> { return pending; });
        }
        log.push_back("went on");
    };
    for (bool woken : {false, true}) {
        CAPTURE(woken);
        log.clear();
        self.emplace(executor->spawn_local(body(woken)));
        settle(*executor);
        CHECK(log == Log{"cancelled", "future dropped"});
        CHECK(self->is_finished());
        CHECK_FALSE(executor->run(std::move(*self)));
    }
}

TEST_CASE(
    "a task that cancels itself and completes in the same poll gives nothing, and its output is dropped") {
    int drops = 0;
    auto executor = make_executor();
    std::optional<JoinHandle<Token>> self;
    self.emplace(executor->spawn_local([&]() -> Co<Token> {
        self->cancel();
        co_return Token(drops);
    }));
    settle(*executor);
    CHECK(drops == 1);
    check_cancelled(*executor, std::move(*self));
}

TEST_CASE("a task that cancels itself and throws in the same poll has its exception reported") {
    Reports reports;
    auto executor = make_executor();
    std::optional<JoinHandle<void>> self;
    self.emplace(executor->spawn_local([&]() -> Co<void> {
        self->cancel();
        throw std::runtime_error("after cancel");
        co_return;
    }));
    settle(*executor);
    CHECK(Reports::texts == std::vector<std::string>{"after cancel"});
    CHECK_FALSE(executor->run(std::move(*self)));
}

TEST_CASE("one task cancels another, and awaits its end") {
    Event never;
    Log log;
    auto executor = make_executor();
    auto victim = [&]() -> Co<void> {
        LogsEnd end(log, "future dropped");
        co_await never.wait();
    };
    executor->run([&]() -> Co<void> {
        auto handle = spawn_local(victim());
        co_await yield_now();
        handle.cancel();
        log.push_back("cancelled");
        bool completed = co_await handle;
        CHECK_FALSE(completed);
        log.push_back("awaited");
    });
    CHECK(log == Log{"cancelled", "future dropped", "awaited"});
}

TEST_CASE("a task may await a task that is cancelled later") {
    Event event;
    TaskCounts counts;
    bool empty = false;
    auto executor = make_executor();
    std::optional<JoinHandle<Token>> victim;
    victim.emplace(executor->spawn_local(Counted(event, counts)));
    auto waiter = executor->spawn_local([&]() -> Co<void> {
        auto joined = co_await *victim;
        empty = !joined;
    });
    settle(*executor);
    CHECK_FALSE(empty);
    victim->cancel();
    settle(*executor);
    CHECK(empty);
}

TEST_CASE("a task that cancels itself wakes whoever awaits it") {
    Event event;
    bool empty = false;
    auto executor = make_executor();
    std::optional<JoinHandle<void>> self;
    self.emplace(executor->spawn_local([&]() -> Co<void> {
        co_await event.wait();
        self->cancel();
    }));
    auto waiter = executor->spawn_local([&]() -> Co<void> {
        bool completed = co_await *self;
        empty = !completed;
    });
    settle(*executor);
    event.open();
    settle(*executor);
    CHECK(empty);
}

TEST_CASE("cancelling a task that awaits another leaves the other alone") {
    Event event;
    TaskCounts counts;
    auto executor = make_executor();
    std::optional<JoinHandle<Token>> inner;
    inner.emplace(executor->spawn_local(Counted(event, counts)));
    auto outer = executor->spawn_local([&]() -> Co<void> { co_await *inner; });
    settle(*executor);
    outer.cancel();
    check_cancelled(*executor, std::move(outer));
    event.open();
    CHECK(executor->run(std::move(*inner)));
    CHECK(counts == TaskCounts{2, 1, 1});
}

TEST_CASE("cancelling drops what the task owns, and with it the handles that detach") {
    Event event;
    TaskCounts counts;
    auto executor = make_executor();
    auto outer = executor->spawn_local([&]() -> Co<void> {
        auto inner = spawn_local(Counted(event, counts));
        co_await inner;
    });
    settle(*executor);
    outer.cancel();
    check_cancelled(*executor, std::move(outer));
    CHECK(counts == TaskCounts{1, 0, 0});
    event.open();
    settle(*executor);
    CHECK(counts == TaskCounts{2, 1, 1});
}

TEST_CASE("a future that is dropped by a cancel may cancel, wake and spawn") {
    Event event;
    TaskCounts counts[2];
    auto executor = make_executor();
    auto other = executor->spawn_local(Counted(event, counts[0]));
    struct AtEnd {
        LocalExecutor& executor;
        Event& event;
        TaskCounts& counts;
        JoinHandle<Token>& other;
        Waker waker;
        ~AtEnd() {
            std::move(waker).wake();
            other.cancel();
            executor.spawn_local(Counted(event, counts)).detach();
        }
    };
    auto handle = executor->spawn_local([&]() -> Co<void> {
        AtEnd at_end{*executor, event, counts[1], other, Waker()};
        co_await poll_fn([&](Context& context) -> Poll<void> {
            at_end.waker = context.waker().clone();
            return pending;
        });
    });
    settle(*executor);
    handle.cancel();
    settle(*executor);
    CHECK(handle.is_finished());
    CHECK(other.is_finished());
    CHECK(counts[0] == TaskCounts{1, 1, 0});
    CHECK(counts[1].polls == 1);
}

TEST_CASE("a handle that outlives the executor cancels nothing and gives nothing") {
    Event event;
    TaskCounts counts;
    auto executor = make_executor();
    auto handle = executor->spawn_local(Counted(event, counts));
    executor.reset();
    CHECK(counts == TaskCounts{0, 1, 0});
    handle.cancel();
    CHECK(handle.is_finished());
    CHECK_FALSE(poll(handle).take());
}

// Tasks and their wakers: how often a task is scheduled, polled and dropped, whenever and however it is
// woken.
#include "support.hpp"

using namespace support;

namespace {

std::size_t scheduled(const LocalExecutor& executor) { return executor.current_queue().size(); }

}  // namespace

TEST_CASE("a task is scheduled and polled once for its start and once for its wake") {
    Event event;
    TaskCounts counts;
    auto executor = make_executor();
    {
        auto handle = executor->spawn_local(Counted(event, counts));
        CHECK(scheduled(*executor) == 1);
        CHECK(counts == TaskCounts{0, 0, 0});
        settle(*executor);
        CHECK(counts == TaskCounts{1, 0, 0});
        CHECK(scheduled(*executor) == 0);
        event.open();
        CHECK(scheduled(*executor) == 1);
        CHECK(counts == TaskCounts{1, 0, 0});  // a wake only schedules
        settle(*executor);
        CHECK(counts == TaskCounts{2, 1, 0});  // the future goes as soon as it is ready
    }
    CHECK(counts == TaskCounts{2, 1, 1});
}

TEST_CASE("a task that is ready at once is polled once") {
    Event event;
    TaskCounts counts;
    auto executor = make_executor();
    event.open();
    auto handle = executor->spawn_local(Counted(event, counts));
    settle(*executor);
    CHECK(counts == TaskCounts{1, 1, 0});
    CHECK(handle.is_finished());
}

TEST_CASE("waking twice runs once") {
    Event event;
    TaskCounts counts;
    auto executor = make_executor();
    auto handle = executor->spawn_local(Counted(event, counts));
    settle(*executor);
    Waker waker = event.waker.clone();
    SUBCASE("by reference") {
        waker.wake_by_ref();
        waker.wake_by_ref();
    }
    SUBCASE("by value") {
        waker.clone().wake();
        waker.clone().wake();
    }
    SUBCASE("by both") {
        waker.wake_by_ref();
        std::move(waker).wake();
    }
    CHECK(scheduled(*executor) == 1);
    settle(*executor);
    CHECK(counts.polls == 2);
}

TEST_CASE("a wake during a run makes the task run again, once") {
    for (int wakes : {1, 2, 5}) {
        CAPTURE(wakes);
        int polls = 0;
        auto executor = make_executor();
        auto handle = executor->spawn_local(poll_fn([&](Context& context) -> Poll<void> {
            if (++polls > 1) return pending;
            for (int done = 0; done < wakes; ++done) {
                if (done % 2 == 0) context.waker().wake_by_ref();
                if (done % 2 == 1) context.waker().clone().wake();
            }
            return pending;
        }));
        settle(*executor);
        CHECK(polls == 2);
    }
}

TEST_CASE("a wake during the run that completes the task does nothing") {
    int polls = 0;
    auto executor = make_executor();
    auto handle = executor->spawn_local(poll_fn([&](Context& context) -> Poll<void> {
        ++polls;
        context.waker().wake_by_ref();
        return Unit{};
    }));
    CHECK(executor->run(std::move(handle)));
    settle(*executor);
    CHECK(polls == 1);
}

TEST_CASE("a wake after the run that completed the task does nothing") {
    Event event;
    TaskCounts counts;
    auto executor = make_executor();
    auto handle = executor->spawn_local(Counted(event, counts));
    settle(*executor);
    Waker late = event.waker.clone();
    event.open();
    settle(*executor);
    REQUIRE(handle.is_finished());
    late.wake_by_ref();
    std::move(late).wake();
    CHECK(scheduled(*executor) == 0);
    CHECK(counts == TaskCounts{2, 1, 0});
}

TEST_CASE("a waker that outlives the task does nothing") {
    Event event;
    TaskCounts counts;
    Waker late;
    auto executor = make_executor();
    {
        auto handle = executor->spawn_local(Counted(event, counts));
        settle(*executor);
        late = event.waker.clone();
        event.open();
        settle(*executor);
    }
    CHECK(counts == TaskCounts{2, 1, 1});
    late.wake_by_ref();
    std::move(late).wake();
    CHECK(scheduled(*executor) == 0);
}

TEST_CASE("wakers that outlive the executor do nothing") {
    Event event;
    TaskCounts counts;
    SUBCASE("their task had a handle") {
        auto executor = make_executor();
        auto handle = executor->spawn_local(Counted(event, counts));
        settle(*executor);
        executor.reset();
        CHECK(handle.is_finished());
    }
    SUBCASE("their task was detached") {
        auto executor = make_executor();
        executor->spawn_local(Counted(event, counts)).detach();
        settle(*executor);
    }
    SUBCASE("their task was scheduled") {
        auto executor = make_executor();
        executor->spawn_local(Counted(event, counts)).detach();
        settle(*executor);
        event.waker.wake_by_ref();
    }
    CHECK(counts == TaskCounts{1, 1, 0});
    Waker late = event.waker.clone();
    late.wake_by_ref();
    event.open();
    std::move(late).wake();
    CHECK(counts == TaskCounts{1, 1, 0});
}

TEST_CASE("a waker from another run, or from outside of any, wakes") {
    Event event;
    TaskCounts counts;
    auto executor = make_executor();
    auto handle = executor->spawn_local(Counted(event, counts));
    executor->run(yield_now());
    CHECK(counts.polls == 1);
    event.open();
    executor->run(std::move(handle));
    CHECK(counts == TaskCounts{2, 1, 1});
}

TEST_CASE("the last waker of a detached task reclaims it") {
    Event event;
    TaskCounts counts;
    auto executor = make_executor();
    executor->spawn_local(Counted(event, counts)).detach();
    settle(*executor);
    Waker other = event.waker.clone();
    event.waker = Waker();
    CHECK(scheduled(*executor) == 0);  // one is left
    other = Waker();
    // Its future is dropped from the queue, as a task's code always runs, and not by whoever dropped the
    // waker.
    CHECK(counts == TaskCounts{1, 0, 0});
    CHECK(scheduled(*executor) == 1);
    settle(*executor);
    CHECK(counts == TaskCounts{1, 1, 0});
}

TEST_CASE("a detached task that keeps no waker is reclaimed after its run") {
    int drops = 0;
    auto executor = make_executor();
    executor->spawn_local(poll_fn([token = Token(drops)](Context&) -> Poll<void> { return pending; }))
        .detach();
    settle(*executor);
    CHECK(drops == 1);
}

TEST_CASE("a task that nobody can wake stays while its handle does") {
    int drops = 0;
    auto executor = make_executor();
    {
        auto handle = executor->spawn_local(
            poll_fn([token = Token(drops)](Context&) -> Poll<void> { return pending; }));
        settle(*executor);
        CHECK_FALSE(handle.is_finished());
        CHECK(drops == 0);
    }
    settle(*executor);
    CHECK(drops == 1);
}

TEST_CASE("waking a detached task by its last waker runs it") {
    Event event;
    TaskCounts counts;
    auto executor = make_executor();
    executor->spawn_local(Counted(event, counts)).detach();
    settle(*executor);
    event.open();
    settle(*executor);
    CHECK(counts == TaskCounts{2, 1, 1});
}

TEST_CASE("yield_now lets every other ready task of the queue run first") {
    Log log;
    auto executor = make_executor();
    auto body = [&](std::string name) -> Co<void> {
        for (int round = 0; round < 2; ++round) {
            log.push_back(name);
            co_await yield_now();
        }
    };
    auto a = executor->spawn_local(body("a"));
    auto b = executor->spawn_local(body("b"));
    auto c = executor->spawn_local(body("c"));
    settle(*executor);
    CHECK(log == Log{"a", "b", "c", "a", "b", "c"});
}

TEST_CASE("tasks wake each other in turns") {
    int polls = 0;
    Waker wakers[2];
    auto executor = make_executor();
    // Each wakes the other and waits for its own wake.
    auto player = [&](int self) {
        return poll_fn([&, self](Context& context) -> Poll<void> {
            wakers[self].remember(context.waker());
            wakers[1 - self].wake_by_ref();
            if (++polls >= 100) return Unit{};
            return pending;
        });
    };
    auto first = executor->spawn_local(player(0));
    auto second = executor->spawn_local(player(1));
    CHECK(executor->run(std::move(first)));
    CHECK(executor->run(std::move(second)));
    CHECK(polls == 101);
}

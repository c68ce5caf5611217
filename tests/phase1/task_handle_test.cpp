// JoinHandle: what awaiting gives, and that it may be dropped at any point. R52.
#include "support.hpp"

#include <optional>

using namespace support;

namespace {

static_assert(std::is_same_v<JoinHandle<void>::Output, bool>);
static_assert(std::is_same_v<JoinHandle<int>::Output, std::optional<int>>);
static_assert(std::is_same_v<JoinHandle<int&>::Output, std::optional<std::reference_wrapper<int>>>);
static_assert(!std::is_copy_constructible_v<JoinHandle<int>>);

}  // namespace

TEST_CASE("awaiting a handle gives the task's output, whatever its kind") {
    int named = 1;
    auto executor = make_executor();
    auto value = [&](bool later) -> Co<int> {
        if (later) co_await yield_now();
        co_return 2;
    };
    auto reference = [&](bool later) -> Co<int&> {
        if (later) co_await yield_now();
        co_return named;
    };
    auto nothing = [&](bool later) -> Co<void> {
        if (later) co_await yield_now();
    };
    auto owned = [&](bool later) -> Co<std::unique_ptr<int>> {
        if (later) co_await yield_now();
        co_return std::make_unique<int>(3);
    };
    for (bool later : {false, true}) {
        CAPTURE(later);
        executor->run([&]() -> Co<void> {
            auto two = co_await spawn_local(value(later));
            CHECK(two == 2);
            auto refers = co_await spawn_local(reference(later));
            CHECK(&refers->get() == &named);
            bool completed = co_await spawn_local(nothing(later));
            CHECK(completed);
            auto pointer = co_await spawn_local(owned(later));
            CHECK(**pointer == 3);
        });
    }
}

TEST_CASE("a handle is ready at once when its task has finished") {
    auto executor = make_executor();
    auto handle = executor->spawn_local(ready(4));
    CHECK_FALSE(handle.is_finished());
    CHECK(poll(handle).is_pending());
    settle(*executor);
    CHECK(handle.is_finished());
    CHECK(poll(handle).take() == 4);
}

TEST_CASE("the task wakes whoever awaited its handle last, and gives back the other wakers") {
    WakerCounts first;
    WakerCounts second;
    Event event;
    TaskCounts counts;
    auto executor = make_executor();
    auto handle = executor->spawn_local(Counted(event, counts));
    CHECK(poll_with(handle, make_waker(first)).is_pending());
    CHECK(poll_with(handle, make_waker(second)).is_pending());
    CHECK(first.references == 0);
    settle(*executor);
    CHECK(second.wakes == 0);
    event.open();
    settle(*executor);
    CHECK(first.wakes == 0);
    CHECK(second.wakes == 1);
    CHECK(second.references == 0);
}

TEST_CASE("a dropped handle gives the awaiter's waker back unused") {
    WakerCounts awaiter;
    Event event;
    TaskCounts counts;
    auto executor = make_executor();
    {
        auto handle = executor->spawn_local(Counted(event, counts));
        CHECK(poll_with(handle, make_waker(awaiter)).is_pending());
    }
    CHECK(awaiter.references == 0);
    event.open();
    settle(*executor);
    CHECK(awaiter.wakes == 0);
    CHECK(counts == TaskCounts{1, 1, 1});
}

TEST_CASE("R52: a handle dropped before the first run detaches the task, and its output is dropped once") {
    Event event;
    event.open();
    TaskCounts counts;
    auto executor = make_executor();
    {
        auto handle = executor->spawn_local(Counted(event, counts));
    }
    CHECK(counts == TaskCounts{0, 0, 0});
    settle(*executor);
    CHECK(counts == TaskCounts{1, 1, 1});
}

TEST_CASE("R52: a handle dropped while the task waits detaches it") {
    Event event;
    TaskCounts counts;
    auto executor = make_executor();
    {
        auto handle = executor->spawn_local(Counted(event, counts));
        settle(*executor);
    }
    CHECK(counts == TaskCounts{1, 0, 0});
    event.open();
    settle(*executor);
    CHECK(counts == TaskCounts{2, 1, 1});
}

TEST_CASE("R52: a handle dropped between wake and run detaches the task") {
    Event event;
    TaskCounts counts;
    auto executor = make_executor();
    {
        auto handle = executor->spawn_local(Counted(event, counts));
        settle(*executor);
        event.open();
    }
    settle(*executor);
    CHECK(counts == TaskCounts{2, 1, 1});
}

TEST_CASE("R52: a handle dropped during the run detaches the task") {
    // How the run goes on after the task has dropped its own handle.
    enum class Then { completes, completes_woken, waits, waits_woken };
    for (Then then : {Then::completes, Then::completes_woken, Then::waits, Then::waits_woken}) {
        CAPTURE(static_cast<int>(then));
        Waker kept;
        int polls = 0;
        int future_drops = 0;
        int output_drops = 0;
        auto executor = make_executor();
        std::optional<JoinHandle<Token>> self;
        self.emplace(
            executor->spawn_local(poll_fn([&, token = Token(future_drops)](Context& context) -> Poll<Token> {
                ++polls;
                self.reset();
                if (polls == 1) {
                    if (then == Then::completes_woken || then == Then::waits_woken)
                        context.waker().wake_by_ref();
                    if (then == Then::waits || then == Then::waits_woken) {
                        kept = context.waker().clone();
                        return pending;
                    }
                }
                return Token(output_drops);
            })));
        settle(*executor);
        std::move(kept).wake();
        settle(*executor);
        CHECK(polls == (then == Then::waits || then == Then::waits_woken ? 2 : 1));
        CHECK(future_drops == 1);
        CHECK(output_drops == 1);
    }
}

TEST_CASE("R52: a handle dropped after completion drops the output, at once and once") {
    Event event;
    event.open();
    TaskCounts counts;
    auto executor = make_executor();
    {
        auto handle = executor->spawn_local(Counted(event, counts));
        settle(*executor);
        CHECK(counts == TaskCounts{1, 1, 0});
    }
    CHECK(counts == TaskCounts{1, 1, 1});
}

TEST_CASE("R52: a handle dropped after its output was taken drops nothing more") {
    Event event;
    event.open();
    TaskCounts counts;
    auto executor = make_executor();
    {
        auto handle = executor->spawn_local(Counted(event, counts));
        settle(*executor);
        auto output = poll(handle).take();
        CHECK(output);
        CHECK(handle.is_finished());
        CHECK_FALSE(poll(handle).take());  // it was taken
        CHECK(counts == TaskCounts{1, 1, 0});
    }
    CHECK(counts == TaskCounts{1, 1, 1});
}

TEST_CASE("R52: a handle dropped after the executor's end drops what is left") {
    Event event;
    TaskCounts counts;
    TaskCounts expected;
    auto executor = make_executor();
    SUBCASE("the task had not run") {
        auto handle = executor->spawn_local(Counted(event, counts));
        executor.reset();
        expected = {0, 1, 0};
        CHECK(counts == expected);
    }
    SUBCASE("the task waited") {
        auto handle = executor->spawn_local(Counted(event, counts));
        settle(*executor);
        executor.reset();
        expected = {1, 1, 0};
        CHECK(counts == expected);
    }
    SUBCASE("the task had completed") {
        event.open();
        auto handle = executor->spawn_local(Counted(event, counts));
        settle(*executor);
        executor.reset();
        CHECK(counts == TaskCounts{1, 1, 0});
        expected = {1, 1, 1};
    }
    SUBCASE("the task had completed, and its output was taken after the executor's end") {
        event.open();
        auto handle = executor->spawn_local(Counted(event, counts));
        settle(*executor);
        executor.reset();
        auto output = poll(handle).take();
        CHECK(output);
        CHECK(counts == TaskCounts{1, 1, 0});
        expected = {1, 1, 1};
    }
    CHECK(counts == expected);
}

TEST_CASE("detach lets a task run on, and does what dropping the handle does") {
    Event event;
    TaskCounts counts;
    auto executor = make_executor();
    auto handle = executor->spawn_local(Counted(event, counts));
    settle(*executor);
    std::move(handle).detach();
    event.open();
    settle(*executor);
    CHECK(counts == TaskCounts{2, 1, 1});
}

TEST_CASE("assigning a handle detaches the task before") {
    Event events[2];
    TaskCounts counts[2];
    auto executor = make_executor();
    auto handle = executor->spawn_local(Counted(events[0], counts[0]));
    handle = executor->spawn_local(Counted(events[1], counts[1]));
    settle(*executor);
    events[0].open();
    events[1].open();
    settle(*executor);
    CHECK(counts[0] == TaskCounts{2, 1, 1});
    CHECK(counts[1] == TaskCounts{2, 1, 0});
}

TEST_CASE("an output may hold the last waker of its own task") {
    auto own_waker = [] {
        return poll_fn([](Context& context) -> Poll<Waker> { return context.waker().clone(); });
    };
    auto executor = make_executor();
    SUBCASE("and be dropped by the handle") {
        auto handle = executor->spawn_local(own_waker());
        settle(*executor);
    }
    SUBCASE("and be dropped by the run") {
        executor->spawn_local(own_waker()).detach();
        settle(*executor);
    }
    SUBCASE("and outlive the handle") {
        Waker waker = *executor->run(executor->spawn_local(own_waker()));
        waker.wake_by_ref();
    }
}

TEST_CASE("a handle that lost a select can be awaited afterwards") {
    Event slow;
    auto executor = make_executor();
    executor->run([&]() -> Co<void> {
        auto loser = spawn_local(map(slow.wait(), [] { return 5; }));
        auto winner = co_await select(loser, yield_now());
        CHECK(winner.index() == 1);
        slow.open();
        auto output = co_await loser;
        CHECK(output == 5);
    });
}

TEST_CASE("a task may await a task that awaits a task") {
    constexpr int depth = 100;
    auto executor = make_executor();
    struct Nest {
        static Co<int> at(int level) {
            if (level == 0) co_return 0;
            auto below = co_await spawn_local(at(level - 1));
            co_return *below + 1;
        }
    };
    CHECK(executor->run(Nest::at(depth)) == depth);
}

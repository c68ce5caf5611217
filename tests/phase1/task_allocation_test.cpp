// R56: whichever allocation fails, in making a coroutine, spawning, running or starting, std::bad_alloc comes
// out where the caller can see it, nothing leaks, and the executor goes on.
#include "failing_new.hpp"

using namespace support;

#if defined(OPERATOR_NEW_IS_FIXED)

TEST_CASE("operator new cannot be counted here; every other build runs this suite") {}

#else

namespace {

// Of tasks that nobody awaits; a counter, since a handler that allocates would fail as well.
std::atomic<int> reported = 0;

void count_report(std::exception_ptr) noexcept { ++reported; }

// What came of `action`, with its allocation number `n` failing.
template <class Action>
Surfaced attempt(long n, Action action) {
    int reported_before = reported;
    try {
        FailsAt fails(n);
        action();
    } catch (const std::bad_alloc&) {
        return Surfaced::thrown;
    }
    return reported > reported_before ? Surfaced::reported : Surfaced::nothing;
}

Co<int> nest(int depth) {
    if (depth > 0) co_return 1 + co_await nest(depth - 1);
    co_await yield_now();
    co_return 0;
}

Co<int> spawn_children() {
    auto captured = std::make_unique<int>(4);
    auto function = [captured = std::move(captured)]() -> Co<int> { co_return *captured; };
    auto first = spawn_local(std::move(function));
    auto second = spawn_local(nest(3));
    auto [four, three] = co_await join(first, second);
    co_return *four + *three;
}

}  // namespace

TEST_CASE("R56: an allocation fails while coroutines are made and run") {
    long allocations = fail_each_allocation([](long n) {
        return attempt(n, [] {
            auto co = nest(5);
            while (poll(co).is_pending()) {
            }
        });
    });
    CHECK(allocations >= 6);  // the frames, at the least
}

TEST_CASE("R56: an allocation fails in spawn: nothing is spawned, and what was handed over is dropped") {
    int drops = 0;
    long allocations = fail_each_allocation([&](long n) {
        drops = 0;
        auto executor = make_executor();
        auto function = [token = Token(drops)]() -> Co<void> { co_return; };
        auto surfaced = attempt(n, [&] { executor->spawn_local(std::move(function)).detach(); });
        std::size_t spawned = executor->current_queue().size();
        bool consistent = surfaced == Surfaced::nothing ? spawned == 1 : spawned == 0;
        settle(*executor);
        return consistent && executor->run(ready(1)) == 1 ? surfaced : Surfaced::nothing;
    });
    CHECK(allocations == 2);  // the task and the frame
    CHECK(drops == 1);
}

TEST_CASE("R56: an allocation fails while queues are made and filled") {
    long allocations = fail_each_allocation([](long n) {
        auto executor = make_executor();
        auto surfaced = attempt(n, [&] {
            for (int i = 0; i < 4; ++i) {
                auto queue = executor->create_task_queue("a name too long for the small string buffer");
                executor->spawn_local_into(queue, nest(1)).value().detach();
            }
        });
        return executor->run(ready(1)) == 1 ? surfaced : Surfaced::nothing;
    });
    CHECK(allocations >= 4 * 4);  // name, queue, task and frame
}

TEST_CASE("R56: an allocation fails in run") {
    long allocations = fail_each_allocation([](long n) {
        auto executor = make_executor();
        auto surfaced = attempt(n, [&] { executor->run(spawn_children); });
        return executor->run(spawn_children()) == 7 ? surfaced : Surfaced::nothing;
    });
    CHECK(allocations >= 9);
}

TEST_CASE("R56: an allocation fails in a task that nobody awaits: it is reported") {
    UnhandledExceptionHandler before = set_unhandled_exception_handler(&count_report);
    int reported_before = reported;
    long allocations = fail_each_allocation([](long n) {
        auto executor = make_executor();
        executor->spawn_local(spawn_children).detach();
        auto surfaced = attempt(n, [&] { settle(*executor); });
        return executor->run(spawn_children()) == 7 ? surfaced : Surfaced::nothing;
    });
    CHECK(allocations >= 6);
    CHECK(reported - reported_before == allocations);
    set_unhandled_exception_handler(before);
}

TEST_CASE("R56: an allocation fails while an executor is made") {
    long allocations = fail_each_allocation([](long n) {
        return attempt(n, [] { LocalExecutor executor("idle", std::make_unique<IdleParker>()); });
    });
    CHECK(allocations >= 3);
}

TEST_CASE("R56: an allocation fails while a thread is started: no thread is left behind") {
    long allocations = fail_each_allocation([](long n) {
        return attempt(n, [] {
            auto thread = LocalExecutorBuilder().spawn([] { return nest(1); });
            if (thread) thread->join();
        });
    });
    CHECK(allocations >= 3);
}

TEST_CASE("R56: an allocation fails on the thread that is started: whoever starts it is told") {
    int failures = 0;
    do {
        counted_new::has_failed_anywhere = false;
        counted_new::successes_left_anywhere = failures;
        bool has_run = false;
        try {
            auto thread = LocalExecutorBuilder().spawn([] { return nest(1); });
            counted_new::successes_left_anywhere = -1;
            if (thread) {
                thread->join();
                has_run = true;
            }
        } catch (const std::bad_alloc&) {
        }
        counted_new::successes_left_anywhere = -1;
        CHECK(has_run != counted_new::has_failed_anywhere);
        ++failures;
    } while (counted_new::has_failed_anywhere);
    CHECK(failures > 8);
}

#endif

// The longest times that there are: sums with them must not overflow.
#include "support.hpp"

using namespace support;

namespace {

// True if it was asked to yield.
bool works_until_preempted(Duration longest) {
    Time give_up = after(Clock::now(), longest);
    while (!need_preempt() && Clock::now() < give_up) continue;
    return need_preempt();
}

}  // namespace

TEST_CASE("while an urgent queue sleeps for ever, others are preempted as before") {
    auto executor = make_executor();
    TaskQueueHandle urgent = executor->create_task_queue(Shares{}, Latency::Matters{1ms}, "urgent");
    executor->run([&]() -> Co<void> {
        auto nap = []() -> Co<void> { co_await sleep(Duration::max()); };
        auto sleeping = spawn_local_into(urgent, nap()).value();
        co_await yield_now();
        for (int slice = 0; slice < 4; ++slice) {
            CHECK(works_until_preempted(2s));
            co_await yield_now();
        }
        sleeping.cancel();
    });
}

TEST_CASE("the longest slice is not cut short") {
    auto executor = LocalExecutorBuilder().slice(Duration::max()).make().value();
    TaskQueueHandle other = executor->create_task_queue("other");
    executor->run([&]() -> Co<void> {
        auto idle = []() -> Co<void> { co_return; };
        auto waits = spawn_local_into(other, idle()).value();
        CHECK_FALSE(works_until_preempted(20ms));
        co_await waits;
    });
}

TEST_CASE("who may spin for ever does, until something comes") {
    auto pinned = LocalExecutorBuilder().placement(Placement::Fixed{allowed_cpus().front()});
    auto executor = pinned.spin_before_park(Duration::max()).make().value();
    // Long: on its way it may have to wait for its CPU.
    executor->run([]() -> Co<void> { co_await sleep(100ms); });
    CHECK(executor->stats().parks == 0);
    CHECK(executor->stats().spun > 0ms);
}

TEST_CASE("shares that are to be asked again at the end of time are not asked again before") {
    int asked = 0;
    auto read = [&asked]() -> unsigned {
        ++asked;
        return 500;
    };
    auto executor = make_executor();
    TaskQueueHandle queue =
        executor->create_task_queue(Shares::Dynamic{read, Duration::max()}, Latency{}, "dynamic");
    executor->run([&]() -> Co<void> {
        for (int i = 0; i < 10; ++i) {
            auto nothing = []() -> Co<void> { co_return; };
            auto task = spawn_local_into(queue, nothing()).value();
            co_await task;
        }
    });
    CHECK(asked <= 2);  // when it was made, and when it was first used
}

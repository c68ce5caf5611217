// Shares and vruntime, in virtual time: who gets how much of the core.
#include "virtual_time.hpp"

#include <ringlet/executor/preempt.hpp>

#include <cmath>
#include <random>

using namespace support;

namespace {

// Works in steps of `step` for ever, and yields as a polite loop does.
Co<void> hog(VirtualExecutor& on, Duration step) {
    while (true) {
        on.parker.work(step);
        co_await yield_if_needed();
    }
}

// The same, and yields after each step: for who is alone, and would not be asked to.
Co<void> yielding_hog(VirtualExecutor& on, Duration step) {
    while (true) {
        on.parker.work(step);
        co_await yield_now();
    }
}

// Works for `busy`, sleeps for `blocked`, and again.
Co<void> blocker(VirtualExecutor& on, Duration busy, Duration blocked) {
    constexpr Duration step = 10us;
    while (true) {
        for (Duration done{}; done < busy; done += step) {
            on.parker.work(step);
            co_await yield_if_needed();
        }
        auto asleep = on.sleep(blocked);
        co_await asleep;
    }
}

Duration runtime(VirtualExecutor& on, TaskQueueHandle queue) {
    return on.executor.queue(queue)->stats().runtime;
}

// Turns the loop for `time`, and gives what part of it each queue has had meanwhile.
std::vector<double> parts_of(VirtualExecutor& on, std::vector<TaskQueueHandle> queues, Duration time) {
    std::vector<Duration> before;
    for (TaskQueueHandle queue : queues) before.push_back(runtime(on, queue));
    Duration began = virtual_now;
    while (virtual_now - began < time) on.executor.turn(true);
    std::vector<double> parts;
    for (std::size_t i = 0; i < queues.size(); ++i) {
        parts.push_back(static_cast<double>((runtime(on, queues[i]) - before[i]).count()) /
                        static_cast<double>((virtual_now - began).count()));
    }
    return parts;
}

struct Queues {
    VirtualExecutor on;

    TaskQueueHandle add(Shares shares, Latency latency = {}) {
        return on.executor.create_task_queue(std::move(shares), latency, "queue");
    }
    void spawn(TaskQueueHandle queue, Co<void> task) {
        on.executor.spawn_local_into(queue, std::move(task)).value().detach();
    }
};

}  // namespace

TEST_CASE("two queues with shares 2:1 that never block split the core within 1 % over two seconds") {
    Queues queues;
    auto two = queues.add(Shares::Static{200});
    auto one = queues.add(Shares::Static{100});
    queues.spawn(two, hog(queues.on, 20us));
    queues.spawn(one, hog(queues.on, 20us));
    auto parts = parts_of(queues.on, {two, one}, 2s);
    CHECK(parts[0] == doctest::Approx(2.0 / 3).epsilon(0.01));
    CHECK(parts[1] == doctest::Approx(1.0 / 3).epsilon(0.01));
}

TEST_CASE("one share beside a thousand gets its due within a tenth of a percentage point over two seconds") {
    Queues queues;
    auto many = queues.add(Shares::Static{1000});
    auto one = queues.add(Shares::Static{1});
    queues.spawn(one, hog(queues.on, 20us));
    queues.spawn(many, hog(queues.on, 20us));
    auto parts = parts_of(queues.on, {many, one}, 2s);
    CHECK(std::abs(parts[1] - 1.0 / 1001) < 0.001);
    CHECK(parts[1] > 0);
}

TEST_CASE("R43: a queue of 10,000 tasks and a queue of one share the core by shares, not by tasks") {
    Queues queues;
    auto crowd = queues.add(Shares::Static{1000});
    auto alone = queues.add(Shares::Static{1000});
    for (int i = 0; i < 10'000; ++i) queues.spawn(crowd, hog(queues.on, 20us));
    queues.spawn(alone, hog(queues.on, 20us));
    auto parts = parts_of(queues.on, {crowd, alone}, 2s);
    CHECK(queues.on.executor.queue(crowd)->size() >= 9'999);  // the fault: so many want to run
    CHECK(parts[0] == doctest::Approx(0.5).epsilon(0.05));
    CHECK(parts[1] == doctest::Approx(0.5).epsilon(0.05));
}

TEST_CASE("a queue that works 1 ms and blocks 10 us keeps its debt: it gets its due, not half") {
    Queues queues;
    auto many = queues.add(Shares::Static{1000});
    auto one = queues.add(Shares::Static{1});
    queues.spawn(many, hog(queues.on, 20us));
    queues.spawn(one, blocker(queues.on, 1ms, 10us));
    auto parts = parts_of(queues.on, {many, one}, 10s);
    CHECK(std::abs(parts[1] - 1.0 / 1001) < 0.001);
}

TEST_CASE("nor does it get half by working for less than a slice, and sleeping before anybody stops it") {
    Queues queues{VirtualExecutor(200us)};
    auto many = queues.add(Shares::Static{1000});
    auto one = queues.add(Shares::Static{1});
    queues.spawn(many, hog(queues.on, 20us));
    queues.spawn(one, blocker(queues.on, 190us, 10us));
    auto parts = parts_of(queues.on, {many, one}, 10s);
    CHECK(std::abs(parts[1] - 1.0 / 1001) < 0.001);
}

TEST_CASE("sleep earns no credit: who slept for a second does not have the core to himself afterwards") {
    Queues queues;
    auto awake = queues.add(Shares{});
    auto sleeper = queues.add(Shares{});
    queues.spawn(awake, yielding_hog(queues.on, 20us));
    queues.spawn(sleeper, [](VirtualExecutor& on) -> Co<void> {
        auto asleep = on.sleep(1s);
        co_await asleep;
        co_await hog(on, 20us);
    }(queues.on));
    parts_of(queues.on, {awake, sleeper}, 1s);
    REQUIRE(runtime(queues.on, sleeper) < 10ms);
    auto parts = parts_of(queues.on, {awake, sleeper}, 100ms);
    CHECK(parts[0] == doctest::Approx(0.5).epsilon(0.1));
}

TEST_CASE("what a queue used while nobody else wanted the core is no debt") {
    Queues queues;
    auto one = queues.add(Shares::Static{1});
    auto late = queues.add(Shares::Static{1});
    queues.spawn(one, yielding_hog(queues.on, 20us));
    parts_of(queues.on, {one}, 1s);
    queues.spawn(late, hog(queues.on, 20us));
    auto parts = parts_of(queues.on, {one, late}, 100ms);
    CHECK(parts[0] == doctest::Approx(0.5).epsilon(0.05));
}

TEST_CASE("nor is what it used in one go before all went to sleep") {
    Queues queues;
    auto one = queues.add(Shares::Static{1});
    auto late = queues.add(Shares::Static{1});
    queues.spawn(one, [](VirtualExecutor& on) -> Co<void> {
        on.parker.work(1s);
        co_return;
    }(queues.on));
    queues.on.executor.turn(false);
    REQUIRE(runtime(queues.on, one) == 1s);
    queues.spawn(late, hog(queues.on, 20us));
    queues.spawn(one, hog(queues.on, 20us));
    auto parts = parts_of(queues.on, {one, late}, 100ms);
    CHECK(parts[0] == doctest::Approx(0.5).epsilon(0.05));
}

TEST_CASE("and is none either when the other arrives in the middle of a long slice") {
    Queues queues;
    auto one = queues.add(Shares::Static{1});
    auto late = queues.add(Shares::Static{1});
    queues.spawn(one, [](Queues& queues, TaskQueueHandle late) -> Co<void> {
        queues.on.parker.work(1s);  // a second in one go, alone
        queues.spawn(late, hog(queues.on, 20us));
        co_await hog(queues.on, 20us);
    }(queues, late));
    auto parts = parts_of(queues.on, {one, late}, 1s + 100ms);
    auto later = parts_of(queues.on, {one, late}, 100ms);
    CHECK(parts[0] > 0.9);
    CHECK(later[0] == doctest::Approx(0.5).epsilon(0.05));
}

TEST_CASE("dynamic shares are asked again every period, and at no other time") {
    Queues queues;
    unsigned wanted = 200;
    int asked = 0;
    auto read = [&] {
        ++asked;
        return wanted;
    };
    auto dynamic = queues.add(Shares::Dynamic{read, 250ms});
    auto fixed = queues.add(Shares::Static{100});
    queues.spawn(dynamic, hog(queues.on, 20us));
    queues.spawn(fixed, hog(queues.on, 20us));
    auto before = parts_of(queues.on, {dynamic, fixed}, 1s);
    CHECK(before[0] == doctest::Approx(2.0 / 3).epsilon(0.01));
    CHECK(asked >= 4);
    CHECK(asked <= 6);
    wanted = 50;
    parts_of(queues.on, {dynamic, fixed}, 300ms);
    auto after = parts_of(queues.on, {dynamic, fixed}, 1s);
    CHECK(after[0] == doctest::Approx(1.0 / 3).epsilon(0.01));
    wanted = 100'000;
    parts_of(queues.on, {dynamic, fixed}, 300ms);
    CHECK(queues.on.executor.queue(dynamic)->shares().count() == Shares::most);
}

TEST_CASE("dynamic shares are asked between two tasks, also when a task wakes another queue") {
    Queues queues;
    bool in_task = false;
    int asked_in_task = 0;
    int asked = 0;
    auto read = [&] {
        ++asked;
        asked_in_task += in_task;
        return 500u;
    };
    auto dynamic = queues.add(Shares::Dynamic{read, 1ms});
    auto other = queues.add(Shares::Static{100});
    auto wakes_others = [&]() -> Co<void> {
        for (int i = 0; i < 20; ++i) {
            in_task = true;
            queues.on.parker.work(2ms);
            queues.spawn(other, [](VirtualExecutor& on) -> Co<void> {
                on.parker.work(10us);
                co_return;
            }(queues.on));
            in_task = false;
            co_await yield_now();
        }
    };
    queues.spawn(dynamic, wakes_others());
    parts_of(queues.on, {dynamic}, 30ms);
    CHECK(asked > 4);
    CHECK(asked_in_task == 0);
}

TEST_CASE("shares outside of 1 to 1000 are a bug, and said so") {
    auto end = run_in_child([] { Shares none{Shares::Static{0}}; });
    CHECK(end.aborted());
    CHECK(end.says("shares go from 1 to 1000"));
}

TEST_CASE("a queue of whom latency matters runs next when it wakes, and still pays for what it uses") {
    Queues queues;
    auto urgent = queues.add(Shares::Static{100}, Latency::Matters{1ms});
    std::vector<TaskQueueHandle> all{urgent};
    std::vector<Duration> waits;
    queues.spawn(urgent, [](Queues& queues, std::vector<Duration>& waits) -> Co<void> {
        while (true) {
            Duration due = virtual_now + 3ms;
            auto asleep = queues.on.sleep(3ms);
            co_await asleep;
            waits.push_back(virtual_now - due);
            queues.on.parker.work(20us);
        }
    }(queues, waits));
    for (int i = 0; i < 5; ++i) {
        all.push_back(queues.add(Shares::Static{1000}));
        queues.spawn(all.back(), hog(queues.on, 20us));
    }
    parts_of(queues.on, all, 2s);
    REQUIRE(waits.size() > 100);
    // The virtual parker has no latency ring: a sleeper is seen at the end of the running slice only.
    CHECK(std::ranges::max(waits) <= 5ms + 20us);

    queues.spawn(urgent, hog(queues.on, 20us));
    auto parts = parts_of(queues.on, all, 2s);
    CHECK(parts[0] == doctest::Approx(100.0 / 5100).epsilon(0.1));
}

TEST_CASE("while a queue of whom latency matters waits in debt, nobody's slice is longer than its bound") {
    Queues queues;
    auto urgent = queues.add(Shares::Static{1}, Latency::Matters{1ms});
    auto other = queues.add(Shares::Static{1000});
    queues.spawn(urgent, hog(queues.on, 20us));
    queues.spawn(other, hog(queues.on, 20us));
    parts_of(queues.on, {urgent, other}, 20ms);
    REQUIRE(queues.on.executor.queue(urgent)->stats().runtime > 0ms);
    for (int turn = 0; turn < 20; ++turn) {
        Duration before = virtual_now;
        queues.on.executor.turn(false);
        CHECK(virtual_now - before <= 1ms + 20us);
    }
}

TEST_CASE("nothing is armed for who is alone, and at once when another wakes beside him") {
    Queues queues;
    auto alone = queues.add(Shares{});
    auto second = queues.add(Shares{});
    bool armed_before = true;
    bool armed_after = false;
    queues.spawn(alone, [](Queues& queues, TaskQueueHandle second, bool& before, bool& after) -> Co<void> {
        before = queues.on.parker.is_armed();
        queues.spawn(second, hog(queues.on, 20us));
        after = queues.on.parker.is_armed();
        co_return;
    }(queues, second, armed_before, armed_after));
    queues.on.executor.turn(false);
    CHECK_FALSE(armed_before);
    CHECK(armed_after);
}

TEST_CASE("a queue is removed only when idle, and its handle then names nothing") {
    Queues queues;
    auto& executor = queues.on.executor;
    auto queue = queues.add(Shares{});
    auto other = make_idle_executor();
    CHECK(other->remove_task_queue(queue).error() == NotRemoved::not_found);
    CHECK(executor.remove_task_queue(executor.current_queue().handle()).error() == NotRemoved::in_use);
    Event event;
    auto waiting = executor.spawn_local_into(queue, event.wait()).value();
    CHECK(executor.remove_task_queue(queue).error() == NotRemoved::in_use);  // ready
    executor.turn(false);
    CHECK(executor.remove_task_queue(queue).error() == NotRemoved::in_use);  // asleep
    event.open();
    executor.turn(false);
    REQUIRE(waiting.is_finished());
    CHECK(executor.remove_task_queue(queue).has_value());
    CHECK(executor.remove_task_queue(queue).error() == NotRemoved::not_found);
    CHECK_FALSE(executor.spawn_local_into(queue, event.wait()).has_value());
    auto next = queues.add(Shares{});
    CHECK_FALSE(next == queue);
}

TEST_CASE("random workloads: no queue that always wants the core is far from its due") {
    for (unsigned seed = 1; seed <= 200; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        auto pick = [&random](int least, int most) {
            return std::uniform_int_distribution(least, most)(random);
        };
        Queues queues;
        std::vector<TaskQueueHandle> hogs;
        std::vector<unsigned> shares;
        for (int i = pick(2, 6); i > 0; --i) {
            shares.push_back(static_cast<unsigned>(pick(1, 1000)));
            hogs.push_back(queues.add(Shares::Static{shares.back()}));
            for (int tasks = pick(1, 20); tasks > 0; --tasks) {
                queues.spawn(hogs.back(), hog(queues.on, std::chrono::microseconds(pick(1, 100))));
            }
        }
        for (int i = pick(0, 4); i > 0; --i) {
            Latency latency = pick(0, 1) ? Latency(Latency::Matters{1ms}) : Latency();
            auto queue = queues.add(Shares::Static{static_cast<unsigned>(pick(1, 1000))}, latency);
            queues.spawn(queue, blocker(queues.on, std::chrono::microseconds(pick(10, 3000)),
                                        std::chrono::microseconds(pick(10, 5000))));
        }
        parts_of(queues.on, hogs, 2s);
        // Two queues that both always want the core: what they had per share differs at most by what one
        // slice of each is worth (its slice, and the step of the task that was running when it ended).
        auto age = [&](std::size_t i) { return runtime(queues.on, hogs[i]).count() / double(shares[i]); };
        auto slice = [&](std::size_t i) {
            return double(std::max<Duration>(5ms * shares[i] / 1000, 200us).count() + 100'000) / shares[i];
        };
        for (std::size_t i = 1; i < hogs.size(); ++i) {
            CHECK(std::abs(age(i) - age(0)) <= slice(i) + slice(0));
        }
    }
}

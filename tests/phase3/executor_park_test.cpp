// Parking: an idle executor costs nothing, and no wake is lost on its way to sleep.
#include "support.hpp"

#include <sys/resource.h>

using namespace support;

namespace {

Duration cpu_time() {
    rusage used{};
    getrusage(RUSAGE_THREAD, &used);
    auto of = [](timeval time) {
        return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
    };
    return of(used.ru_utime) + of(used.ru_stime);
}

// Runs the executor's loop until `done`, with a sleeper that would let it sleep for an hour.
template <class Done>
void turn_parked_until(LocalExecutor& executor, Done done) {
    executor.spawn_local(sleep(1h)).detach();
    while (!done()) executor.turn(true);
}

}  // namespace

TEST_CASE("an idle executor uses less than a thousandth of a core") {
    auto executor = make_executor();
    TaskQueueHandle urgent = executor->create_task_queue(Shares{}, Latency::Matters{1ms}, "urgent");
    auto unparker = value_of(executor->unparker());
    executor->run([&]() -> Co<void> {
        Pipe pipe = make_pipe();
        auto waits_for_io = spawn_local_into(urgent,
                                             [](Pipe& pipe) -> Co<void> {
                                                 auto end =
                                                     value_of(Async<UniqueFd>::adopt(std::move(pipe.reader)));
                                                 std::byte byte[1];
                                                 CHECK(value_of(co_await end.read(byte)) == 1);
                                             }(pipe))
                                .value();
        co_await sleep(10ms);
        Duration before = cpu_time();
        co_await sleep(1s);
        CHECK(cpu_time() - before < 1ms);
        CHECK(put(pipe.writer.get(), "x"));
        co_await waits_for_io;
    });
}

TEST_CASE("a timer, I/O on either ring, and unpark() each end a sleep") {
    auto executor = make_executor();
    TaskQueueHandle urgent = executor->create_task_queue(Shares{}, Latency::Matters{1ms}, "urgent");
    for (bool matters : {false, true}) {
        CAPTURE(matters);
        Pipe pipe = make_pipe();
        std::thread writer;
        executor->run([&]() -> Co<void> {
            TaskQueueHandle queue = matters ? urgent : executor->current_queue().handle();
            auto nap = spawn_local_into(queue, sleep(5ms)).value();
            CHECK(co_await nap);
            auto read = [&]() -> Co<void> {
                auto end = value_of(Async<UniqueFd>::adopt(std::move(pipe.reader)));
                writer = std::thread([&] { CHECK(put(pipe.writer.get(), "x")); });
                std::byte byte[1];
                CHECK(value_of(co_await end.read(byte)) == 1);
            };
            auto reading = spawn_local_into(queue, read()).value();
            co_await reading;
        });
        writer.join();
    }
    auto unparker = value_of(executor->unparker());
    std::atomic<bool> unparked = false;
    std::thread other([&] {
        unparked = true;
        unparker.unpark();
    });
    turn_parked_until(*executor, [&] { return unparked.load(); });
    other.join();
}

TEST_CASE("an unpark between the announcement and the sleep is not lost") {
    auto executor = make_executor();
    auto unparker = value_of(executor->unparker());
    int windows = 0;
    bool done = false;
    AtPoint hooks([&](std::string_view id) {
        if (id != "park: announced" || done) return;
        ++windows;
        // Another thread comes in just here, and is gone before the sleep begins.
        std::thread([&] {
            done = true;
            unparker.unpark();
        }).join();
    });
    turn_parked_until(*executor, [&] { return done; });
    CHECK(windows == 1);
}

TEST_CASE("an unpark before the announcement lets the next sleep pass") {
    auto executor = make_executor();
    auto unparker = value_of(executor->unparker());
    unparker.unpark();
    int turns = 0;
    turn_parked_until(*executor, [&] { return ++turns > 2; });  // the first turn runs the sleeper
    CHECK(turns == 3);
}

TEST_CASE("a task that becomes ready after the announcement keeps the executor awake") {
    auto executor = make_executor();
    bool ran = false;
    bool spawned = false;
    AtPoint hooks([&](std::string_view id) {
        if (id != "park: announced" || std::exchange(spawned, true)) return;
        executor
            ->spawn_local([&]() -> Co<void> {
                ran = true;
                co_return;
            })
            .detach();
    });
    turn_parked_until(*executor, [&] { return ran; });
    CHECK(spawned);
}

TEST_CASE("a completion on the latency ring between the last look and the sleep ends the sleep") {
    auto executor = make_executor();
    TaskQueueHandle urgent = executor->create_task_queue(Shares{}, Latency::Matters{1ms}, "urgent");
    Pipe pipe = make_pipe();
    bool got = false;
    bool written = false;
    AtPoint hooks([&](std::string_view id) {
        if (id != "park: announced" || std::exchange(written, true)) return;
        std::thread([&] { CHECK(put(pipe.writer.get(), "x")); }).join();
    });
    auto read = [&]() -> Co<void> {
        auto end = value_of(Async<UniqueFd>::adopt(std::move(pipe.reader)));
        std::byte byte[1];
        CHECK(value_of(co_await end.read(byte)) == 1);
        got = true;
    };
    executor->spawn_local_into(urgent, read()).value().detach();
    turn_parked_until(*executor, [&] { return got; });
    CHECK(written);
}

TEST_CASE("20,000 unparks from another thread, each awaited: none is lost") {
    auto executor = make_executor();
    auto unparker = value_of(executor->unparker());
    constexpr int rounds = 20'000;
    std::atomic<int> asked = 0;
    std::atomic<int> answered = 0;
    std::thread other([&] {
        for (int round = 1; round <= rounds; ++round) {
            asked = round;
            unparker.unpark();
            while (answered < round) std::this_thread::yield();
        }
    });
    turn_parked_until(*executor, [&] {
        answered = asked.load();
        return answered == rounds;
    });
    other.join();
    CHECK(answered == rounds);
}

TEST_CASE("while an unparker lives there is no deadlock, and without one there is") {
    auto executor = make_executor();
    Event event;
    {
        auto unparker = value_of(executor->unparker());
        std::thread other([&] { unparker.unpark(); });
        executor->spawn_local(event.wait()).detach();
        executor->turn(true);
        executor->turn(true);
        other.join();
    }
    CHECK_THROWS_AS(executor->run(event.wait()), Deadlock);
    event.open();
}

TEST_CASE("an executor that sleeps while its last unparker goes finds that it is a deadlock") {
    auto executor = make_executor();
    Event event;
    auto unparker = std::make_unique<Unparker>(value_of(executor->unparker()));
    int windows = 0;
    AtPoint hooks([&](std::string_view id) {
        if (id != "park: announced" || !unparker) return;
        ++windows;
        std::thread([&] { unparker.reset(); }).join();
    });
    CHECK_THROWS_AS(executor->run(event.wait()), Deadlock);
    CHECK(windows == 1);
}

TEST_CASE("while the last unparker goes there is no deadlock: what it was told before is looked for") {
    auto executor = make_executor();
    auto unparker = std::make_unique<Unparker>(value_of(executor->unparker()));
    bool is_gone = false;
    AtPoint hooks([&](std::string_view id) {
        if (id != "unparker: the last is gone") return;
        is_gone = true;
        // As the owner would, in this very moment, on its own thread.
        CHECK_NOTHROW(executor->turn(true));
        CHECK_THROWS_AS(executor->turn(true), Deadlock);
    });
    unparker.reset();
    CHECK(is_gone);
}

TEST_CASE("an unparker that outlives its executor does nothing") {
    Unparker unparker;
    {
        auto executor = make_executor();
        unparker = value_of(executor->unparker());
    }
    unparker.unpark();
    Unparker copy = unparker;
    copy.unpark();
}

TEST_CASE("one unpark() does not keep an executor that spins from ever sleeping again") {
    auto thread = LocalExecutorBuilder()
                      .placement(Placement::Fixed{allowed_cpus().front()})
                      .spin_before_park(20us)
                      .spawn([]() -> Co<void> {
                          value_of(current_executor()->unparker()).unpark();
                          co_await sleep(1ms);
                          std::uint64_t before = current_executor()->stats().parks;
                          co_await sleep(20ms);
                          CHECK(current_executor()->stats().parks > before);
                      });
    REQUIRE(thread);
    thread->join();
}

TEST_CASE("an operation that completes as it is submitted is not waited for by spinning") {
    auto ten_trips = []() -> Co<void> {
        Duration before = cpu_time();
        for (int i = 0; i < 10; ++i) co_await round_trip();
        CHECK(cpu_time() - before < 100ms);
    };
    Latency latency;
    SUBCASE("on the main ring") {}
    SUBCASE("on the latency ring") { latency = Latency::Matters{1ms}; }
    auto thread = LocalExecutorBuilder()
                      .placement(Placement::Fixed{allowed_cpus().front()})
                      .spin_before_park(100ms)
                      .spawn([&]() -> Co<void> {
                          TaskQueueHandle queue = create_task_queue(Shares{}, latency, "of its class");
                          auto trips = spawn_local_into(queue, ten_trips()).value();
                          co_await trips;
                      });
    REQUIRE(thread);
    thread->join();
}

TEST_CASE("spinning before the sleep finds what comes soon, and is for bound executors only") {
    auto refused = LocalExecutorBuilder().spin_before_park(100us).make();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().text == "spin_before_park is only for an executor with Placement::Fixed");

    auto thread = LocalExecutorBuilder()
                      .placement(Placement::Fixed{allowed_cpus().front()})
                      .spin_before_park(1s)
                      .spawn([]() -> Co<void> {
                          std::uint64_t enters = Reactor::current().stats().enters;
                          Duration before = cpu_time();
                          co_await sleep(20ms);
                          CHECK(cpu_time() - before > 200us);  // it spun: asleep it would use a tenth of that
                          CHECK(Reactor::current().stats().enters == enters);
                      });
    REQUIRE(thread);
    thread->join();
}

// Wakes from other threads: none is lost, none comes to the wrong place, none touches what is gone.
#include "support.hpp"

using namespace support;

namespace {

// Counts the times that its task is polled, and waits for an event.
Co<void> count_polls(ForeignEvent& event, int& polls) {
    auto wait = event.wait();
    co_await poll_fn([&](Context& context) {
        ++polls;
        return wait.poll(context);
    });
}

}  // namespace

TEST_CASE("a foreign waker wakes its task from a plain thread") {
    auto executor = make_executor();
    ForeignEvent event;
    std::thread other([&] {
        wait_until([&] { return event.is_awaited(); });
        event.open();
    });
    executor->run(event.wait());
    other.join();
}

TEST_CASE("wakes that come while one is on its way run the task once") {
    auto executor = make_executor();
    ForeignEvent event;
    int polls = 0;
    auto task = executor->spawn_local(count_polls(event, polls));
    settle(*executor);
    CHECK(polls == 1);
    ForeignWaker waker = event.take_waker();
    std::thread other([&] {
        for (int i = 0; i < 100; ++i) waker.wake();
    });
    other.join();
    executor->turn(false);
    settle(*executor);
    CHECK(polls == 2);
    waker.wake();
    executor->turn(false);
    CHECK(polls == 3);
}

TEST_CASE("a loop on the owner sees a foreign wake, without a system call") {
    auto executor = make_executor();
    ForeignEvent event;
    std::atomic<bool> hogging = false;
    std::thread other([&] {
        wait_until([&] { return hogging && event.is_awaited(); });
        event.open();
    });
    bool woken = false;
    executor->run([&]() -> Co<void> {
        auto waits = spawn_local([&]() -> Co<void> {
            co_await event.wait();
            woken = true;
        });
        co_await yield_now();
        CHECK_FALSE(need_preempt());
        auto enters = [] {
            return Reactor::current().stats().enters + Reactor::current().latency_stats().enters;
        };
        std::uint64_t before = enters();
        hogging = true;
        Time give_up = after(Clock::now(), 10s);
        while (!need_preempt() && Clock::now() < give_up) {
        }
        CHECK(need_preempt());
        CHECK(enters() == before);
        CHECK_FALSE(woken);
        co_await yield_if_needed();
        co_await waits;
    });
    CHECK(woken);
    other.join();
}

TEST_CASE("R45: a wake between the announcement and the sleep is not lost") {
    auto executor = make_executor();
    ForeignEvent event;
    int windows = 0;
    AtPoint hooks([&](std::string_view id) {
        if (id != "park: announced" || !event.is_awaited()) return;
        ++windows;
        // Another thread comes in just here, and is gone before the sleep begins.
        std::thread([&] { event.open(); }).join();
    });
    executor->run(event.wait());
    CHECK(windows == 1);
}

TEST_CASE("R45: a wake before the announcement lets the sleep pass") {
    auto executor = make_executor();
    ForeignEvent event;
    bool woken = false;
    executor
        ->spawn_local([&]() -> Co<void> {
            co_await event.wait();
            woken = true;
        })
        .detach();
    settle(*executor);
    std::thread([&] { event.open(); }).join();
    // Nothing else could end the sleep that this turn may go to.
    executor->turn(true);
    CHECK(woken);
}

TEST_CASE("R45: two threads that park and wake each other in turn never lose a wake") {
    constexpr int rounds = 20'000;
    struct Side {
        std::atomic<int> turn = 0;
        ForeignWaker waker;
        std::atomic<bool> ready = false;
    } sides[2];
    auto play = [&](int me) {
        auto executor = make_executor();
        Side &mine = sides[me], &other = sides[1 - me];
        executor->run([&]() -> Co<void> {
            co_await poll_fn([&](Context& context) -> Poll<void> {
                mine.waker = ForeignWaker(context.waker());
                return Unit{};
            });
            mine.ready = true;
            wait_until([&] { return other.ready.load(); });
            for (int round = 1; round <= rounds; ++round) {
                if (me == 0) {
                    other.turn = round;
                    other.waker.wake();
                }
                co_await poll_fn([&](Context&) -> Poll<void> {
                    if (mine.turn.load() >= round) return Unit{};
                    return pending;
                });
                if (me == 1) {
                    other.turn = round;
                    other.waker.wake();
                }
            }
        });
        return executor->stats().parks;
    };
    std::atomic<std::uint64_t> parks = 0;
    std::thread second([&] { parks += play(1); });
    parks += play(0);
    second.join();
    CHECK(parks > 0);  // they did sleep
}

TEST_CASE("R46: a foreign waker that outlives its executor, and the thread of that, does nothing") {
    ForeignEvent event;
    int drops = 0;
    std::thread owner([&] {
        auto executor = make_executor();
        executor->spawn_local([&, token = Token(drops)]() -> Co<void> { co_await event.wait(); }).detach();
        executor->turn(false);
        executor->turn(false);
    });
    owner.join();
    CHECK(drops == 1);
    REQUIRE(event.is_awaited());
    ForeignWaker waker = event.take_waker();
    ForeignWaker copy = waker;
    waker.wake();
    std::thread([waker = std::move(waker)] { waker.wake(); }).join();
}

TEST_CASE("R46: a wake that its executor does not live to see, from a waker that is gone, does nothing") {
    ForeignEvent event;
    auto executor = make_executor();
    executor->spawn_local([&]() -> Co<void> { co_await event.wait(); }).detach();
    settle(*executor);
    std::thread([&] { event.open(); }).join();  // wakes, and drops the waker
    executor.reset();
}

TEST_CASE("R46: who is refused sees all that the owner did before it closed") {
    // For thread sanitizer, which knows no other order between the two threads than the inbox gives.
    struct Probe final : Message {
        void arrive() noexcept override {}
    };
    for (int round = 0; round < 200; ++round) {
        Inbox inbox;
        std::vector<std::unique_ptr<Probe>> posted;  // those in the inbox are its own until they arrive
        int left_by_owner = 0;
        std::thread poster([&] {
            do posted.push_back(std::make_unique<Probe>());
            while (inbox.post(*posted.back()) != Inbox::Posted::refused && posted.size() < 10'000'000);
            CHECK(left_by_owner == 7);
        });
        left_by_owner = 7;
        inbox.close();
        poster.join();
    }
}

TEST_CASE("R46: threads that are refused do not race") {
    ForeignEvent event;
    {
        auto executor = make_executor();
        executor->spawn_local(event.wait()).detach();
        executor->turn(false);
    }
    ForeignWaker waker = event.take_waker();
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) {
        threads.emplace_back([copy = waker] {
            for (int wake = 0; wake < 10'000; ++wake) copy.wake();
        });
    }
    for (std::thread& thread : threads) thread.join();
}

TEST_CASE("R47: threads that copy, call and drop one waker leave a task that is freed once") {
    constexpr int threads_count = 2, rounds = 20'000;
    auto executor = make_executor();
    ForeignEvent event;
    int drops = 0;
    std::atomic<int> running = threads_count;
    executor
        ->spawn_local([&, token = Token(drops)]() -> Co<void> {
            auto wait = event.wait();
            co_await wait;
        })
        .detach();
    settle(*executor);
    std::vector<std::thread> threads;
    {
        ForeignWaker waker = event.take_waker();
        for (int i = 0; i < threads_count; ++i) {
            threads.emplace_back([&running, waker] {
                for (int round = 0; round < rounds; ++round) {
                    ForeignWaker copy = waker;
                    copy.wake();
                }
                --running;
            });
        }
    }
    // Each wake makes the task wait anew, with a waker of its own.
    while (running > 0) executor->turn(false);
    for (std::thread& thread : threads) thread.join();
    CHECK(drops == 0);
    event.open();
    executor->turn(false);
    executor->turn(false);
    CHECK(drops == 1);
}

TEST_CASE("a task that only a foreign waker could wake ends with that, on its own thread") {
    auto executor = make_executor();
    ForeignEvent event;
    int drops = 0;
    executor->spawn_local([&, token = Token(drops)]() -> Co<void> { co_await event.wait(); }).detach();
    settle(*executor);
    std::thread([waker = event.take_waker()] {}).join();
    CHECK(drops == 0);
    executor->turn(false);
    executor->turn(false);
    CHECK(drops == 1);
}

TEST_CASE("while a foreign waker lives the executor waits; after that a root that waits is a deadlock") {
    auto executor = make_executor();
    ForeignEvent event;
    std::thread other([&] {
        wait_until([&] { return event.is_awaited(); });
        std::this_thread::sleep_for(5ms);  // it sleeps by now, most likely
        event.take_waker();
    });
    CHECK_THROWS_AS(executor->run(event.wait()), Deadlock);
    other.join();
}

TEST_CASE("a message that waits is delivered before an executor that nobody knows calls it a deadlock") {
    auto executor = make_executor();
    Event event;
    struct Opens final : Message {
        explicit Opens(Event& event) : event_(event) {}
        void arrive() noexcept override { event_.open(); }
        Event& event_;
    } opens(event);
    CHECK(value_of(executor->unparker()).post(opens));
    executor->run(event.wait());
}

TEST_CASE("the inbox delivers in the order of posting, and refuses once it is closed") {
    struct Noted final : Message {
        Noted(std::vector<int>& seen, int number) : seen_(seen), number_(number) {}
        void arrive() noexcept override { seen_.push_back(number_); }
        std::vector<int>& seen_;
        int number_;
    };
    std::vector<int> seen;
    Noted one(seen, 1), two(seen, 2), three(seen, 3), late(seen, 4);
    Inbox inbox;
    CHECK(inbox.word() == 0);
    CHECK(inbox.post(one) == Inbox::Posted::first);
    CHECK(inbox.word() != 0);
    CHECK(inbox.post(two) == Inbox::Posted::more);
    inbox.deliver();
    CHECK(inbox.word() == 0);
    CHECK(inbox.post(three) == Inbox::Posted::first);
    inbox.close();
    CHECK(seen == std::vector{1, 2, 3});
    CHECK(inbox.post(late) == Inbox::Posted::refused);
    CHECK(seen.size() == 3);
}

TEST_CASE("a message that arrives between two tasks of a queue cannot remove that queue") {
    struct Remover final : Message {
        TaskQueueHandle queue;
        std::expected<void, NotRemoved> outcome;
        void arrive() noexcept override { outcome = current_executor()->remove_task_queue(queue); }
    };
    Remover remover;
    auto executor = make_executor();
    remover.queue = executor->create_task_queue("used");
    auto self = executor->unparker();
    REQUIRE(self);
    executor->run([&]() -> Co<void> {
        auto last_task = [&]() -> Co<void> {
            CHECK(self->post(remover));
            co_return;
        };
        auto task = spawn_local_into(remover.queue, last_task()).value();
        co_await task;
    });
    REQUIRE_FALSE(remover.outcome);
    CHECK(remover.outcome.error() == NotRemoved::in_use);
    CHECK(executor->remove_task_queue(remover.queue));
}

// What can be spawned, and how long it lives. R59: a coroutine lambda reads its captures from the lambda
// object, so the task keeps that object.
#include "support.hpp"

#include <functional>

using namespace support;

namespace {

Co<int> forty_two() { co_return 42; }

// Returns a future when called; knows how often that is.
class Callable {
public:
    explicit Callable(int& calls) : calls_(calls) {}
    Ready<int> operator()() {
        ++calls_;
        return ready(5);
    }

private:
    int& calls_;
};

}  // namespace

TEST_CASE("futures and functions that return them can be spawned and run") {
    int calls = 0;
    auto executor = make_executor();
    CHECK(executor->run(ready(1)) == 1);
    CHECK(executor->run(forty_two()) == 42);
    CHECK(executor->run(forty_two) == 42);
    CHECK(executor->run([] { return ready(2); }) == 2);
    CHECK(executor->run(std::function<Co<int>()>(forty_two)) == 42);
    CHECK(executor->run(map(ready(3), [](int value) { return value + 1; })) == 4);
    CHECK(executor->run(Callable(calls)) == 5);
    CHECK(calls == 1);
}

TEST_CASE("a named function is copied, a moved one is moved") {
    int calls = 0;
    auto executor = make_executor();
    Callable named(calls);
    CHECK(executor->run(named) == 5);
    CHECK(executor->run(named) == 5);
    auto owned = std::make_unique<int>(6);
    auto moves = [owned = std::move(owned)]() -> Co<int> { co_return *owned; };
    CHECK(executor->run(std::move(moves)) == 6);
}

TEST_CASE("R59: a capturing coroutine lambda that is a temporary lives as long as its task") {
    Event event;
    std::string seen;
    auto executor = make_executor();
    {
        std::string text = "captured, and too long for the small string buffer";
        executor
            ->spawn_local([&event, &seen, text]() -> Co<void> {
                co_await event.wait();
                seen = text;
                co_await yield_now();
                seen += "!";
            })
            .detach();
    }
    settle(*executor);
    CHECK(seen.empty());
    event.open();
    settle(*executor);
    CHECK(seen == "captured, and too long for the small string buffer!");
}

TEST_CASE("R59: captures are dropped once, after the coroutine that reads them") {
    Log log;
    Event event;
    auto spawn = [&](LocalExecutor& executor) {
        struct Capture {
            Log* log;
            explicit Capture(Log& into) : log(&into) {}
            Capture(Capture&& other) noexcept : log(std::exchange(other.log, nullptr)) {}
            ~Capture() {
                if (log) log->push_back("~capture");
            }
        };
        return executor.spawn_local([&log, &event, capture = Capture(log)]() -> Co<void> {
            LogsEnd end(log, "~local");
            co_await event.wait();
        });
    };
    auto executor = make_executor();
    SUBCASE("when the task completes") {
        auto handle = spawn(*executor);
        event.open();
        settle(*executor);
    }
    SUBCASE("when it is cancelled") {
        auto handle = spawn(*executor);
        settle(*executor);
        handle.cancel();
        settle(*executor);
    }
    SUBCASE("when its executor ends") {
        auto handle = spawn(*executor);
        settle(*executor);
        executor.reset();
    }
    CHECK(log == Log{"~local", "~capture"});
}

TEST_CASE("R59: a lambda handed to run() is kept as well") {
    std::string text = "captured, and too long for the small string buffer";
    auto executor = make_executor();
    auto result = executor->run([text]() -> Co<std::string> {
        co_await yield_now();
        co_return text;
    });
    CHECK(result == text);
}

TEST_CASE("R59: a lambda handed to a new thread is kept as well, even if it only moves") {
    auto owned = std::make_unique<std::string>("captured");
    std::string seen;
    auto thread = LocalExecutorBuilder().spawn([&seen, owned = std::move(owned)]() -> Co<void> {
        co_await yield_now();
        seen = *owned;
    });
    REQUIRE(thread);
    thread->join();
    CHECK(seen == "captured");
}

TEST_CASE("a function that throws instead of returning a future lets nothing be spawned") {
    int drops = 0;
    auto executor = make_executor();
    auto thrower = [token = Token(drops)]() -> Ready<int> { throw std::runtime_error("no future"); };
    CHECK_THROWS_WITH(static_cast<void>(executor->spawn_local(std::move(thrower))), "no future");
    CHECK(drops == 1);
    CHECK(executor->current_queue().size() == 0);
}

TEST_CASE("a spawned task runs later, not in the call that spawns it") {
    Log log;
    auto executor = make_executor();
    executor->run([&]() -> Co<void> {
        auto handle = spawn_local([&]() -> Co<void> {
            log.push_back("spawned");
            co_return;
        });
        log.push_back("spawner");
        co_await handle;
    });
    CHECK(log == Log{"spawner", "spawned"});
}

TEST_CASE("tasks can be spawned before, between and during runs") {
    int ran = 0;
    auto count = [&]() -> Co<void> {
        ++ran;
        co_return;
    };
    auto executor = make_executor();
    executor->spawn_local(count).detach();
    executor->run(yield_now());
    CHECK(ran == 1);
    executor->spawn_local(count).detach();
    executor->run([&]() -> Co<void> {
        spawn_local(count).detach();
        executor->spawn_local(count).detach();
        co_await yield_now();
    });
    CHECK(ran == 4);
}

TEST_CASE("a hundred thousand tasks live side by side, and each is dropped once") {
    constexpr int count = 100'000;
    int drops = 0;
    int woken = 0;
    std::vector<Waker> wakers;
    auto executor = make_executor();
    for (int i = 0; i < count; ++i) {
        executor
            ->spawn_local(
                poll_fn([&, waited = false, token = Token(drops)](Context& context) mutable -> Poll<void> {
                    if (std::exchange(waited, true)) {
                        ++woken;
                        return Unit{};
                    }
                    wakers.push_back(context.waker().clone());
                    return pending;
                }))
            .detach();
    }
    settle(*executor);
    CHECK(wakers.size() == count);
    // Half of them complete, the others are reclaimed with their last waker.
    for (std::size_t i = 0; i < wakers.size(); i += 2) std::move(wakers[i]).wake();
    wakers.clear();
    settle(*executor);
    CHECK(woken == count / 2);
    CHECK(drops == count);
}

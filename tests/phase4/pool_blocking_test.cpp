// BlockingPool: threads for what blocks.
#include "support.hpp"

using namespace support;

TEST_CASE("a function runs on another thread, and its result is awaited here") {
    BlockingPool pool(2);
    auto executor = make_executor();
    executor->run([&]() -> Co<void> {
        auto there = co_await pool.spawn([] { return std::this_thread::get_id(); });
        CHECK(there != std::this_thread::get_id());
        co_await pool.spawn([] {});
        auto moved = co_await pool.spawn([] { return std::make_unique<int>(3); });
        CHECK(*moved == 3);
    });
    CHECK(pool.threads() == 1);
}

TEST_CASE("R51: an exception reaches who awaits, and the thread works on") {
    BlockingPool pool(1);
    auto executor = make_executor();
    executor->run([&]() -> Co<void> {
        auto failing = pool.spawn([]() -> int { throw std::runtime_error("in the worker"); });
        std::string seen;
        try {
            co_await failing;
        } catch (const std::runtime_error& error) {
            seen = error.what();
        }
        CHECK(seen == "in the worker");
        CHECK(co_await pool.spawn([] { return 4; }) == 4);
    });
    CHECK(pool.threads() == 1);
}

TEST_CASE("no more threads than allowed, and no fewer than needed") {
    constexpr unsigned most = 3;
    BlockingPool pool(most);
    auto executor = make_executor();
    std::atomic<unsigned> inside = 0;
    std::atomic<unsigned> highest = 0;
    executor->run([&]() -> Co<void> {
        std::vector<JoinHandle<void>> tasks;
        for (int i = 0; i < 12; ++i) {
            tasks.push_back(spawn_local([&]() -> Co<void> {
                auto work = [&] {
                    unsigned now = ++inside;
                    for (unsigned seen = highest; seen < now && !highest.compare_exchange_weak(seen, now);) {
                    }
                    if (highest < most) wait_until([&] { return highest == most; });
                    --inside;
                };
                auto job = pool.spawn(work);
                co_await job;
            }));
        }
        for (auto& task : tasks) co_await task;
    });
    CHECK(highest == most);
    CHECK(pool.threads() == most);
}

TEST_CASE("a function that no thread has begun is never run once it is dropped") {
    BlockingPool pool(1);
    auto executor = make_executor();
    std::atomic<bool> release = false;
    int drops = 0;
    bool ran = false;
    executor->run([&]() -> Co<void> {
        auto first = pool.spawn([&] { wait_until([&] { return release.load(); }); });
        CHECK_FALSE(co_await poll_once(first));
        {
            auto second = pool.spawn([&, token = Token(drops)] { ran = true; });
            CHECK_FALSE(co_await poll_once(second));
        }
        CHECK(drops == 1);
        release = true;
        co_await first;
    });
    CHECK_FALSE(ran);
}

TEST_CASE("the result of a function that was dropped while it ran is dropped, once") {
    BlockingPool pool(1);
    auto executor = make_executor();
    std::atomic<bool> began = false;
    std::atomic<bool> release = false;
    int drops = 0;
    executor->run([&]() -> Co<void> {
        auto work = [&] {
            began = true;
            wait_until([&] { return release.load(); });
            return Token(drops);
        };
        {
            auto running = pool.spawn(work);
            CHECK_FALSE(co_await poll_once(running));
            wait_until([&] { return began.load(); });
        }
        release = true;
        co_await pool.spawn([] {});
        co_await yield_now();
        CHECK(drops == 1);
    });
}

TEST_CASE("a function whose executor is gone ends quietly") {
    BlockingPool pool(1);
    std::atomic<bool> began = false;
    std::atomic<bool> release = false;
    std::atomic<int> ended = 0;
    {
        auto executor = make_executor();
        auto work = [&] {
            began = true;
            wait_until([&] { return release.load(); });
            return std::shared_ptr<void>(nullptr, [&](void*) { ++ended; });
        };
        executor
            ->spawn_local([&]() -> Co<void> {
                auto job = pool.spawn(work);
                co_await job;
            })
            .detach();
        executor->turn(false);
        wait_until([&] { return began.load(); });
    }
    release = true;
    wait_until([&] { return ended == 1; });
}

TEST_CASE("a future of the pool may outlive its executor, whatever has become of its function") {
    std::atomic<bool> release = false;
    std::atomic<bool> began = false;
    int drops = 0;
    BlockingPool pool(1);  // dies first: until then the function may look at the others
    {
        auto running = pool.spawn([&] {
            began = true;
            wait_until([&] { return release.load(); });
            return 1;
        });
        auto queued = pool.spawn([token = Token(drops)] {});
        {
            auto executor = make_executor();
            executor->run([&]() -> Co<void> {
                CHECK_FALSE(co_await poll_once(running));
                CHECK_FALSE(co_await poll_once(queued));
                wait_until([&] { return began.load(); });
            });
        }
        release = true;
    }
    CHECK(drops == 1);
}

TEST_CASE("an exception that nobody awaits is reported, whenever the future goes") {
    Reports reports;
    BlockingPool pool(1);
    auto executor = make_executor();
    executor->run([&]() -> Co<void> {
        auto failing = [] { throw std::runtime_error("unheard"); };
        {
            auto job = pool.spawn(failing);
            CHECK_FALSE(co_await poll_once(job));
            co_await pool.spawn([] {});  // the one before is home by now
            co_await yield_now();
        }
        CHECK(Reports::texts.size() == 1);
    });
}

TEST_CASE("blocking threads of a bound executor run on all CPUs that the process may use") {
    for (const Placement& where :
         {Placement(Placement::Fenced{allowed_cpus()}), Placement(Placement::Unbound{})}) {
        BlockingPool pool(1, where);
        auto root = [&]() -> Co<void> {
            CHECK(co_await pool.spawn(cpus_of_this_thread) == allowed_cpus().size());
        };
        auto executor =
            LocalExecutorBuilder().placement(Placement::Fixed{allowed_cpus().front()}).spawn(root);
        REQUIRE(executor);
        executor->join();
    }
}

TEST_CASE("spawn_blocking() on any shard uses the threads of its pool, and no more than were allowed") {
    auto pool = LocalExecutorPoolBuilder(PoolPlacement::Unbound{2})
                    .blocking(1)
                    .on_all_shards([](Shard& shard) -> Co<std::thread::id> {
                        auto there = co_await spawn_blocking([] { return std::this_thread::get_id(); });
                        CHECK(there != std::this_thread::get_id());
                        co_await shard.everyone();
                        CHECK(shard.pool().blocking().threads() == 1);
                        co_return there;
                    });
    REQUIRE(pool);
    auto threads = pool->join_all();
    CHECK(threads[0] == threads[1]);
}

TEST_CASE("as many threads may be allowed as there are numbers") {
    BlockingPool pool(std::numeric_limits<unsigned>::max());
    auto executor = make_executor();
    executor->run([&]() -> Co<void> { CHECK(co_await pool.spawn([] { return 3; }) == 3); });
    CHECK(pool.threads() == 1);
}

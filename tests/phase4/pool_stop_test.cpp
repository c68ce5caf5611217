// How a pool ends: by signals, which all pools hear of, and never on a thread of its own.
#include "support.hpp"

#include <csignal>

using namespace support;

TEST_CASE("the first SIGTERM asks the pool to stop, a second cancels it") {
    for (int signals : {1, 2}) {
        CAPTURE(signals);
        auto child = run_in_child([&] {
            auto pool = LocalExecutorPoolBuilder(PoolPlacement::Unbound{2})
                            .stop_on_signals()
                            .on_all_shards([&](Shard& shard) -> Co<int> {
                                co_await shard.stop_requested();
                                if (signals == 2) co_await sleep(1h);
                                co_return 1;
                            });
            CHILD_REQUIRE(pool);
            CHILD_REQUIRE(pool->pool().stage() == PoolStage::running);
            kill(getpid(), SIGTERM);
            wait_until([&] { return pool->pool().stage() >= PoolStage::stopping; });
            if (signals == 2) {
                std::this_thread::sleep_for(300ms);  // sooner, it would count as the same
                kill(getpid(), SIGTERM);
            }
            auto ends = pool->join_all();
            CHILD_REQUIRE(ends[1].has_value() == (signals == 1));
        });
        CHECK(child.errors == "");
        CHECK(child.exited_well());
    }
}

TEST_CASE("all pools that stop on signals hear of each, whichever has read it") {
    for (int signals : {1, 2}) {
        CAPTURE(signals);
        auto child = run_in_child([&] {
            auto root = [](Shard& shard) -> Co<void> {
                co_await shard.stop_requested();
                co_await shard.reached(PoolStage::cancelled);
            };
            auto start = [&] {
                return LocalExecutorPoolBuilder(PoolPlacement::Unbound{1})
                    .stop_on_signals()
                    .on_all_shards(root);
            };
            auto one = start();
            auto other = start();
            {
                auto gone = start();
                CHILD_REQUIRE(gone);
            }
            CHILD_REQUIRE(one && other);
            kill(getpid(), SIGTERM);
            for (auto* pool : {&*one, &*other})
                wait_until([&] { return pool->pool().stage() == PoolStage::stopping; });
            if (signals == 2) {
                std::this_thread::sleep_for(300ms);  // sooner, it would count as the same
                kill(getpid(), SIGTERM);
            } else {
                one->cancel();
                CHILD_REQUIRE(other->pool().stage() == PoolStage::stopping);
                other->cancel();
            }
            one->join_all();
            other->join_all();
        });
        CHECK(child.errors == "");
        CHECK(child.exited_well());
    }
}

TEST_CASE("a pool that does not start leaves signals as they were") {
    auto child = run_in_child([] {
        auto refused = LocalExecutorPoolBuilder(PoolPlacement::Unbound{1})
                           .executor(LocalExecutorBuilder().spin_before_park(1ms))
                           .stop_on_signals()
                           .on_all_shards([](Shard&) -> Co<void> { co_return; });
        CHILD_REQUIRE(!refused);
        sigset_t blocked;
        pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
        CHILD_REQUIRE(sigismember(&blocked, SIGINT) == 0 && sigismember(&blocked, SIGTERM) == 0);
    });
    CHECK(child.errors == "");
    CHECK(child.exited_well());
}

TEST_CASE("R55: to join a pool on its own blocking thread is an error") {
    std::atomic<ExecutorPool<void>*> self = nullptr;
    std::string why;
    auto pool = start_pool(1, [&](Shard&) -> Co<void> {
        while (!self) co_await sleep(1ms);
        auto join = [&] {
            try {
                self.load()->join_all();
            } catch (const std::logic_error& error) {
                why = error.what();
            }
        };
        auto joining = spawn_blocking(join);
        co_await joining;
    });
    self = &pool;
    pool.join_all();
    CHECK(why == "a pool was joined on a thread of its own: that would not end");
}

TEST_CASE("R55: a pool that is destroyed on its own blocking thread aborts and says so") {
    auto child = run_in_child([] {
        std::optional<ExecutorPool<void>> pool;
        std::atomic<bool> stands = false;
        pool.emplace(start_pool(1, [&](Shard&) -> Co<void> {
            while (!stands) co_await sleep(1ms);
            auto drop = [&] { pool.reset(); };
            auto dropping = spawn_blocking(drop);
            co_await dropping;
        }));
        stands = true;
        std::this_thread::sleep_for(10s);
    });
    CHECK(child.aborted());
    CHECK(child.says("a pool was destroyed on a thread of its own"));
}

TEST_CASE("of two exceptions the first is thrown by join_all(), and the other reported") {
    Reports reports;
    auto pool = start_pool(2, [](Shard& shard) -> Co<void> {
        co_await shard.everyone();
        throw std::runtime_error("one of two");
    });
    CHECK_THROWS_WITH_AS(pool.join_all(), "one of two", std::runtime_error);
    CHECK(reports.texts == std::vector<std::string>{"one of two"});
}

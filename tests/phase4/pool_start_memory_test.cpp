// A pool whose start runs out of memory, at each allocation in turn: an error or bad_alloc, and nothing left
// behind.
#include "support.hpp"

#include "../phase1/counted_new.hpp"

#include <sys/resource.h>

using namespace support;

#if defined(OPERATOR_NEW_IS_FIXED)

TEST_CASE("operator new cannot be counted here; every other build runs this suite") {}

#else

TEST_CASE("R56: the n-th allocation of the thread that starts a pool fails, for each n") {
    static_cast<void>(allowed_cpus());
    auto start = [] {
        return LocalExecutorPoolBuilder(PoolPlacement::Unbound{2}).on_all_shards([](Shard&) -> Co<void> {
            co_return;
        });
    };
    start()->join_all();  // what is made once is made
    int failures = 0;
    for (long n = 0;; ++n) {
        bool started = false;
        counted_new::has_failed = false;
        counted_new::successes_left = n;
        try {
            auto pool = start();
            counted_new::successes_left = -1;
            started = pool.has_value();
            if (started) pool->join_all();
        } catch (const std::bad_alloc&) {
        }
        counted_new::successes_left = -1;
        if (!counted_new::has_failed) {
            CHECK(started);
            break;
        }
        ++failures;
    }
    CHECK(failures > 50);
    start()->join_all();
}

TEST_CASE("R56: an allocation of any thread fails while a shard says that it has no descriptors left") {
    static_cast<void>(allowed_cpus());
    auto child = run_in_child([] {
        UniqueFd lowest(dup(STDERR_FILENO));
        rlim_t few = static_cast<rlim_t>(lowest.get()) + 2;  // one is left: less than an executor takes
        rlimit limit{few, few};
        setrlimit(RLIMIT_NOFILE, &limit);
        auto start = [] {
            return LocalExecutorPoolBuilder(PoolPlacement::Unbound{1}).on_all_shards([](Shard&) -> Co<void> {
                co_return;
            });
        };
        auto refused = start();
        CHILD_REQUIRE(!refused && refused.error().text.starts_with("shard 0: "));
        for (long n = 0;; ++n) {
            counted_new::has_failed_anywhere = false;
            counted_new::successes_left_anywhere = n;
            try {
                CHILD_REQUIRE(!start());
            } catch (const std::bad_alloc&) {
            }
            counted_new::successes_left_anywhere = -1;
            if (!counted_new::has_failed_anywhere) return;
        }
    });
    CAPTURE(child.errors);
    CHECK(child.exited_well());
}

TEST_CASE("R56: a pool that stands hears of signals, whichever allocation of its threads has failed") {
    static_cast<void>(allowed_cpus());
    auto stop_at_signal_without = [](long n, bool& has_failed) {
        auto child = run_in_child([&] {
            counted_new::has_failed_anywhere = false;
            counted_new::successes_left_anywhere = n;
            try {
                auto pool =
                    LocalExecutorPoolBuilder(PoolPlacement::Unbound{1})
                        .stop_on_signals()
                        .on_all_shards([](Shard& shard) -> Co<void> { co_await shard.stop_requested(); });
                std::this_thread::sleep_for(5ms);
                counted_new::successes_left_anywhere = -1;
                if (pool && pool->pool().stage() == PoolStage::running) {
                    kill(getpid(), SIGTERM);
                    wait_until([&] { return pool->pool().stage() != PoolStage::running; });
                }
            } catch (const std::bad_alloc&) {
                counted_new::successes_left_anywhere = -1;
            }
            if (!counted_new::has_failed_anywhere) std::fputs("none failed", stderr);
        });
        CAPTURE(n);
        CAPTURE(child.errors);
        CHECK(child.exited_well());
        has_failed = !child.says("none failed");
    };
    bool has_failed = true;
    long n = 100;  // the first are those of the start, which the cases above look at
    for (; has_failed; ++n) stop_at_signal_without(n, has_failed);
    CHECK(n > 120);
}

TEST_CASE("R56: a blocking thread without memory for its notice runs all the same") {
    static_cast<void>(allowed_cpus());
    int failures = 0;
    for (long n = 0;; ++n) {
        bool is_over = false;
        auto child = run_in_child([&] {
            auto executor = make_executor();
            BlockingPool pool(1, Placement::Fenced{CpuSet({1000})});
            int result = 0;
            executor->run([&]() -> Co<void> {
                auto job = pool.spawn([] { return 1; });
                counted_new::has_failed_anywhere = false;
                counted_new::successes_left_anywhere = n;
                try {
                    result = co_await job;
                } catch (const std::bad_alloc&) {
                    result = 1;  // for the job itself
                }
                counted_new::successes_left_anywhere = -1;
            });
            CHILD_REQUIRE(result == 1);
            if (!counted_new::has_failed_anywhere) std::fputs("none failed", stderr);
        });
        CAPTURE(n);
        CAPTURE(child.errors);
        REQUIRE(child.exited_well());
        failures += child.says("a blocking thread runs anywhere: out of memory");
        is_over = child.says("none failed");
        if (is_over) break;
    }
    CHECK(failures > 0);
}

#endif

// submit_to: what runs there, what comes back, and what becomes of a call when one of the two sides goes
// away.
#include "support.hpp"

using namespace support;

namespace {

// Runs `body` as the root of shard 0 of two; shard 1 has none of its own.
template <class Body>
void on_shard_0(Body body) {
    auto pool = start_pool(2, [body](Shard& shard) -> Co<void> {
        if (shard.id() == 0) co_await body();
    });
    pool.join_all();
}

// Sets the flag when this thread has ended, and its executor with it.
void note_end_of_thread(std::atomic<bool>& flag) {
    struct Note {
        std::atomic<bool>* flag = nullptr;
        ~Note() {
            if (flag) *flag = true;
        }
    };
    thread_local Note note;
    note.flag = &flag;
}

}  // namespace

TEST_CASE("a function runs on the other shard, and its value comes back") {
    on_shard_0([]() -> Co<void> {
        CHECK(co_await submit_to(1, [] { return Shard::current().id(); }) == 1U);
        CHECK(co_await submit_to(0, [] { return Shard::current().id(); }) == 0U);
        auto nothing = co_await submit_to(1, [] {});
        CHECK(nothing.has_value());
        auto moved = co_await submit_to(1, [] { return std::make_unique<int>(7); });
        CHECK(**moved == 7);
    });
}

TEST_CASE("a function that returns a future is a task there") {
    on_shard_0([]() -> Co<void> {
        auto later = co_await submit_to(1, []() -> Co<int> {
            co_await sleep(1ms);
            auto back = co_await submit_to(0, [] { return 20; });
            co_return *back + 1;
        });
        CHECK(later == 21);
    });
}

TEST_CASE("a call is a task of the default queue, whatever queue its shard is running") {
    std::atomic<bool> hogging = false;
    std::atomic<bool> enough = false;
    auto pool = start_pool(2, [&](Shard& shard) -> Co<void> {
        if (shard.id() == 1) {
            auto hog = [&]() -> Co<void> {
                hogging = true;
                while (!enough) co_await yield_if_needed();
            };
            TaskQueueHandle bulk = create_task_queue(Shares::Static{1}, Latency{}, "bulk");
            co_await spawn_local_into(bulk, hog()).value();
            co_return;
        }
        wait_until([&] { return hogging.load(); });
        for (int i = 0; i < 20; ++i) {
            auto queue = co_await submit_to(1, [] { return current_executor()->current_queue().name(); });
            CHECK(queue == "default");
        }
        enough = true;
    });
    pool.join_all();
}

TEST_CASE("an exception is thrown where the call is awaited") {
    on_shard_0([]() -> Co<void> {
        auto call = submit_to(1, [](/* nothing */) -> int { throw std::runtime_error("over there"); });
        std::string seen;
        try {
            co_await call;
        } catch (const std::runtime_error& error) {
            seen = error.what();
        }
        CHECK(seen == "over there");
    });
}

TEST_CASE("what a function holds is destroyed where it ran, once") {
    on_shard_0([]() -> Co<void> {
        struct DiesAt {
            std::thread::id* where;
            int* deaths;
            DiesAt(std::thread::id& thread, int& count) : where(&thread), deaths(&count) {}
            DiesAt(DiesAt&& other) noexcept
                : where(std::exchange(other.where, nullptr)), deaths(other.deaths) {}
            ~DiesAt() {
                if (!where) return;
                *where = std::this_thread::get_id();
                ++*deaths;
            }
        };
        std::thread::id died;
        int deaths = 0;
        DiesAt held(died, deaths);
        auto call = submit_to(1, [held = std::move(held)] { return std::this_thread::get_id(); });
        auto ran = co_await call;
        CHECK(died == *ran);
        CHECK(deaths == 1);
    });
}

TEST_CASE("calls of all shards to all shards cross each other") {
    constexpr unsigned shards = 3;
    auto pool = start_pool(shards, [](Shard& shard) -> Co<int> {
        int sum = 0;
        for (int i = 0; i < 500; ++i) {
            for (ShardId other = 0; other < shards; ++other) {
                auto answer = [from = shard.id()] { return static_cast<int>(from) + 1; };
                auto got = co_await submit_to(other, answer);
                sum += *got;
            }
        }
        co_return sum;
    });
    auto sums = pool.join_all();
    for (unsigned i = 0; i < shards; ++i) CHECK(sums[i] == static_cast<int>(500 * shards * (i + 1)));
}

TEST_CASE("cancel() drops the task over there, and says so") {
    on_shard_0([]() -> Co<void> {
        auto drops = std::make_shared<std::atomic<int>>(0);
        auto began = std::make_shared<std::atomic<bool>>(false);
        auto call = submit_to(1, [drops, began]() -> Co<void> {
            struct Note {
                std::atomic<int>& count;
                ~Note() { ++count; }
            } note{*drops};
            *began = true;
            co_await sleep(1h);
        });
        call.start();
        wait_until([&] { return began->load(); });
        call.cancel();
        auto end = co_await call;
        REQUIRE_FALSE(end);
        CHECK(end.error() == CallError::cancelled);
        CHECK(*drops == 1);
    });
}

TEST_CASE("a call that is cancelled before it starts is not sent") {
    on_shard_0([]() -> Co<void> {
        auto ran = std::make_shared<std::atomic<bool>>(false);
        for (bool is_started : {false, true}) {
            auto call = submit_to(1, [ran] { *ran = true; });
            call.cancel();
            if (is_started) call.start();
            auto end = co_await call;
            REQUIRE_FALSE(end);
            CHECK(end.error() == CallError::cancelled);
        }
        co_await submit_to(1, [] {});
        CHECK_FALSE(*ran);
    });
}

TEST_CASE("a call that is dropped cancels its task") {
    on_shard_0([]() -> Co<void> {
        auto dropped = std::make_shared<std::atomic<bool>>(false);
        auto began = std::make_shared<std::atomic<bool>>(false);
        {
            auto call = submit_to(1, [dropped, began]() -> Co<void> {
                struct Note {
                    std::atomic<bool>& flag;
                    ~Note() { flag = true; }
                } note{*dropped};
                *began = true;
                co_await sleep(1h);
            });
            call.start();
            wait_until([&] { return began->load(); });
        }
        wait_until([&] { return dropped->load(); });
        co_return;
    });
}

TEST_CASE("a dropped call's exception is reported") {
    Reports reports;
    on_shard_0([]() -> Co<void> {
        auto ran = std::make_shared<std::atomic<bool>>(false);
        {
            auto call = submit_to(1, [ran] {
                *ran = true;
                throw std::runtime_error("nobody listens");
            });
            call.start();
            wait_until([&] { return ran->load(); });
        }
        co_await submit_to(1, [] {});
        co_await yield_now();
    });
    CHECK(Reports::texts == std::vector<std::string>{"nobody listens"});
}

TEST_CASE("a call with a limit is ready in time while the other shard hogs its core, and is not begun late") {
    on_shard_0([]() -> Co<void> {
        auto ran = std::make_shared<std::atomic<bool>>(false);
        auto release = std::make_shared<std::atomic<bool>>(false);
        auto hogging = std::make_shared<std::atomic<bool>>(false);
        auto hog = submit_to(1, [release, hogging] {
            *hogging = true;
            wait_until([&] { return release->load(); });
        });
        hog.start();
        wait_until([&] { return hogging->load(); });
        auto late = submit_to(1, [ran] { *ran = true; }).timeout(1ms);
        auto end = co_await late;
        REQUIRE_FALSE(end);
        CHECK(end.error() == CallError::timed_out);
        *release = true;
        co_await hog;
        co_await submit_to(1, [] {});
        CHECK_FALSE(*ran);
        auto in_time = submit_to(1, [] { return 3; }).timeout(10s);
        CHECK(co_await in_time == 3);
    });
}

TEST_CASE("a call that has arrived in time, and waited too long for its turn, is not begun") {
    on_shard_0([]() -> Co<void> {
        auto ran = std::make_shared<std::atomic<bool>>(false);
        auto release = std::make_shared<std::atomic<bool>>(false);
        auto hogging = std::make_shared<std::atomic<bool>>(false);
        auto fenced = std::make_shared<std::atomic<bool>>(false);
        // While the first has the core the others arrive, and the call with them; then the second takes
        // longer than the call may wait, and nobody at home notices.
        auto first = submit_to(1, [release, hogging] {
            *hogging = true;
            wait_until([&] { return release->load(); });
        });
        first.start();
        wait_until([&] { return hogging->load(); });
        Time over = after(Clock::now(), 200ms);
        auto second = submit_to(1, [over] { wait_until([&] { return Clock::now() > over; }); });
        second.start();
        auto late = spawn_local(submit_to(1, [ran] { *ran = true; }).timeout(100ms));
        co_await yield_now();
        auto fence = submit_to(1, [fenced] { *fenced = true; });
        fence.start();
        *release = true;
        wait_until([&] { return fenced->load(); });
        CHECK_FALSE(*ran);
        auto end = co_await late;
        REQUIRE(end);
        REQUIRE_FALSE(*end);
        CHECK(end->error() == CallError::timed_out);
        co_await first;
        co_await second;
        co_await fence;
    });
}

TEST_CASE("a limit that a call gets once it is out is not the target's business") {
    on_shard_0([]() -> Co<void> {
        auto release = std::make_shared<std::atomic<bool>>(false);
        auto hogging = std::make_shared<std::atomic<bool>>(false);
        auto hog = submit_to(1, [release, hogging] {
            *hogging = true;
            wait_until([&] { return release->load(); });
        });
        hog.start();
        wait_until([&] { return hogging->load(); });
        auto call = submit_to(1, [] { return 3; });
        call.start();
        auto timed = std::move(call).timeout(0s);
        *release = true;
        co_await hog;
        co_await submit_to(1, [] {});
        CHECK(co_await timed == 3);  // begun although it was late, and home before anybody looked
        for (int i = 0; i < 200; ++i) {
            auto read_meanwhile = submit_to(1, [] { return 4; });
            read_meanwhile.start();
            auto limited = std::move(read_meanwhile).timeout(10s);
            CHECK(co_await limited == 4);
        }
    });
}

TEST_CASE("a call may outlive its executor and the pool, and is then dropped anywhere") {
    for (bool in_another_pool : {false, true}) {
        std::atomic<bool> home_is_gone = false;
        auto endless = [&]() -> Co<void> {
            struct Last {
                std::atomic<bool>& may_end;
                ~Last() {
                    wait_until([&] { return may_end.load(); });
                }
            } last{home_is_gone};
            co_await sleep(1h);
        };
        std::optional<decltype(submit_to(1, endless))> kept;
        {
            auto pool = start_pool(2, [&](Shard& shard) -> Co<void> {
                if (shard.id() == 1) co_return;
                note_end_of_thread(home_is_gone);
                kept.emplace(submit_to(1, endless));
                kept->start();
                co_await submit_to(1, [] {});
            });
            pool.join_all();
        }
        auto drop = [&](Shard&) -> Co<void> {
            kept.reset();
            co_return;
        };
        if (in_another_pool) start_pool(1, drop).join_all();
    }
}

TEST_CASE("a root that has ended leaves a shard that still serves the others") {
    on_shard_0([]() -> Co<void> {
        co_await sleep(5ms);
        CHECK(co_await submit_to(1, [] { return 1; }) == 1);
    });
}

TEST_CASE("a plain thread hands work to a shard and waits for the result") {
    auto pool = start_pool(2, [](Shard& shard) -> Co<void> { co_await shard.stop_requested(); });
    CHECK(pool.submit_to(1, [] { return Shard::current().id(); }).get() == 1);
    pool.submit_to(0, []() -> Co<void> { co_await sleep(1ms); }).get();
    CHECK(pool.submit_to(0, []() -> Co<int> { co_return 5; }).get() == 5);
    auto failing = pool.submit_to(0, []() -> int { throw std::runtime_error("inside"); });
    CHECK_THROWS_WITH(failing.get(), "inside");
    auto refused = pool.submit_to(0, []() -> int { throw CallError::cancelled; }).get();
    REQUIRE_FALSE(refused);
    CHECK(refused.error() == CallError::cancelled);
    pool.request_stop();
    pool.join_all();
    auto late = pool.submit_to(0, [] { return 1; }).get();
    REQUIRE_FALSE(late);
    CHECK(late.error() == CallError::shard_gone);
}

TEST_CASE("an exception of work from outside is reported if nobody asks for the result") {
    Reports reports;
    auto pool = start_pool(1, [](Shard& shard) -> Co<void> { co_await shard.stop_requested(); });
    static_cast<void>(pool.submit_to(0, [] { throw std::runtime_error("dropped at once"); }));
    {
        auto late = pool.submit_to(0, [] { throw std::runtime_error("dropped late"); });
        auto asked = pool.submit_to(0, [] { throw std::runtime_error("asked for"); });
        CHECK_THROWS_WITH(asked.get(), "asked for");
    }
    pool.request_stop();
    pool.join_all();
    CHECK(Reports::texts == std::vector<std::string>{"dropped at once", "dropped late"});
}

TEST_CASE("work from outside that a shard does not finish ends without a result") {
    auto pool = start_pool(1, [](Shard& shard) -> Co<void> { co_await shard.stop_requested(); });
    auto endless = pool.submit_to(0, []() -> Co<void> { co_await sleep(1h); });
    pool.request_stop();
    pool.join_all();
    auto end = endless.get();
    REQUIRE_FALSE(end);
    CHECK(end.error() == CallError::shard_gone);
}

TEST_CASE("tasks that die with their executor take their calls back, wherever these are") {
    for (int round = 0; round < 50; ++round) {
        auto pool = start_pool(2, [](Shard& shard) -> Co<void> {
            auto nested = [](ShardId other) -> Co<void> {
                while (co_await submit_to(other, []() -> Co<void> { co_await sleep(1us); })) {
                }
            };
            for (int i = 0; i < 8; ++i) spawn_local(nested(1 - shard.id())).detach();
            co_await shard.everyone();
            co_await yield_now();
        });
        pool.join_all();
    }
}

// ForeignPtr: its object is used at home only, and dies there only, once, wherever the pointer goes.
#include "support.hpp"

#include <ringlet/channel/shared_channel.hpp>
#include <ringlet/pool/foreign_ptr.hpp>

using namespace support;

namespace {

// Counts the lives that ended, and wants each to end inside the executor that it began in.
class Resident {
public:
    explicit Resident(std::atomic<int>& deaths) : deaths_(deaths) {}
    ~Resident() {
        CHECK(thread_ == std::this_thread::get_id());
        CHECK(executor_ == current_executor());
        ++deaths_;
    }

    int age = 7;

private:
    std::atomic<int>& deaths_;
    std::thread::id thread_ = std::this_thread::get_id();
    LocalExecutor* executor_ = current_executor();
};

using Pointer = ForeignPtr<Resident>;

// Made where it is called.
Pointer resident(std::atomic<int>& deaths) { return Pointer(std::make_unique<Resident>(deaths)); }

// From shard 1, for another one.
Co<Pointer> fetch(std::atomic<int>& deaths) {
    auto call = submit_to(1, [&deaths] { return resident(deaths); });
    auto answer = co_await call;
    co_return std::move(answer).value();
}

// Ready once shard 1 has received all that was posted to it until now.
Co<void> shard_1_has_looked() {
    auto call = submit_to(1, [] {});
    CHECK((co_await call).has_value());
}

// Runs `root` on shard 0 of two; the other has no root to speak of.
void run_on_shard_0(const std::function<Co<void>()>& root) {
    auto pool = start_pool(2, [&](Shard& shard) -> Co<void> {
        if (shard.id() == 0) co_await root();
    });
    pool.join_all();
}

}  // namespace

static_assert(!std::is_copy_constructible_v<Pointer>);
static_assert(std::is_nothrow_move_constructible_v<Pointer> && std::is_nothrow_move_assignable_v<Pointer>);

TEST_CASE("a pointer that is dropped at home ends its object at once") {
    std::atomic<int> deaths = 0;
    run_on_shard_0([&]() -> Co<void> {
        {
            Pointer pointer = resident(deaths);
            CHECK(pointer.is_local());
            CHECK(pointer.home() == 0);
            CHECK(pointer->age == 7);
            CHECK((*pointer).age == 7);
            co_await yield_now();
            CHECK(deaths == 0);
        }
        CHECK(deaths == 1);
    });
}

TEST_CASE("a pointer that is dropped abroad ends its object at home") {
    std::atomic<int> deaths = 0;
    run_on_shard_0([&]() -> Co<void> {
        {
            Pointer pointer = co_await fetch(deaths);
            CHECK_FALSE(pointer.is_local());
            CHECK(pointer.home() == 1);
            co_await shard_1_has_looked();
            CHECK(deaths == 0);
        }
        co_await shard_1_has_looked();
        CHECK(deaths == 1);
    });
}

TEST_CASE("a pointer that returns home is used there and ends there") {
    std::atomic<int> deaths = 0;
    run_on_shard_0([&]() -> Co<void> {
        Pointer pointer = co_await fetch(deaths);
        ShardId home = pointer.home();
        auto call = submit_to(home, [pointer = std::move(pointer), &deaths] {
            CHECK(pointer.is_local());
            CHECK(deaths == 0);
            return pointer->age;
        });
        auto age = co_await call;
        CHECK(age == 7);
        CHECK(deaths == 1);
    });
}

TEST_CASE("a pointer that was moved from, or holds nothing, is empty and nowhere at home") {
    std::atomic<int> deaths = 0;
    run_on_shard_0([&]() -> Co<void> {
        Pointer pointer = co_await fetch(deaths);
        Pointer other = std::move(pointer);
        CHECK(other);
        CHECK_FALSE(pointer);
        CHECK_FALSE(pointer.is_local());
        CHECK_FALSE(Pointer(nullptr));
        pointer = co_await fetch(deaths);
        other = std::move(pointer);  // what it held before goes home
        co_await shard_1_has_looked();
        CHECK(deaths == 1);
        other = Pointer();
        co_await shard_1_has_looked();
        CHECK(deaths == 2);
    });
}

TEST_CASE("pointers that nobody takes out of a channel, or of an answer, end their objects at home") {
    std::atomic<int> deaths = 0;
    run_on_shard_0([&]() -> Co<void> {
        auto ends = shared_channel::new_bounded<Pointer>(4);
        auto sender = std::move(ends.first).connect();
        for (int i = 0; i < 3; ++i) {
            Pointer pointer = co_await fetch(deaths);
            CHECK(sender.try_send(std::move(pointer)));
        }
        {
            auto dropped = std::move(ends.second);
        }
        co_await shard_1_has_looked();
        CHECK(deaths == 3);
        {
            auto call = submit_to(1, [&deaths] { return resident(deaths); });
            call.start();
            co_await shard_1_has_looked();  // its answer comes behind the first one
        }
        co_await shard_1_has_looked();
        CHECK(deaths == 4);
    });
    CHECK(deaths == 4);
}

TEST_CASE(
    "an object whose home ends dies with it, and its pointer then holds nothing that could be touched") {
    std::atomic<int> deaths = 0;
    Pointer pointer;
    {
        auto pool = start_pool(1, [](Shard& shard) -> Co<void> { co_await shard.stop_requested(); });
        pointer = pool.submit_to(0, [&] { return resident(deaths); }).get().value();
        CHECK(deaths == 0);
        pool.request_stop();
        pool.join_all();
    }
    CHECK(deaths == 1);
    CHECK(pointer);
    CHECK(pointer.home() == 0);
    CHECK_FALSE(pointer.is_local());
    // Not even in a pool whose shard bears the same number, perhaps at the same address.
    start_pool(1, [&](Shard&) -> Co<void> {
        CHECK_FALSE(pointer.is_local());
        pointer = Pointer();
        co_return;
    }).join_all();
    CHECK(deaths == 1);
}

TEST_CASE("a pointer that a plain thread drops while its home ends ends the object once, at home") {
    std::atomic<int> deaths = 0;
    for (int round = 1; round <= 200; ++round) {
        auto pool = start_pool(1, [](Shard& shard) -> Co<void> { co_await shard.stop_requested(); });
        std::vector<Pointer> pointers;
        for (int i = 0; i < 3; ++i)
            pointers.push_back(pool.submit_to(0, [&] { return resident(deaths); }).get().value());
        pool.request_stop();
        std::thread([&] { pointers.clear(); }).join();
        pool.join_all();
        REQUIRE(deaths == 3 * round);
    }
}

TEST_CASE("shards that pass pointers round and drop them leave none, and no object dies abroad") {
    constexpr int rounds = 5000;
    std::atomic<int> deaths = 0;
    auto pool = start_pool(2, [&](Shard& shard) -> Co<void> {
        ShardId other = 1 - shard.id();
        for (int round = 0; round < rounds; ++round) {
            auto call = submit_to(other, [mine = resident(deaths), &deaths]() mutable {
                CHECK_FALSE(mine.is_local());
                mine = resident(deaths);  // and the first one goes home
                return std::move(mine);
            });
            auto theirs = co_await call;
            REQUIRE(theirs);
            CHECK(theirs->home() == other);
        }
    });
    pool.join_all();
    CHECK(deaths == 4 * rounds);
}

TEST_CASE("a pointer that is used abroad aborts, and so does one that is empty") {
    for (bool abroad : {true, false}) {
        auto child = run_in_child([&] {
            std::atomic<int> deaths = 0;
            run_on_shard_0([&]() -> Co<void> {
                Pointer pointer = co_await fetch(deaths);
                if (!abroad) pointer = Pointer();
                pointer->age = 8;
            });
        });
        CHECK(child.aborted());
        CHECK(child.errors.find("a foreign pointer was used away from its home") != std::string::npos);
    }
}

namespace {

// Makes a foreign pointer, and gives it away, as the last thing it does.
class Parting {
public:
    explicit Parting(Pointer& heir, std::atomic<int>& deaths) : heir_(&heir), deaths_(&deaths) {}
    Parting(Parting&& other) noexcept : heir_(std::exchange(other.heir_, nullptr)), deaths_(other.deaths_) {}
    ~Parting() {
        if (heir_ && current_executor()) *heir_ = resident(*deaths_);
    }

private:
    Pointer* heir_;
    std::atomic<int>* deaths_;
};

}  // namespace

TEST_CASE("a pointer that is made while its home ends, by a call that nobody will run, outlives it") {
    std::atomic<int> deaths = 0;
    Pointer heir;
    std::atomic<bool> is_ending = false, is_posted = false;
    auto pool = start_pool(1, [&](Shard&) -> Co<void> {
        // Keeps its shard in its end until there is a message that only the end delivers.
        auto last = [&]() -> Co<void> {
            struct Late {
                std::atomic<bool>&is_ending, &is_posted;
                ~Late() {
                    is_ending = true;
                    wait_until([&] { return is_posted.load(); });
                }
            } late{is_ending, is_posted};
            co_await sleep(1h);
        };
        spawn_local(last()).detach();
        co_await yield_now();
        co_await yield_now();
    });
    wait_until([&] { return is_ending.load(); });
    auto call = [parting = Parting(heir, deaths)] {};
    auto result = pool.submit_to(0, std::move(call));
    is_posted = true;
    pool.join_all();
    CHECK(deaths == 1);
    heir = Pointer();
    CHECK(deaths == 1);
}

// Sharded<T>: each shard its own, asked by all.
#include "support.hpp"

#include <ringlet/pool/sharded.hpp>

#include <map>

using namespace support;

namespace {

using Counts = std::map<std::string, int>;

// What all shards have counted of a key.
int total(const std::vector<std::optional<int>>& parts) {
    int sum = 0;
    for (const auto& part : parts) sum += part.value_or(0);
    return sum;
}

}  // namespace

TEST_CASE("a key has one owner, whoever asks, and only that one's T is touched") {
    constexpr unsigned shards = 3;
    Sharded<Counts> counts(shards);
    auto pool = start_pool(shards, [&](Shard& shard) -> Co<int> {
        auto mine = co_await counts.open();
        for (int i = 0; i < 300; ++i) {
            std::string key = "key " + std::to_string(i % 30);
            auto count = [key](Counts& at_owner) { return ++at_owner[key]; };
            CHECK((co_await counts.at_owner(key, count)).has_value());
        }
        co_await shard.everyone();
        int sum = 0;
        for (const auto& [key, count] : *mine) {
            CHECK(counts.owner_of(key) == shard.id());
            CHECK(count == 30);
            sum += count;
        }
        co_return sum;
    });
    CHECK(total(pool.join_all()) == 900);
}

TEST_CASE("nobody is past open() before all have theirs") {
    Sharded<int> numbers(3);
    auto pool = start_pool(3, [&](Shard& shard) -> Co<int> {
        auto mine = co_await numbers.open(static_cast<int>(shard.id()) + 1);
        int sum = 0;
        for (ShardId other = 0; other < 3; ++other) {
            auto number = co_await numbers.at(other, [](int& value) { return value; });
            sum += number.value_or(-100);
        }
        co_await shard.everyone();
        co_return sum;
    });
    CHECK(total(pool.join_all()) == 18);
}

TEST_CASE("a T that its shard has closed is an error for who asks, and it died at home") {
    struct Home {
        std::thread::id thread = std::this_thread::get_id();
        ~Home() { CHECK(thread == std::this_thread::get_id()); }
    };
    Sharded<Home> homes(2);
    auto pool = start_pool(2, [&](Shard& shard) -> Co<void> {
        {
            auto mine = co_await homes.open();
            CHECK(homes.local() == &*mine);
        }
        CHECK(homes.local() == nullptr);
        co_await shard.everyone();
        auto gone = co_await homes.at(1 - shard.id(), [](Home&) { return 1; });
        REQUIRE_FALSE(gone);
        CHECK(gone.error() == CallError::shard_gone);
    });
    pool.join_all();
}

TEST_CASE("a T that is closed lives as long as a call that waits on it") {
    std::atomic<bool> calling = false;
    int drops = 0;
    Sharded<Token> tokens(2);
    auto pool = start_pool(2, [&](Shard& shard) -> Co<void> {
        int others = 0;
        auto mine = co_await tokens.open(Token(shard.id() == 1 ? drops : others));
        if (shard.id() == 1) {
            while (!calling) co_await yield_now();
            co_return;  // closes its Token
        }
        auto waits = [&](Token&) -> Co<int> {
            calling = true;
            co_await sleep(20ms);
            co_return drops;
        };
        CHECK(co_await tokens.at(1, waits) == 0);
    });
    pool.join_all();
    CHECK(drops == 1);
}

TEST_CASE("a function that is run at the owner may wait there") {
    Sharded<int> numbers(2);
    auto pool = start_pool(2, [&](Shard& shard) -> Co<void> {
        auto mine = co_await numbers.open(5);
        auto slowly = [](int& value) -> Co<int> {
            co_await sleep(1ms);
            co_return ++value;
        };
        auto got = co_await numbers.at(1 - shard.id(), slowly);
        CHECK(got == 6);
        co_await shard.everyone();
    });
    pool.join_all();
}

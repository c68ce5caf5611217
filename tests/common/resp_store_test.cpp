// The key store of common/resp: keys and their expiry, the memory they are counted to take and its limit, and
// which shard owns a key.
#include "resp/store.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <vector>

using resp::never;
using resp::Store;

namespace {

std::size_t allocations = 0;
std::size_t heap_bytes = 0;  // what malloc() of glibc takes for all that is alive

constexpr std::size_t header_bytes = 16;  // before each block: what it takes

std::string key_of(int i) { return "key:" + std::to_string(i); }

std::string value_of(Store& store, std::string_view key, resp::Milliseconds now = 0) {
    const auto* entry = store.find(key, now);
    return entry ? entry->value : "none";
}

}  // namespace

// Not inlined: GCC takes what lies before a block for outside of it.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
    auto* block = static_cast<char*>(std::malloc(header_bytes + bytes));
    if (!block) throw std::bad_alloc();
    const auto taken = (bytes + 8 + 15) / 16 * 16;
    std::memcpy(block, &taken, sizeof taken);
    ++allocations;
    heap_bytes += taken;
    return block + header_bytes;
}
[[gnu::noinline]] void operator delete(void* bytes) noexcept {
    if (!bytes) return;
    auto* block = static_cast<char*>(bytes) - header_bytes;
    std::size_t taken = 0;
    std::memcpy(&taken, block, sizeof taken);
    heap_bytes -= taken;
    std::free(block);
}
void operator delete(void* bytes, std::size_t) noexcept { operator delete(bytes); }

TEST_CASE("a key is set, replaced and erased") {
    Store store;
    CHECK(value_of(store, "a") == "none");
    CHECK(store.set("a", "1", never));
    CHECK(value_of(store, "a") == "1");
    CHECK(store.set("a", "2", never));
    CHECK(value_of(store, "a") == "2");
    CHECK(store.size() == 1);
    CHECK(store.erase("a", 0));
    CHECK_FALSE(store.erase("a", 0));
    CHECK(store.size() == 0);
}

TEST_CASE("whichever keys are erased, the others are found") {
    Store store;
    for (int i = 0; i < 3000; ++i) REQUIRE(store.set(key_of(i), key_of(i), never));
    for (int i = 0; i < 3000; ++i) {
        if (i % 7 < 4) REQUIRE(store.erase(key_of(i), 0));
    }
    for (int i = 0; i < 3000; ++i) REQUIRE(value_of(store, key_of(i)) == (i % 7 < 4 ? "none" : key_of(i)));
}

TEST_CASE("keys and values may be empty and may hold any byte") {
    using namespace std::literals;
    Store store;
    CHECK(store.set("", "", never));
    CHECK(store.set("a\0b"sv, "\0"sv, never));
    CHECK(value_of(store, "") == "");
    CHECK(value_of(store, "a\0b"sv) == "\0"s);
    CHECK(value_of(store, "a") == "none");
}

TEST_CASE("a key is there until the clock is past its expiry, and then erased by whoever asks") {
    Store store;
    CHECK(store.set("a", "1", 100));
    CHECK(store.expiring() == 1);
    CHECK(value_of(store, "a", 100) == "1");
    CHECK(value_of(store, "a", 101) == "none");
    CHECK(store.size() == 0);
    CHECK(store.expiring() == 0);
}

TEST_CASE("to erase an expired key finds none") {
    Store store;
    CHECK(store.set("a", "1", 100));
    CHECK_FALSE(store.erase("a", 101));
    CHECK(store.size() == 0);
}

TEST_CASE("to set a key forgets its expiry, which may also be changed alone") {
    Store store;
    CHECK(store.set("a", "1", 100));
    CHECK(store.set("a", "2", never));
    CHECK(store.expiring() == 0);
    CHECK(value_of(store, "a", 101) == "2");
    store.set_expiry("a", 200);
    CHECK(store.expiring() == 1);
    CHECK(value_of(store, "a", 201) == "none");
}

TEST_CASE("an expired key can be set anew") {
    Store store;
    CHECK(store.set("a", "1", 100));
    CHECK(store.set("a", "2", 300));
    CHECK(value_of(store, "a", 200) == "2");
    CHECK(store.expiring() == 1);
}

TEST_CASE("keys that nobody asks for are erased a part of the table at a time") {
    Store store;
    for (int i = 0; i < 1000; ++i) REQUIRE(store.set(key_of(i), "v", i % 2 ? 100 : never));
    CHECK(store.expire_some(100) == 0);
    CHECK(store.expire_some(101, 10) < 500);
    for (int call = 0; call < 10; ++call) store.expire_some(101);
    CHECK(store.size() == 500);
    CHECK(store.expiring() == 0);
    CHECK(value_of(store, key_of(0), 101) == "v");
    CHECK(store.expire_some(101) == 0);
}

TEST_CASE("clearing gives all memory back") {
    const auto before = heap_bytes;
    Store store;
    const auto empty = store.memory_bytes();
    for (int i = 0; i < 1000; ++i) REQUIRE(store.set(key_of(i), std::string(100, 'v'), 100));
    CHECK(heap_bytes > before);
    store.clear();
    CHECK(heap_bytes == before);
    CHECK(store.size() == 0);
    CHECK(store.expiring() == 0);
    CHECK(store.memory_bytes() == empty);
    CHECK(store.expire_some(101) == 0);
}

TEST_CASE("memory is counted as malloc() gives it") {
    const auto before = heap_bytes;
    Store store;
    // Of the table the store counts the slots alone; the first table, of one slot, is not on the heap.
    const auto holds = [&] { return heap_bytes - before - store.memory_bytes() < 24; };
    for (const std::size_t size : {0, 15, 16, 23, 24, 25, 40, 100, 1000, 5000}) {
        for (int i = 0; i < 50; ++i)
            REQUIRE(store.set(std::string(size, 'k') + key_of(i), std::string(size, 'v'), never));
        CHECK(holds());
    }
    for (const std::size_t size : {10000, 9000, 4000, 17, 16, 15, 0, 15, 16, 17, 3000, 15, 100, 0}) {
        for (int i = 0; i < 50; ++i) REQUIRE(store.set(key_of(i), std::string(size, 'w'), never));
        CHECK(holds());
    }
    for (int i = 0; i < 50; ++i) CHECK(store.erase(key_of(i), 0));
    CHECK(holds());
}

TEST_CASE("what would exceed the limit is refused and changes nothing") {
    Store store(2000);
    CHECK(store.set("a", std::string(500, 'v'), never));
    const auto before = store.memory_bytes();
    CHECK_FALSE(store.set("a", std::string(2000, 'w'), 100));
    CHECK_FALSE(store.set("b", std::string(2000, 'w'), 100));
    CHECK(store.memory_bytes() == before);
    CHECK(value_of(store, "a") == std::string(500, 'v'));
    CHECK(value_of(store, "b") == "none");
    CHECK(store.expiring() == 0);
}

TEST_CASE("at the limit keys can still shrink and go, and then others come") {
    Store store(2000);
    int keys = 0;
    while (store.set(key_of(keys), std::string(200, 'v'), never)) ++keys;
    CHECK(keys > 3);
    CHECK(store.memory_bytes() <= 2000);
    CHECK(store.set(key_of(0), "short", never));
    CHECK(store.erase(key_of(1), 0));
    CHECK(store.set("another", std::string(200, 'v'), never));
}

TEST_CASE("a value that shrinks much gives its memory back") {
    Store store;
    CHECK(store.set("a", std::string(100000, 'v'), never));
    const auto before = store.memory_bytes();
    CHECK(store.set("a", std::string(100, 'v'), never));
    CHECK(store.memory_bytes() + 99000 < before);
}

TEST_CASE("looking up and replacing in place allocate nothing") {
    Store store;
    const std::string key(100, 'k'), value(100, 'v'), other(90, 'w');
    CHECK(store.set(key, value, never));
    const auto before = allocations;
    const bool found = store.find(key, 0) && !store.find(value, 0);
    const bool replaced = store.set(key, other, 100);
    CHECK(allocations == before);
    CHECK(found);
    CHECK(replaced);
}

TEST_CASE("each shard owns its part of the keys") {
    for (const unsigned shards : {1u, 2u, 3u, 8u, 61u}) {
        std::vector<int> keys(shards);
        for (int i = 0; i < 10000; ++i) {
            const auto owner = resp::owner_of(key_of(i), shards);
            REQUIRE(owner < shards);
            ++keys[owner];
        }
        for (const int count : keys) {
            CHECK(count > 10000 / static_cast<int>(shards) * 7 / 10);
            CHECK(count < 10000 / static_cast<int>(shards) * 13 / 10 + 1);
        }
    }
}

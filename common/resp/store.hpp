// The keys of one shard: strings with an optional time of expiry, and a count of the memory they take.
//
// For its shard's thread only. The clock is the caller's: milliseconds since any fixed moment, never
// negative. What a pointer returned here points at lives until the next call that is not const.
#pragma once

#include "resp/key_table.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

namespace resp {

constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

// The shard that holds a key, below `shards`. Taken from the hash's upper half: KeyTable uses the
// lower bits, and a shard's keys must not have those in common.
inline unsigned owner_of(std::string_view key, unsigned shards) {
    if (shards == 1) return 0;
    return static_cast<unsigned>(((std::uint64_t{hash_of(key)} >> 32) * shards) >> 32);
}

class Store {
public:
    explicit Store(std::size_t memory_bytes_max = unlimited) : memory_bytes_max_(memory_bytes_max) {}
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    // nullptr if there is no such key, or it has expired: then it is erased.
    const Entry* find(std::string_view key, Milliseconds now);

    // Makes or replaces a key. False, and nothing has changed: memory_bytes() would exceed the limit.
    [[nodiscard]] bool set(std::string_view key, std::string_view value, Milliseconds expiry);

    // Of a key that find() has found.
    void set_expiry(std::string_view key, Milliseconds expiry);

    // False if there was no such key.
    bool erase(std::string_view key, Milliseconds now);
    void clear();

    // For a timer: looks through the next part of the table and erases what has expired there, so that keys
    // that nobody asks for give their memory back. Returns how many it erased; if many, call again soon.
    std::size_t expire_some(Milliseconds now, std::size_t slots_max = 1000);

    // Expired keys that are not erased yet are counted.
    std::size_t size() const { return keys_.size(); }
    std::size_t expiring() const { return expiring_; }

    // What malloc() of glibc takes for the keys and for the table. A table that must grow for a new key is
    // not refused: it may exceed the limit once, by its own size.
    std::size_t memory_bytes() const { return entries_bytes_ + keys_.slots() * KeyTable::slot_bytes; }
    std::size_t memory_bytes_max() const { return memory_bytes_max_; }

private:
    bool replace(Entry& entry, std::string_view value);
    void change_expiry(Entry& entry, Milliseconds expiry);
    void erase(const Entry& entry);
    std::size_t expire_slot(std::size_t slot, Milliseconds now);
    bool fits(std::size_t more_bytes) const;

    KeyTable keys_;
    std::size_t memory_bytes_max_;
    std::size_t entries_bytes_ = 0;
    std::size_t expiring_ = 0;   // keys that have an expiry
    std::size_t next_slot_ = 0;  // where expire_some() goes on
};

}  // namespace resp

// Entry: a key with its value. KeyTable: finds entries by key; a hash table with open addressing. Beside
// std::unordered_map a lookup misses the processor's caches once or twice, not four times: the slots, which
// hold the hashes, lie close together, and key and short value lie in one block. Used by Store.
//
// For one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace resp {

using Milliseconds = std::int64_t;

constexpr Milliseconds never = std::numeric_limits<Milliseconds>::max();

struct Entry {
    std::string value;
    Milliseconds expiry = never;  // the key is gone when the clock is past it

    std::string_view key() const { return {reinterpret_cast<const char*>(this + 1), key_bytes}; }

private:
    friend class KeyTable;
    explicit Entry(std::size_t bytes) : key_bytes(bytes) {}

    std::size_t key_bytes;  // which stand behind the entry
};

// std::hash of libstdc++ (MurmurHash64A): 3 ns for a short key, well spread, the same on every thread. Its
// seed is fixed, so it is no defence against a client that chooses keys in order to make them collide.
inline std::size_t hash_of(std::string_view key) { return std::hash<std::string_view>{}(key); }

class KeyTable {
public:
    KeyTable() = default;
    KeyTable(const KeyTable&) = delete;
    KeyTable& operator=(const KeyTable&) = delete;
    ~KeyTable() { clear(); }

    Entry* find(std::string_view key) {
        return slots_.empty() ? nullptr : slots_[slot_of(key, hash_of(key))].entry;
    }
    // Of a key that is not there; its value is empty.
    Entry& insert(std::string_view key);
    // An entry of this table. The others stay where they are; their slots need not.
    void erase(const Entry& entry);
    // Gives back all memory.
    void clear();

    std::size_t size() const { return size_; }
    std::size_t slots() const { return slots_.size(); }
    // nullptr if the slot is free.
    const Entry* at_slot(std::size_t slot) const { return slots_[slot].entry; }

    static constexpr std::size_t slot_bytes = 2 * sizeof(void*);
    static constexpr std::size_t entry_bytes(std::string_view key) { return sizeof(Entry) + key.size(); }

private:
    struct Slot {
        std::size_t hash;
        Entry* entry;  // owned; nullptr: free
    };
    static_assert(sizeof(Slot) == slot_bytes);

    std::size_t next(std::size_t slot) const { return (slot + 1) & (slots_.size() - 1); }
    std::size_t slot_of(std::string_view key, std::size_t hash) const;
    void place(const Slot& slot);
    void grow();

    std::vector<Slot> slots_;  // a power of two; an entry is in the first free one from its hash on
    std::size_t size_ = 0;     // at most three quarters of them
};

// That of the key, or the free one where it would be. There must be slots.
inline std::size_t KeyTable::slot_of(std::string_view key, std::size_t hash) const {
    auto slot = hash & (slots_.size() - 1);
    while (slots_[slot].entry && (slots_[slot].hash != hash || slots_[slot].entry->key() != key))
        slot = next(slot);
    return slot;
}

}  // namespace resp

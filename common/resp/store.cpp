#include "resp/store.hpp"

#include <algorithm>
#include <utility>

namespace resp {
namespace {

// What glibc takes for a block: 8 bytes of its own, in steps of 16.
constexpr std::size_t block_bytes(std::size_t bytes) { return (bytes + 8 + 15) / 16 * 16; }

// What a string has on the heap. One made from a view has no more room than it needs.
std::size_t heap_bytes(std::size_t capacity) {
    return capacity <= std::string().capacity() ? 0 : block_bytes(capacity + 1);
}

std::size_t bytes_of(std::string_view key, std::size_t value_capacity) {
    return block_bytes(KeyTable::entry_bytes(key)) + heap_bytes(value_capacity);
}

bool expired(const Entry& entry, Milliseconds now) { return now > entry.expiry; }

}  // namespace

const Entry* Store::find(std::string_view key, Milliseconds now) {
    Entry* found = keys_.find(key);
    if (!found || !expired(*found, now)) return found;
    erase(*found);
    return nullptr;
}

bool Store::set(std::string_view key, std::string_view value, Milliseconds expiry) {
    Entry* entry = keys_.find(key);
    if (!entry) {
        const auto bytes = bytes_of(key, value.size());
        if (!fits(bytes)) return false;
        std::string copy(value);
        entry = &keys_.insert(key);
        entry->value.swap(copy);
        entries_bytes_ += bytes;
    } else if (!replace(*entry, value)) {
        return false;
    }
    change_expiry(*entry, expiry);
    return true;
}

// In place if there is room, unless most of it would be wasted.
bool Store::replace(Entry& entry, std::string_view value) {
    const auto room = entry.value.capacity();
    if (value.size() <= room && room / 2 <= std::max(value.size(), std::string().capacity())) {
        entry.value = value;
        return true;
    }
    const auto before = heap_bytes(room);
    const auto after = heap_bytes(value.size());
    if (after > before && !fits(after - before)) return false;
    std::string(value).swap(entry.value);  // to assign a short string would keep the old room
    entries_bytes_ = entries_bytes_ - before + after;
    return true;
}

void Store::set_expiry(std::string_view key, Milliseconds expiry) { change_expiry(*keys_.find(key), expiry); }

void Store::change_expiry(Entry& entry, Milliseconds expiry) {
    expiring_ += static_cast<std::size_t>(expiry != never);
    expiring_ -= static_cast<std::size_t>(entry.expiry != never);
    entry.expiry = expiry;
}

bool Store::erase(std::string_view key, Milliseconds now) {
    Entry* found = keys_.find(key);
    if (!found) return false;
    const bool was_there = !expired(*found, now);
    erase(*found);
    return was_there;
}

void Store::erase(const Entry& entry) {
    entries_bytes_ -= bytes_of(entry.key(), entry.value.capacity());
    expiring_ -= static_cast<std::size_t>(entry.expiry != never);
    keys_.erase(entry);
}

void Store::clear() {
    keys_.clear();
    entries_bytes_ = expiring_ = next_slot_ = 0;
}

std::size_t Store::expire_some(Milliseconds now, std::size_t slots_max) {
    std::size_t erased = 0;
    const auto slots = std::min(slots_max, keys_.slots());
    for (std::size_t seen = 0; seen < slots && expiring_ > 0; ++seen) {
        if (next_slot_ >= keys_.slots()) next_slot_ = 0;
        erased += expire_slot(next_slot_++, now);
    }
    return erased;
}

// What is erased leaves its slot to another, which may have expired too.
std::size_t Store::expire_slot(std::size_t slot, Milliseconds now) {
    std::size_t erased = 0;
    for (const Entry* entry; (entry = keys_.at_slot(slot)) && expired(*entry, now); ++erased) erase(*entry);
    return erased;
}

bool Store::fits(std::size_t more_bytes) const {
    const auto bytes = memory_bytes();
    return bytes <= memory_bytes_max_ && more_bytes <= memory_bytes_max_ - bytes;
}

}  // namespace resp

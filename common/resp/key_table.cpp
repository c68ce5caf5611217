#include "resp/key_table.hpp"

#include <cstring>
#include <new>
#include <utility>

namespace resp {
namespace {

constexpr std::size_t slots_min = 8;

void destroy(Entry* entry) {
    entry->~Entry();
    ::operator delete(entry);
}

}  // namespace

Entry& KeyTable::insert(std::string_view key) {
    if ((size_ + 1) * 4 > slots_.size() * 3) grow();
    auto* entry = new (::operator new(entry_bytes(key))) Entry(key.size());
    if (!key.empty()) std::memcpy(static_cast<void*>(entry + 1), key.data(), key.size());
    place({hash_of(key), entry});
    ++size_;
    return *entry;
}

void KeyTable::place(const Slot& placed) {
    auto slot = placed.hash & (slots_.size() - 1);
    while (slots_[slot].entry) slot = next(slot);
    slots_[slot] = placed;
}

void KeyTable::grow() {
    std::vector<Slot> old(slots_.empty() ? slots_min : slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old) {
        if (slot.entry) place(slot);
    }
}

// The gap is closed: an entry further on that is not yet where its hash wants it may fill it, and leaves a
// gap itself, up to the next free slot.
void KeyTable::erase(const Entry& entry) {
    auto gap = slot_of(entry.key(), hash_of(entry.key()));
    destroy(slots_[gap].entry);
    --size_;
    const auto mask = slots_.size() - 1;
    for (auto slot = next(gap); slots_[slot].entry; slot = next(slot)) {
        const auto wanted = slots_[slot].hash & mask;
        if (((slot - wanted) & mask) < ((slot - gap) & mask)) continue;
        slots_[gap] = slots_[slot];
        gap = slot;
    }
    slots_[gap] = {};
}

void KeyTable::clear() {
    for (const Slot& slot : slots_) {
        if (slot.entry) destroy(slot.entry);
    }
    std::vector<Slot>().swap(slots_);
    size_ = 0;
}

}  // namespace resp

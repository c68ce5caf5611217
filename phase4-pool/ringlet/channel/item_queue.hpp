// ItemQueue<T>: what a local channel holds, first in, first out: a ring of slots. It starts in memory of the
// channel's own allocation; an unbounded channel outgrows that, and the ring then doubles. It never shrinks.
//
// Threads: owner thread only.
#pragma once

#include <ringlet/base/recycle.hpp>

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace ringlet {

template <class T>
class ItemQueue {
    static_assert(std::is_nothrow_move_constructible_v<T>, "items move through the channel");
    static_assert(alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__,
                  "over-aligned items are not supported: send them through a pointer");

public:
    // `slots`, at least one, uninitialized; outlives the queue and stays the caller's.
    ItemQueue(void* first, std::size_t slots) noexcept : ring_(static_cast<T*>(first)), slots_(slots) {}
    ItemQueue(const ItemQueue&) = delete;
    ItemQueue& operator=(const ItemQueue&) = delete;
    ~ItemQueue() {
        clear();
        free_ring();
    }

    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }

    // Throws std::bad_alloc, and only if the ring is full; the item is then untouched.
    void push(T&& item) {
        if (size_ == slots_) [[unlikely]]
            grow();
        new (&ring_[wrapped(head_ + size_)]) T(std::move(item));
        ++size_;
    }

    T pop() noexcept {
        T& slot = ring_[head_];
        head_ = wrapped(head_ + 1);
        --size_;
        T item = std::move(slot);
        std::destroy_at(&slot);
        return item;
    }

    // An item's destructor may come back to the channel.
    void clear() noexcept {
        while (!empty()) pop();
    }

private:
    // Cheaper than a division, and the capacity need not be a power of two.
    std::size_t wrapped(std::size_t index) const noexcept { return index >= slots_ ? index - slots_ : index; }

    void grow() {
        T* larger = static_cast<T*>(recycle::allocate(2 * slots_ * sizeof(T)));
        std::size_t size = size_;
        for (std::size_t index = 0; index < size; ++index) new (&larger[index]) T(pop());
        free_ring();
        ring_ = larger;
        slots_ *= 2;
        head_ = 0;
        size_ = size;
        owned_ = true;
    }

    void free_ring() noexcept {
        if (owned_) recycle::deallocate(ring_, slots_ * sizeof(T));
    }

    T* ring_;
    std::size_t slots_;
    std::size_t head_ = 0;
    std::size_t size_ = 0;
    bool owned_ = false;  // the ring, by this queue
};

}  // namespace ringlet

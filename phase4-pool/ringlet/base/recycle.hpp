// Recycled memory for coroutine frames and tasks. A runtime allocates the same few sizes again and
// again on one thread, so a freed block goes to a list of its size and the next allocation takes it
// back: about 2 ns, where malloc takes ten times as long.
//
// Threads: every thread has its own lists. A block may be freed on another thread than the one that
// allocated it, or after that thread has ended; it then joins the freeing thread's lists, or goes to
// operator delete when those are full or already gone.
// Under AddressSanitizer nothing is recycled, or a use after free would look like a valid access.
#pragma once

#include <cstddef>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#define RINGLET_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RINGLET_ASAN 1
#endif
#endif

namespace ringlet::recycle {

inline constexpr std::size_t bytes_step = 16;
inline constexpr std::size_t bytes_max = 1024;            // larger blocks go straight to operator new
inline constexpr std::size_t bytes_kept_max = 256 << 20;  // of one thread: a million tasks and their frames

struct FreeBlock {
    FreeBlock* next;
};

// Trivially constructible and destructible, so that access needs no guard and outlives the destructors
// of other thread-local objects.
struct FreeLists {
    FreeBlock* heads[bytes_max / bytes_step + 1];
    std::size_t bytes_left;  // how much more may be kept; 0 before first use and after the thread's end
    bool registered;
};

inline constinit thread_local FreeLists free_lists{};

// The first block that this thread frees registers the lists' clean-up; after that: lists are full.
void deallocate_slowly(void* block, std::size_t index) noexcept;

// malloc keeps 8 bytes of its own in front of a multiple of 16: sizes of 16 n + 8 waste nothing.
constexpr std::size_t index_of(std::size_t bytes) { return (bytes + 7) / bytes_step; }
constexpr std::size_t size_of(std::size_t index) { return index * bytes_step + 8; }

// Aligned as operator new aligns. Throws std::bad_alloc.
inline void* allocate(std::size_t bytes) {
#if !defined(RINGLET_ASAN)
    if (bytes <= bytes_max) {
        std::size_t index = index_of(bytes);
        if (FreeBlock* block = free_lists.heads[index]) {
            free_lists.heads[index] = block->next;
            free_lists.bytes_left += size_of(index);
            return block;
        }
        return ::operator new(size_of(index));
    }
#endif
    return ::operator new(bytes);
}

// `bytes` is what allocate was given.
inline void deallocate(void* block, [[maybe_unused]] std::size_t bytes) noexcept {
#if !defined(RINGLET_ASAN)
    if (bytes <= bytes_max) {
        std::size_t index = index_of(bytes);
        if (free_lists.bytes_left < size_of(index)) [[unlikely]] {
            return deallocate_slowly(block, index);
        }
        free_lists.bytes_left -= size_of(index);
        free_lists.heads[index] = new (block) FreeBlock{free_lists.heads[index]};
        return;
    }
#endif
    ::operator delete(block);
}

}  // namespace ringlet::recycle

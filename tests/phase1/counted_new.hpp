// Replaces operator new and delete of the one program that includes this: counts what lives, and fails the
// allocation that the test names. Arrays and over-aligned types keep their own operators.
//
// Clang's thread sanitizer links operators of its own, which nobody can replace. There OPERATOR_NEW_IS_FIXED
// is defined, and a suite that counts has nothing to show.
#pragma once

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define OPERATOR_NEW_IS_FIXED 1
#endif
#endif

#include <atomic>
#include <cstdlib>
#include <new>

namespace counted_new {

inline std::atomic<long> made = 0;
inline std::atomic<long> living = 0;

// Of the calling thread: how many allocations succeed before one fails; below 0: all do.
inline constinit thread_local long successes_left = -1;
// Whether that one was reached.
inline constinit thread_local bool has_failed = false;

}  // namespace counted_new

#if !defined(OPERATOR_NEW_IS_FIXED)

// Where GCC inlines only one of the two, it takes malloc and delete, or new and free, for a pair.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

void* operator new(std::size_t bytes) {
    if (counted_new::successes_left >= 0 && counted_new::successes_left-- == 0) {
        counted_new::has_failed = true;
        throw std::bad_alloc();
    }
    void* block = std::malloc(bytes == 0 ? 1 : bytes);
    if (!block) throw std::bad_alloc();
    ++counted_new::made;
    ++counted_new::living;
    return block;
}

void operator delete(void* block) noexcept {
    if (!block) return;
    --counted_new::living;
    std::free(block);
}

void operator delete(void* block, std::size_t) noexcept { operator delete(block); }

#endif

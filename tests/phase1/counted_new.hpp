// Replaces operator new and delete of the one program that includes this: counts what lives, and fails the
// allocation that the test names. Arrays keep their own operators.
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

// The same of all threads together.
inline std::atomic<long> successes_left_anywhere = -1;
inline std::atomic<bool> has_failed_anywhere = false;

}  // namespace counted_new

#if !defined(OPERATOR_NEW_IS_FIXED)

// Where GCC inlines only one of the two, it takes malloc and delete, or new and free, for a pair.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

namespace counted_new {

inline void fail_if_asked_to() {
    if (successes_left >= 0 && successes_left-- == 0) {
        has_failed = true;
        throw std::bad_alloc();
    }
    if (successes_left_anywhere >= 0 && successes_left_anywhere-- == 0) {
        has_failed_anywhere = true;
        throw std::bad_alloc();
    }
}

inline void* count(void* block) {
    if (!block) throw std::bad_alloc();
    ++made;
    ++living;
    return block;
}

}  // namespace counted_new

void* operator new(std::size_t bytes) {
    counted_new::fail_if_asked_to();
    return counted_new::count(std::malloc(bytes == 0 ? 1 : bytes));
}

void* operator new(std::size_t bytes, std::align_val_t alignment) {
    counted_new::fail_if_asked_to();
    auto multiple = static_cast<std::size_t>(alignment);
    return counted_new::count(std::aligned_alloc(multiple, (bytes + multiple - 1) / multiple * multiple));
}

void operator delete(void* block) noexcept {
    if (!block) return;
    --counted_new::living;
    std::free(block);
}

void operator delete(void* block, std::size_t) noexcept { operator delete(block); }
void operator delete(void* block, std::align_val_t) noexcept { operator delete(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { operator delete(block); }

#endif

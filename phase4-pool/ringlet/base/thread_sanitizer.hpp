// What thread sanitizer cannot see for itself. It does not know of system calls that liburing makes without
// the C library: where one ring's memory is unmapped and another's mapped, it takes them for the same memory.
#pragma once

#if defined(__SANITIZE_THREAD__)
#define RINGLET_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RINGLET_TSAN 1
#endif
#endif

#if defined(RINGLET_TSAN)
extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);
#endif

namespace ringlet::tsan {

// All that happened before memory was given up on any thread, happened before it was taken on this one.
#if defined(RINGLET_TSAN)
inline char memory_order;
inline void give_up_memory() { __tsan_release(&memory_order); }
inline void take_memory() { __tsan_acquire(&memory_order); }
#else
constexpr void give_up_memory() {}
constexpr void take_memory() {}
#endif

}  // namespace ringlet::tsan

// Checks that stay on in release builds. A failed check is a bug in the program or in Ringlet, never
// an event of the outside world: it prints where and why, and aborts. Every layer uses it.
#pragma once

namespace ringlet {

[[noreturn]] void check_failed(const char* condition, const char* message, const char* file,
                               int line) noexcept;

}  // namespace ringlet

// `message` says what the caller did wrong, for the person who reads the core dump.
#define RINGLET_CHECK(condition, message)                                     \
    do {                                                                      \
        if (!(condition)) [[unlikely]] {                                      \
            ::ringlet::check_failed(#condition, message, __FILE__, __LINE__); \
        }                                                                     \
    } while (false)

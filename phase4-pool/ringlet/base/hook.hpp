// Places where a test may decide what chance decides in production: which ready task runs next, and
// whether to step in between two statements that race. Empty unless RINGLET_CHECKED is defined, which
// only the test build of the library does.
#pragma once

#include <cstddef>

namespace ringlet::hook {

#if defined(RINGLET_CHECKED)

class Hooks {
public:
    virtual ~Hooks() = default;
    // Which of `count` (> 0) equal candidates to take; must be below `count`.
    virtual std::size_t choose(std::size_t count) = 0;
    // The program passes the point of this name.
    virtual void point(const char* id) = 0;
};

// Set by a test before its executors exist and reset after they are gone; never while one runs.
inline Hooks* installed = nullptr;

inline bool is_installed() { return installed; }
inline std::size_t choose(std::size_t count) { return installed ? installed->choose(count) : 0; }
inline void point(const char* id) {
    if (installed) installed->point(id);
}

#else

constexpr bool is_installed() { return false; }
constexpr std::size_t choose(std::size_t) { return 0; }
constexpr void point(const char*) {}

#endif

}  // namespace ringlet::hook

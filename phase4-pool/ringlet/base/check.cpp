#include <ringlet/base/check.hpp>

#include <cstdio>
#include <cstdlib>

namespace ringlet {

void check_failed(const char* condition, const char* message, const char* file, int line) noexcept {
    std::fprintf(stderr, "ringlet: %s (%s:%d: %s)\n", message, file, line, condition);
    std::abort();
}

}  // namespace ringlet

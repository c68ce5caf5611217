// What the kinds of races of soak_stress share (stress.cpp).
#pragma once

#include <ringlet/runtime.hpp>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <random>
#include <utility>

namespace stress {

using namespace ringlet;
using namespace std::chrono_literals;

using Random = std::mt19937_64;

inline std::atomic<std::uint64_t> progress = 0;  // of the kind that runs; for the watchdog

[[noreturn]] inline void fail(const char* what) {
    std::printf("FAILED: %s\n", what);
    std::fflush(stdout);
    std::_Exit(1);
}

// From nothing to some tens of microseconds, each order of magnitude as often as the others.
inline void spin(Random& random) {
    std::atomic<std::uint64_t> left = random() % (std::uint64_t{2} << random() % 13);
    while (left.load(std::memory_order_relaxed) > 0) {
        left.store(left.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
    }
}

inline std::unique_ptr<LocalExecutor> make_executor() {
    auto executor = LocalExecutorBuilder().make();
    if (!executor) fail(executor.error().text.c_str());
    return std::move(*executor);
}

template <class F>
ExecutorThread start_executor(F root) {
    auto thread = LocalExecutorBuilder().spawn(std::move(root));
    if (!thread) fail(thread.error().text.c_str());
    return std::move(*thread);
}

inline bool is_before(Time end) { return Clock::now() < end; }

inline void report(const char* kind, std::initializer_list<std::pair<std::uint64_t, const char*>> counts) {
    std::printf("%s:", kind);
    for (auto [count, of_what] : counts)
        std::printf(" %llu %s", static_cast<unsigned long long>(count), of_what);
    std::printf("\n");
    std::fflush(stdout);
}

}  // namespace stress

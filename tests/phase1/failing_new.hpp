// Lets the allocations of a scenario fail one after another, the n-th in the n-th attempt, until it needs no
// more of them. For suites of R56, each of which includes this in its one file (see counted_new.hpp).
#pragma once

#include "counted_new.hpp"
#include "support.hpp"

#include <thread>

namespace support {

// Lets the allocation number `n` (from 0) of this thread fail while it lives; none if n is negative.
class FailsAt {
public:
    explicit FailsAt(long n) {
        counted_new::has_failed = false;
        counted_new::successes_left = n;
    }
    FailsAt(const FailsAt&) = delete;
    FailsAt& operator=(const FailsAt&) = delete;
    ~FailsAt() { counted_new::successes_left = -1; }
};

// How a failure became known, if it did; made good: the library has got on without the memory.
enum class Surfaced { nothing, thrown, returned, reported, made_good };

// Fails every allocation of the scenario once, and returns how many there are. `scenario(n)` lets the n-th of
// its thread fail and tells how that surfaced. Each attempt has a thread of its own, since the recycled lists
// of a thread that has run before would hide allocations, and keep blocks.
template <class Scenario>
long fail_each_allocation(Scenario scenario) {
    // First without a failure: what is allocated once in a process is no leak.
    for (long n = -1;; ++n) {
        CAPTURE(n);
        long before = counted_new::living;
        Surfaced surfaced{};
        bool failed = false;
        std::thread([&] {
            surfaced = scenario(n);
            failed = counted_new::has_failed;
        }).join();
        if (n < 0) continue;
        CHECK(counted_new::living == before);
        CHECK((surfaced != Surfaced::nothing) == failed);
        if (!failed || n > 1000) return n;
    }
}

}  // namespace support

// What the suites of R56 from phase 2 on share: scenarios that do I/O, each on an executor of its own.
#pragma once

#include "../phase1/failing_new.hpp"
#include "net_support.hpp"

namespace support {

// A step of a scenario: true if it has done its work, false if it was told of an error.
using Step = Co<bool>;

// Fails every allocation of `step` once, and returns how many there are. `step`, a function that returns a
// Step, runs on an executor that `make` gives; whatever has come of it, the same executor can do it right
// afterwards, and no descriptor is left behind.
template <class Make, class Scenario>
long fail_each_on(Make make, Scenario step) {
    return fail_each_allocation([&](long n) {
        auto surfaced = Surfaced::nothing;
        std::size_t descriptors = open_descriptors();
        {
            auto executor = make();
            try {
                FailsAt fails(n);
                if (!executor->run(step)) surfaced = Surfaced::returned;
            } catch (const std::bad_alloc&) {
                surfaced = Surfaced::thrown;
            }
            CHECK(executor->run(step));
        }
        CHECK(open_descriptors() == descriptors);
        return surfaced;
    });
}

template <class Scenario>
long fail_each(Scenario step) {
    return fail_each_on([] { return make_io_executor(); }, step);
}

}  // namespace support

// Placement in a process that may use one CPU only, as a launcher or a container arranges. This program takes
// its other CPUs away from itself before main, as such a launcher would; hence a program of its own.
#include "support.hpp"

#include <cstdio>
#include <sched.h>

using namespace support;

namespace {

struct Restriction {
    unsigned kept = 0;
    bool has_taken_away = false;
    unsigned taken_away = 0;  // valid if has_taken_away

    Restriction() {
        cpu_set_t set;
        CPU_ZERO(&set);
        sched_getaffinity(0, sizeof set, &set);
        while (!CPU_ISSET(kept, &set)) ++kept;
        for (unsigned cpu = kept + 1; cpu < CPU_SETSIZE && !has_taken_away; ++cpu) {
            has_taken_away = CPU_ISSET(cpu, &set);
            taken_away = cpu;
        }
        CPU_ZERO(&set);
        CPU_SET(kept, &set);
        sched_setaffinity(0, sizeof set, &set);
    }
};

const Restriction restriction;

}  // namespace

TEST_CASE("allowed_cpus are those that the process was given") {
    CHECK(allowed_cpus() == std::vector<unsigned>{restriction.kept});
}

TEST_CASE("a CPU that exists but is not allowed is an error that names it and the allowed one") {
    if (!restriction.has_taken_away) {
        std::puts("SKIP executor_affinity: this machine gives the process one CPU, so none is forbidden");
        return;
    }
    std::string text =
        "cannot run on CPU " + std::to_string(restriction.taken_away) +
        ": this process is not allowed to use it; allowed: " + std::to_string(restriction.kept);
    LocalExecutorBuilder builder;
    builder.placement(Placement::Fixed{restriction.taken_away});
    auto made = builder.make();
    REQUIRE_FALSE(made);
    CHECK(made.error().code == std::errc::invalid_argument);
    CHECK(made.error().text == text);
    auto thread = builder.spawn([] { return yield_now(); });
    REQUIRE_FALSE(thread);
    CHECK(thread.error().text == text);
}

TEST_CASE("a CPU that does not exist is told from one that is not allowed") {
    auto made = LocalExecutorBuilder().placement(Placement::Fixed{100'000}).make();
    REQUIRE_FALSE(made);
    CHECK(made.error().text ==
          "cannot run on CPU 100000: it does not exist; allowed: " + std::to_string(restriction.kept));
}

TEST_CASE("the allowed CPU can be used") {
    int seen = -1;
    auto root = [&]() -> Co<void> {
        seen = sched_getcpu();
        co_return;
    };
    auto thread = LocalExecutorBuilder().placement(Placement::Fixed{restriction.kept}).spawn(root);
    REQUIRE(thread);
    thread->join();
    CHECK(seen == static_cast<int>(restriction.kept));
}

// Placement: a fixed executor stays on its CPU; a CPU that does not exist is an error that names it and those
// that may be used. What happens when the process may use one CPU only: executor_affinity_test.cpp.
#include "support.hpp"

#include <algorithm>
#include <sched.h>
#include <thread>

using namespace support;

namespace {

// The calling thread's affinity, as the kernel has it.
std::vector<unsigned> affinity() {
    cpu_set_t set;
    CPU_ZERO(&set);
    CHECK(sched_getaffinity(0, sizeof set, &set) == 0);
    std::vector<unsigned> cpus;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    }
    return cpus;
}

// "cannot run on CPU 7: it does not exist; allowed: 0-3" -> "0-3"
std::string allowed_part(const std::string& text) {
    std::size_t at = text.find("allowed: ");
    return at == std::string::npos ? "" : text.substr(at + 9);
}

// "0-3,8" -> 0, 1, 2, 3, 8
std::vector<unsigned> parse_list(const std::string& text) {
    std::vector<unsigned> cpus;
    for (std::size_t at = 0; at < text.size();) {
        std::size_t comma = std::min(text.find(',', at), text.size());
        std::string range = text.substr(at, comma - at);
        std::size_t dash = range.find('-');
        unsigned first = std::stoul(range);
        unsigned last = dash == std::string::npos ? first : std::stoul(range.substr(dash + 1));
        for (unsigned cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
        at = comma + 1;
    }
    return cpus;
}

}  // namespace

TEST_CASE("a fixed executor runs on its CPU, and only there") {
    for (unsigned cpu : allowed_cpus()) {
        CAPTURE(cpu);
        std::vector<unsigned> bound_to;
        unsigned seen = ~0U;
        auto root = [&]() -> Co<void> {
            bound_to = affinity();
            seen = static_cast<unsigned>(sched_getcpu());
            co_return;
        };
        auto thread = LocalExecutorBuilder().placement(Placement::Fixed{cpu}).spawn(root);
        REQUIRE(thread);
        thread->join();
        CHECK(bound_to == std::vector<unsigned>{cpu});
        CHECK(seen == cpu);
    }
}

TEST_CASE("an unbound executor may run wherever its process may") {
    std::vector<unsigned> bound_to;
    auto root = [&]() -> Co<void> {
        bound_to = affinity();
        co_return;
    };
    auto thread = LocalExecutorBuilder().placement(Placement::Unbound{}).spawn(root);
    REQUIRE(thread);
    thread->join();
    CHECK(bound_to == allowed_cpus());
}

TEST_CASE("an unbound executor does not inherit what the thread that starts it is bound to") {
    std::thread([] {
        std::vector<unsigned> one{allowed_cpus().front()};
        REQUIRE(LocalExecutorBuilder().placement(Placement::Fixed{one[0]}).make());
        std::vector<unsigned> bound_to;
        auto root = [&]() -> Co<void> {
            bound_to = affinity();
            co_return;
        };
        auto thread = LocalExecutorBuilder().spawn(root);
        REQUIRE(thread);
        thread->join();
        CHECK(bound_to == allowed_cpus());
        // The calling thread stays as it is.
        REQUIRE(LocalExecutorBuilder().make());
        CHECK(affinity() == one);
    }).join();
}

TEST_CASE("make binds the calling thread, and a later placement may choose any allowed CPU again") {
    std::thread([] {
        for (unsigned cpu : allowed_cpus()) {
            auto executor = LocalExecutorBuilder().placement(Placement::Fixed{cpu}).make();
            REQUIRE(executor);
            CHECK(affinity() == std::vector<unsigned>{cpu});
        }
    }).join();
    CHECK(affinity() == allowed_cpus());
}

TEST_CASE("a CPU that does not exist is an error that names it and the allowed ones") {
    unsigned configured = static_cast<unsigned>(sysconf(_SC_NPROCESSORS_CONF));
    for (unsigned cpu : {configured, 1'023U, 1'024U, 100'000U, ~0U}) {
        if (cpu < configured) continue;
        CAPTURE(cpu);
        auto executor = LocalExecutorBuilder().placement(Placement::Fixed{cpu}).make();
        REQUIRE_FALSE(executor);
        const StartError& error = executor.error();
        CAPTURE(error.text);
        CHECK(error.code == std::errc::invalid_argument);
        CHECK(error.text.starts_with("cannot run on CPU " + std::to_string(cpu) +
                                     ": it does not exist; allowed: "));
        CHECK(parse_list(allowed_part(error.text)) == allowed_cpus());
    }
    CHECK(affinity() == allowed_cpus());
}

// CpuSet and Placement::Fenced: sets are read and written as the kernel writes them, and a thread stays in
// the set that it is bound to.
#include "../phase1/support.hpp"

#include <algorithm>
#include <sched.h>
#include <thread>

using namespace support;

namespace {

// What parse() makes of it, written out number by number; "refused" if it is an error.
std::string parsed(std::string_view list) {
    Result<CpuSet> set = CpuSet::parse(list);
    if (!set) return set.error() == std::errc::invalid_argument ? "refused" : set.error().message();
    std::string text;
    for (unsigned cpu : *set) text += (text.empty() ? "" : " ") + std::to_string(cpu);
    return text;
}

std::vector<unsigned> affinity() {
    cpu_set_t set;
    CHECK(sched_getaffinity(0, sizeof set, &set) == 0);
    std::vector<unsigned> cpus;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    }
    return cpus;
}

std::string error_of(CpuSet cpus) {
    auto made = LocalExecutorBuilder().placement(Placement::Fenced{std::move(cpus)}).make();
    REQUIRE_FALSE(made);
    CHECK(made.error().code == std::errc::invalid_argument);
    return made.error().text;
}

}  // namespace

TEST_CASE("a list is read as the kernel writes it") {
    CHECK(parsed("0-3,8\n") == "0 1 2 3 8");
    CHECK(parsed("0") == "0");
    CHECK(parsed("2,4-5,7-7,65535") == "2 4 5 7 65535");
    CHECK(parsed("\n") == "");
    CHECK(parsed("") == "");
    CHECK(parsed({}) == "");
}

TEST_CASE("what is no such list is refused") {
    for (const char* list :
         {"a",   "0-", "-3",    "0,",   ",0", "0,,1", "0-3-5", "3-1",     "1,1",        "3,2",    "0-4,4",
          "0 1", " 0", "0\n\n", "0\n1", "+1", "0x1",  "65536", "0-65536", "4294967296", "0-3:1/2"}) {
        CAPTURE(list);
        CHECK(parsed(list) == "refused");
    }
    CHECK(parsed(std::string_view("0\0", 2)) == "refused");
    CHECK(CpuSet::parse("x").error().message() == "list of CPUs: Invalid argument");
}

TEST_CASE("a set is written as it is read") {
    for (const char* list : {"", "0", "0-1", "0,2,4", "0-3,8", "1-2,5-7,1000"}) {
        CHECK(CpuSet::parse(list).value().to_string() == list);
    }
}

TEST_CASE("a set is sorted and holds each CPU once") {
    CpuSet cpus({8, 1, 0, 8, 1});
    CHECK(cpus.to_string() == "0-1,8");
    CHECK(cpus.size() == 3);
    CHECK(cpus.front() == 0);
    CHECK(cpus.contains(8));
    CHECK_FALSE(cpus.contains(7));
    CHECK(CpuSet().empty());
    CHECK_FALSE(CpuSet().contains(0));
}

TEST_CASE("an intersection holds what both sets hold") {
    CpuSet some({0, 1, 2, 9}), others({1, 9, 10});
    CHECK(some.intersection(others) == CpuSet({1, 9}));
    CHECK(some.intersection(CpuSet({5})) == CpuSet());
    CHECK(CpuSet().intersection(some) == CpuSet());
}

TEST_CASE("a fenced executor may run on the CPUs of its set, and only there") {
    for (CpuSet cpus : {CpuSet(allowed_cpus()), CpuSet({allowed_cpus().back()})}) {
        std::vector<unsigned> bound_to;
        bool was_inside = false;
        auto root = [&]() -> Co<void> {
            bound_to = affinity();
            was_inside = cpus.contains(static_cast<unsigned>(sched_getcpu()));
            co_return;
        };
        auto thread = LocalExecutorBuilder().placement(Placement::Fenced{cpus}).spawn(root);
        REQUIRE(thread);
        thread->join();
        CHECK(CpuSet(bound_to) == cpus);
        CHECK(was_inside);
    }
    CHECK(affinity() == allowed_cpus());
}

TEST_CASE("a set with a CPU that does not exist is refused and binds nothing") {
    std::string allowed = CpuSet(allowed_cpus()).to_string();
    for (unsigned cpu : {1'023U, 1'024U, 100'000U}) {
        CHECK(error_of(CpuSet({allowed_cpus().front(), cpu})) ==
              "cannot run on CPU " + std::to_string(cpu) + ": it does not exist; allowed: " + allowed);
    }
    CHECK(affinity() == allowed_cpus());
}

TEST_CASE("an empty set is refused") {
    CHECK(error_of({}) ==
          "cannot run on an empty set of CPUs; allowed: " + CpuSet(allowed_cpus()).to_string());
}

TEST_CASE("a fenced executor may not spin before it parks") {
    auto made = LocalExecutorBuilder()
                    .placement(Placement::Fenced{allowed_cpus()})
                    .spin_before_park(std::chrono::microseconds(1))
                    .make();
    REQUIRE_FALSE(made);
}

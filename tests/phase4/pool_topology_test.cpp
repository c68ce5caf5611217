// Topology: what it reads of machines that nobody has, and of those that hide their files.
#include "made_up_sysfs.hpp"

#include <sched.h>

using namespace support;

namespace {

std::string error_of(const MadeUpSysfs& sysfs, const CpuSet& allowed = CpuSet({0})) {
    auto read = Topology::read(sysfs.path(), allowed);
    REQUIRE_FALSE(read);
    std::string text = read.error().text;
    if (auto at = text.find(sysfs.path()); at != std::string::npos)
        text.replace(at, sysfs.path().size(), "SYS");
    return text;
}

}  // namespace

TEST_CASE("a machine is read as it is") {
    for (const auto& machine : {laptop, hybrid, two_sockets()}) {
        Topology topology = MadeUpSysfs(machine).topology();
        CHECK(topology.locations() == machine);
        CHECK(topology.cpus().size() == machine.size());
    }
}

TEST_CASE("CPUs that are offline leave holes") {
    std::vector<CpuLocation> machine{{0, 0, 0, 0, 0}, {2, 1, 0, 0, 0}, {3, 1, 0, 0, 0}, {10, 2, 1, 1, 1}};
    Topology topology = MadeUpSysfs(machine).topology();
    CHECK(topology.locations() == machine);
    CHECK(topology.cpus().to_string() == "0,2-3,10");
}

TEST_CASE("of the CPUs that are online, those that the process may use are listed, with the same numbers") {
    Topology topology = MadeUpSysfs(two_sockets()).topology(CpuSet({6, 7, 13, 16}));
    CHECK(topology.locations() ==
          std::vector<CpuLocation>{{6, 6, 1, 1, 3}, {7, 7, 1, 1, 3}, {13, 5, 1, 1, 2}});
}

TEST_CASE("a process that may use no CPU that is online is an error that names both sets") {
    CHECK(error_of(MadeUpSysfs(laptop), CpuSet({8, 9})) == "no CPU is both online (0-7) and allowed (8-9)");
}

TEST_CASE("a node without memory is a node, one without CPUs is not to be seen") {
    MadeUpSysfs sysfs(two_sockets());
    sysfs.write("node/online", "0-2");
    sysfs.write("node/has_memory", "0,2");
    sysfs.write("node/node2/cpulist", "");
    CHECK(sysfs.topology().locations() == two_sockets());
}

TEST_CASE("without an L3, the CPUs of a package share one") {
    MadeUpSysfs sysfs(two_sockets());
    for (unsigned cpu = 0; cpu < 16; ++cpu) sysfs.remove("cpu/cpu" + std::to_string(cpu) + "/cache/index3");
    const Topology topology = sysfs.topology();
    for (const CpuLocation& at : topology.locations()) CHECK(at.l3 == at.package);
}

TEST_CASE("without nodes, all CPUs are on node 0") {
    MadeUpSysfs sysfs(two_sockets());
    sysfs.remove("node");
    const Topology topology = sysfs.topology();
    for (const CpuLocation& at : topology.locations()) CHECK(at.node == 0);
}

TEST_CASE("a package that the kernel does not know is package 0") {
    MadeUpSysfs sysfs(laptop);
    for (unsigned cpu = 0; cpu < 8; ++cpu)
        sysfs.write("cpu/cpu" + std::to_string(cpu) + "/topology/physical_package_id", "-1");
    CHECK(sysfs.topology().locations() == laptop);
}

TEST_CASE("without any file, each allowed CPU is a core of one package") {
    CHECK(MadeUpSysfs().topology(CpuSet({1, 4})).locations() ==
          std::vector<CpuLocation>{{1, 0, 0, 0, 0}, {4, 1, 0, 0, 0}});
}

TEST_CASE("without topology files, CPUs that are online are cores of one package") {
    MadeUpSysfs sysfs;
    sysfs.write("cpu/online", "0-1");
    CHECK(sysfs.topology().locations() == std::vector<CpuLocation>{{0, 0, 0, 0, 0}, {1, 1, 0, 0, 0}});
}

TEST_CASE("a list that cannot be understood is an error that names the file and shows it") {
    for (const char* name : {"cpu/online", "node/online", "node/node0/cpulist",
                             "cpu/cpu0/topology/core_cpus_list", "cpu/cpu7/cache/index3/shared_cpu_list"}) {
        MadeUpSysfs sysfs(laptop);
        sysfs.write(name, "0-three");
        CHECK(error_of(sysfs) == "cannot understand the list of CPUs in SYS/devices/system/" +
                                     std::string(name) + ": \"0-three\"");
    }
}

TEST_CASE("this machine can be read") {
    auto topology = Topology::read();
    REQUIRE(topology);
    CHECK(topology->cpus() == CpuSet(allowed_cpus()));
    CHECK(topology->cpus().contains(static_cast<unsigned>(sched_getcpu())));
}

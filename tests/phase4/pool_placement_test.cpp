// PoolPlacement: which CPUs the shards get on machines that nobody has, and why; on one with two nodes, for
// real.
#include "made_up_sysfs.hpp"

#include <ringlet/pool/pool_placement.hpp>

#include <sched.h>
#include <set>
#include <thread>

using namespace support;

namespace {

Topology topology_of(const std::vector<CpuLocation>& machine) { return MadeUpSysfs(machine).topology(); }

std::vector<ShardPlacement> resolve(const PoolPlacement& placement, const Topology& topology) {
    auto shards = placement.resolve(topology);
    REQUIRE_MESSAGE(shards, shards.error().text);
    return *shards;
}

// The CPUs of the shards, one after the other.
std::string cpus_of(const PoolPlacement& placement, const Topology& topology) {
    std::string text;
    for (const ShardPlacement& shard : resolve(placement, topology))
        text += (text.empty() ? "" : " ") + (shard.cpus.empty() ? "any" : shard.cpus.to_string());
    return text;
}

std::string error_of(const PoolPlacement& placement, const Topology& topology) {
    auto shards = placement.resolve(topology);
    REQUIRE_FALSE(shards);
    CHECK(shards.error().code == std::errc::invalid_argument);
    return shards.error().text;
}

using Unbound = PoolPlacement::Unbound;
using Fenced = PoolPlacement::Fenced;
using MaxSpread = PoolPlacement::MaxSpread;
using MaxPack = PoolPlacement::MaxPack;
using Custom = PoolPlacement::Custom;

}  // namespace

TEST_CASE("MaxSpread takes a thread of each core before it takes a second one") {
    CHECK(cpus_of(MaxSpread{8}, topology_of(laptop)) == "0 2 4 6 1 3 5 7");
    CHECK(cpus_of(MaxSpread{3}, topology_of(laptop)) == "0 2 4");
    CHECK(cpus_of(MaxSpread{8}, topology_of(hybrid)) == "0 1 2 3 4 6 5 7");
}

TEST_CASE("MaxPack takes all threads of a core before it takes another core") {
    CHECK(cpus_of(MaxPack{8}, topology_of(laptop)) == "0 1 2 3 4 5 6 7");
    CHECK(cpus_of(MaxPack{3}, topology_of(laptop)) == "0 1 2");
}

TEST_CASE("MaxPack takes the cores with more threads first") {
    CHECK(cpus_of(MaxPack{8}, topology_of(hybrid)) == "4 5 6 7 0 1 2 3");
}

TEST_CASE("MaxSpread alternates between nodes, then between their caches, then takes siblings") {
    CHECK(cpus_of(MaxSpread{16}, topology_of(two_sockets())) == "0 4 2 6 1 5 3 7 8 12 10 14 9 13 11 15");
}

TEST_CASE("MaxPack fills a core, a cache, a node, and only then the next") {
    CHECK(cpus_of(MaxPack{16}, topology_of(two_sockets())) == "0 8 1 9 2 10 3 11 4 12 5 13 6 14 7 15");
}

TEST_CASE("MaxSpread spreads over packages where a node has many, and over nodes where a package has many") {
    std::vector<CpuLocation> one_node = two_sockets(), two_nodes_each = two_sockets();
    for (CpuLocation& at : one_node) at.node = 0;
    for (CpuLocation& at : two_nodes_each) at.node = at.l3;
    CHECK(cpus_of(MaxSpread{4}, topology_of(one_node)) == "0 4 2 6");
    CHECK(cpus_of(MaxSpread{4}, topology_of(two_nodes_each)) == "0 4 2 6");
    CHECK(cpus_of(MaxPack{5}, topology_of(two_nodes_each)) == "0 8 1 9 2");
}

TEST_CASE("MaxSpread takes a free core of a busy node before a sibling on an idle one") {
    Topology topology = MadeUpSysfs(two_sockets()).topology(CpuSet({0, 8, 4, 5, 6, 7}));
    CHECK(cpus_of(MaxSpread{6}, topology) == "0 4 6 5 7 8");
}

TEST_CASE("MaxPack begins with the larger node") {
    Topology topology = MadeUpSysfs(two_sockets()).topology(CpuSet({0, 1, 4, 5, 6, 12}));
    CHECK(cpus_of(MaxPack{6}, topology) == "4 12 5 6 0 1");
}

TEST_CASE("MaxPack fills what it has begun, and begins with the larger, at each level") {
    for (auto level : {&CpuLocation::node, &CpuLocation::package, &CpuLocation::l3}) {
        std::vector<CpuLocation> alternating, unequal;
        for (unsigned cpu : {0, 1, 2, 3}) {
            alternating.push_back({.cpu = cpu, .core = cpu});
            alternating.back().*level = cpu % 2;
        }
        for (unsigned cpu : {0, 1, 2, 3, 4}) {  // siblings, and three other cores
            unequal.push_back({.cpu = cpu, .core = cpu < 2 ? 0 : cpu - 1});
            unequal.back().*level = cpu < 2 ? 0 : 1;
        }
        CHECK(cpus_of(MaxPack{4}, topology_of(alternating)) == "0 2 1 3");
        CHECK(cpus_of(MaxPack{5}, topology_of(unequal)) == "2 3 4 0 1");
    }
}

TEST_CASE("holes in CPU numbers and a node without memory or CPUs do not disturb") {
    MadeUpSysfs sysfs({{1, 0, 0, 0, 0}, {5, 1, 0, 0, 0}, {6, 2, 3, 1, 1}, {40, 2, 3, 1, 1}});
    sysfs.write("node/online", "0-2");
    sysfs.write("node/has_memory", "0,2");
    sysfs.write("node/node2/cpulist", "");
    CHECK(cpus_of(MaxSpread{4}, sysfs.topology()) == "1 6 5 40");
    CHECK(cpus_of(MaxPack{4}, sysfs.topology()) == "6 40 1 5");  // its core is the larger
}

TEST_CASE("a machine without topology files is a row of cores") {
    Topology topology = MadeUpSysfs().topology(CpuSet({0, 1, 2, 5}));
    CHECK(cpus_of(MaxSpread{4}, topology) == "0 1 2 5");
    CHECK(cpus_of(MaxPack{4}, topology) == "0 1 2 5");
}

TEST_CASE("MaxSpread and MaxPack choose from the set that they are given") {
    CpuSet second_node({4, 5, 12, 13, 99});
    CHECK(cpus_of(MaxSpread{3, second_node}, topology_of(two_sockets())) == "4 5 12");
    CHECK(cpus_of(MaxPack{3, second_node}, topology_of(two_sockets())) == "4 12 5");
}

TEST_CASE("more shards than CPUs are refused, and the text says how many there are") {
    CHECK(error_of(MaxSpread{9}, topology_of(laptop)) == "MaxSpread wants 9 CPUs, but there are 8: 0-7");
    CHECK(error_of(MaxPack{17}, topology_of(two_sockets())) ==
          "MaxPack wants 17 CPUs, but there are 16: 0-15");
    CHECK(error_of(MaxPack{3}, MadeUpSysfs(laptop).topology(CpuSet({2, 7}))) ==
          "MaxPack wants 3 CPUs, but there are 2: 2,7");
    CHECK(error_of(MaxSpread{2, CpuSet({1, 8})}, topology_of(laptop)) ==
          "MaxSpread wants 2 CPUs, but there are 1: 1");
    CHECK(error_of(MaxSpread{1, CpuSet()}, topology_of(laptop)) ==
          "MaxSpread wants 1 CPUs, but there are 0: ");
}

TEST_CASE("a pool without shards is refused") {
    Topology topology = topology_of(laptop);
    for (const PoolPlacement& none :
         std::vector<PoolPlacement>{Unbound{0}, Fenced{0, CpuSet({0})}, MaxSpread{0}, MaxPack{0}, Custom{}}) {
        CHECK(error_of(none, topology) == "a pool wants at least one shard");
    }
}

TEST_CASE("unbound and fenced pools may have more shards than there are CPUs") {
    Topology topology = topology_of(laptop);
    CHECK(cpus_of(Unbound{9}, topology) == "any any any any any any any any any");
    CHECK(cpus_of(Fenced{3, CpuSet({0, 1})}, topology) == "0-1 0-1 0-1");
}

TEST_CASE("a custom pool has a shard for each set, in that order") {
    CHECK(cpus_of(Custom{{CpuSet({6, 7}), CpuSet({3}), CpuSet({3})}}, topology_of(laptop)) == "6-7 3 3");
}

TEST_CASE("a set that is empty, or that the process may not use, is refused for its shard") {
    Topology topology = MadeUpSysfs(laptop).topology(CpuSet({0, 1, 2, 3}));
    CHECK(error_of(Fenced{2, CpuSet()}, topology) == "shard 0 has no CPU to run on");
    CHECK(error_of(Custom{{CpuSet({0}), CpuSet()}}, topology) == "shard 1 has no CPU to run on");
    CHECK(error_of(Custom{{CpuSet({0}), CpuSet({3, 4})}}, topology) ==
          "shard 1 cannot run on CPUs 3-4: there are 0-3");
}

TEST_CASE("explain() shows where each shard runs and why") {
    CHECK(explain(resolve(MaxSpread{4}, topology_of(two_sockets()))) ==
          "shard  CPU  core  package  node  L3  reason\n"
          "    0    0     0        0     0   0  the first of equals\n"
          "    1    4     4        1     1   2  node 1 had fewest shards\n"
          "    2    2     2        0     0   1  L3 1 had fewest shards\n"
          "    3    6     6        1     1   3  L3 3 had fewest shards\n");
    CHECK(explain(resolve(MaxPack{4}, topology_of(hybrid))) ==
          "shard  CPU  core  package  node  L3  reason\n"
          "    0    4     4        0     0   0  core 4 has most CPUs\n"
          "    1    5     4        0     0   0  core 4 had most shards\n"
          "    2    6     5        0     0   0  core 5 has most CPUs\n"
          "    3    7     5        0     0   0  core 5 had most shards\n");
    CHECK(explain(resolve(Custom{{CpuSet({0, 1, 2, 6, 7}), CpuSet({3})}}, topology_of(laptop))) ==
          "shard      CPU  core  package  node  L3  reason\n"
          "    0  0-2,6-7     -        -     -   -  custom\n"
          "    1        3     1        0     0   0  custom\n");
    CHECK(explain(resolve(Unbound{1}, topology_of(laptop))) ==
          "shard  CPU  core  package  node  L3  reason\n"
          "    0  any     -        -     -   -  unbound\n");
}

TEST_CASE("on this machine, each shard of a spread pool can be bound to its CPU and node") {
    auto topology = Topology::read();
    REQUIRE(topology);
    auto all = static_cast<unsigned>(topology->cpus().size());
    for (const ShardPlacement& shard : resolve(MaxSpread{all}, *topology)) {
        CHECK(shard.placement().is_fixed());
        unsigned cpu = ~0U, node = ~0U;
        std::thread([&] {
            CHECK(shard.placement().apply_to_this_thread());
            getcpu(&cpu, &node);
        }).join();
        CHECK(cpu == shard.location->cpu);
        CHECK(node == shard.location->node);
    }
}

TEST_CASE("on a machine with two nodes, MaxSpread alternates between them") {
    // RINGLET_TWO_NODES: this machine is one, so nothing needs to be made up.
    Topology topology =
        std::getenv("RINGLET_TWO_NODES") ? Topology::read().value() : topology_of(two_sockets());
    auto all = static_cast<unsigned>(topology.cpus().size());
    std::vector<ShardPlacement> shards = resolve(MaxSpread{all}, topology);
    std::set<unsigned> cores;
    for (unsigned i = 0; i < all; ++i) {
        CHECK(shards[i].location->node == i % 2);
        CHECK(shards[i].location->package == i % 2);
        bool is_idle_core = cores.insert(shards[i].location->core).second;
        CHECK(is_idle_core == (i < all / 2));
    }
}

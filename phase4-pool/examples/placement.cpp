// Where the shards of a pool would run on this machine, or on another one whose /sys you bring.
//
// Shows: Topology, PoolPlacement and explain(). Nothing is started.
// Run:   ./placement --shards 4
//        ./placement --sysfs PATH   (with a copy of another machine's files, in PATH/devices/system)
// See:   the CPUs with their core, package, node and L3; then a table for each placement, with reasons.
//        MaxSpread leaves SMT siblings to the last, MaxPack takes them first.
//        Read on in ringlet/pool/pool_placement.hpp.
#include <ringlet/pool/pool_placement.hpp>

#include "example/options.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

using namespace ringlet;

namespace {

// Of this machine, the CPUs that this process may use; of another one, all that are online.
Topology read_topology(const example::Options& options) {
    std::filesystem::path sysfs = options.text("--sysfs", "/sys");
    std::string online;
    std::getline(std::ifstream(sysfs / "devices/system/cpu/online"), online);
    auto topology = options.has("--sysfs") ? Topology::read(sysfs, CpuSet::parse(online).value_or(CpuSet()))
                                           : Topology::read();
    if (topology) return *topology;
    std::fprintf(stderr, "placement: %s\n", topology.error().text.c_str());
    std::exit(1);
}

void show(const char* title, const PoolPlacement& placement, const Topology& topology) {
    auto shards = placement.resolve(topology);
    std::printf("\n%s\n%s", title, shards ? explain(*shards).c_str() : (shards.error().text + "\n").c_str());
}

// One set for each node.
PoolPlacement::Custom shard_per_node(const Topology& topology) {
    std::map<unsigned, std::vector<unsigned>> nodes;
    for (const CpuLocation& at : topology.locations()) nodes[at.node].push_back(at.cpu);
    PoolPlacement::Custom custom;
    for (const auto& [node, cpus] : nodes) custom.shards.emplace_back(cpus);
    return custom;
}

}  // namespace

int main(int argc, char** argv) {
    example::Options options(argc, argv, "where the shards of a pool run, and why",
                             {"--shards N", "--sysfs PATH"}, example::Tracing::none);
    const Topology topology = read_topology(options);
    unsigned shards = options.number("--shards", static_cast<unsigned>(topology.cpus().size()));
    std::printf("CPUs %s\n cpu core package node  L3\n", topology.cpus().to_string().c_str());
    for (const CpuLocation& at : topology.locations())
        std::printf("%4u %4u %7u %4u %3u\n", at.cpu, at.core, at.package, at.node, at.l3);
    show("MaxSpread", PoolPlacement::MaxSpread{shards}, topology);
    show("MaxPack", PoolPlacement::MaxPack{shards}, topology);
    show("Fenced, with all CPUs", PoolPlacement::Fenced{shards, topology.cpus()}, topology);
    show("Custom, a shard for each node", shard_per_node(topology), topology);
    show("Unbound", PoolPlacement::Unbound{shards}, topology);
}

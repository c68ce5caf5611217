// PoolPlacement: on which CPUs the shards of a pool run. The pool's builder resolves it on the machine's
// topology; explain() shows people what was chosen, and why. All values.
#pragma once

#include <ringlet/pool/topology.hpp>

#include <expected>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace ringlet {

// Where one shard runs.
struct ShardPlacement {
    CpuSet cpus;                          // empty: wherever the kernel puts it
    std::optional<CpuLocation> location;  // if it is one CPU
    std::string reason;                   // a few words, for explain()

    Placement placement() const;
};

class PoolPlacement {
public:
    struct Unbound {
        unsigned shards;
    };
    // Each shard wherever the kernel puts it among these CPUs.
    struct Fenced {
        unsigned shards;
        CpuSet cpus;
    };
    // Each shard on a CPU of its own, out of `cpus` if given. First on cores where no shard is yet, so that
    // SMT siblings come last; of these, on the node, then the package, then the L3 with the fewest shards.
    struct MaxSpread {
        unsigned shards;
        std::optional<CpuSet> cpus = {};
    };
    // Likewise, but fills a node before it begins another, in it a package, in it an L3, in it a core; the
    // larger before the smaller.
    struct MaxPack {
        unsigned shards;
        std::optional<CpuSet> cpus = {};
    };
    // A shard for each set.
    struct Custom {
        std::vector<CpuSet> shards;
    };

    PoolPlacement(Unbound where) : where_(where) {}
    PoolPlacement(Fenced where) : where_(std::move(where)) {}
    PoolPlacement(MaxSpread where) : where_(std::move(where)) {}
    PoolPlacement(MaxPack where) : where_(std::move(where)) {}
    PoolPlacement(Custom where) : where_(std::move(where)) {}

    // One for each shard. Fails if there are no shards, if MaxSpread or MaxPack want more CPUs than there are
    // (the text says how many), or if Fenced or Custom have a set that is empty or holds a CPU that is not in
    // the topology.
    std::expected<std::vector<ShardPlacement>, StartError> resolve(const Topology& topology) const;

private:
    std::variant<Unbound, Fenced, MaxSpread, MaxPack, Custom> where_;
};

// A table, a line for each shard: CPU, core, package, node, L3 and the reason.
std::string explain(const std::vector<ShardPlacement>& shards);

}  // namespace ringlet

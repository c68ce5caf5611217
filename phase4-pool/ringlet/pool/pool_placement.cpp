#include <ringlet/pool/pool_placement.hpp>

#include <algorithm>
#include <array>
#include <span>

namespace ringlet {

namespace {

using Locations = std::vector<CpuLocation>;
using Shards = std::expected<std::vector<ShardPlacement>, StartError>;

std::unexpected<StartError> refused(std::string text) {
    return std::unexpected(StartError{std::make_error_code(std::errc::invalid_argument), std::move(text)});
}

// What makes one CPU better than another: something about the group of CPUs that it belongs to.
struct Criterion {
    unsigned CpuLocation::* group;
    const char* name;
    enum { fewest_shards, most_shards, most_cpus } wanted;

    // The greater, the better. `taken`: the CPUs that have a shard.
    std::ptrdiff_t worth(const CpuLocation& cpu, const Locations& all, const Locations& taken) const {
        auto count = std::ranges::count(wanted == most_cpus ? all : taken, cpu.*group, group);
        return wanted == fewest_shards ? -count : count;
    }
    std::string reason(const CpuLocation& cpu) const {
        static constexpr const char* texts[] = {" had fewest shards", " had most shards", " has most CPUs"};
        return name + (" " + std::to_string(cpu.*group)) + texts[wanted];
    }
};

// Of two that tie by one criterion, the next one decides.
constexpr std::array spread_criteria{
    Criterion{&CpuLocation::core, "core", Criterion::fewest_shards},
    Criterion{&CpuLocation::node, "node", Criterion::fewest_shards},
    Criterion{&CpuLocation::package, "package", Criterion::fewest_shards},
    Criterion{&CpuLocation::l3, "L3", Criterion::fewest_shards},
};
constexpr std::array pack_criteria{
    Criterion{&CpuLocation::node, "node", Criterion::most_shards},
    Criterion{&CpuLocation::node, "node", Criterion::most_cpus},
    Criterion{&CpuLocation::package, "package", Criterion::most_shards},
    Criterion{&CpuLocation::package, "package", Criterion::most_cpus},
    Criterion{&CpuLocation::l3, "L3", Criterion::most_shards},
    Criterion{&CpuLocation::l3, "L3", Criterion::most_cpus},
    Criterion{&CpuLocation::core, "core", Criterion::most_shards},
    Criterion{&CpuLocation::core, "core", Criterion::most_cpus},
};

ShardPlacement choose(const Locations& all, const Locations& taken, std::span<const Criterion> criteria) {
    Locations best = all;
    std::erase_if(best, [&](const CpuLocation& cpu) { return std::ranges::count(taken, cpu) != 0; });
    const Criterion* decided = nullptr;  // the last that left fewer
    for (const Criterion& criterion : criteria) {
        auto worth = [&](const CpuLocation& cpu) { return criterion.worth(cpu, all, taken); };
        auto most = worth(*std::ranges::max_element(best, {}, worth));
        if (std::erase_if(best, [&](const CpuLocation& cpu) { return worth(cpu) < most; }) > 0)
            decided = &criterion;
    }
    const CpuLocation& cpu = best.front();
    return {CpuSet({cpu.cpu}), cpu, decided ? decided->reason(cpu) : "the first of equals"};
}

// A CPU for each shard.
Shards distribute(const char* name, unsigned wanted, const std::optional<CpuSet>& among,
                  std::span<const Criterion> criteria, const Topology& topology) {
    Locations all = topology.locations(), taken;
    const CpuSet usable = among ? topology.cpus().intersection(*among) : topology.cpus();
    std::erase_if(all, [&](const CpuLocation& location) { return !usable.contains(location.cpu); });
    if (wanted > all.size())
        return refused(std::string(name) + " wants " + std::to_string(wanted) + " CPUs, but there are " +
                       std::to_string(all.size()) + ": " + usable.to_string());
    std::vector<ShardPlacement> shards;
    while (shards.size() < wanted) {
        shards.push_back(choose(all, taken, criteria));
        taken.push_back(*shards.back().location);
    }
    return shards;
}

// As the caller says.
Shards accept(const std::vector<CpuSet>& sets, const char* reason, const Topology& topology) {
    std::vector<ShardPlacement> shards;
    const CpuSet usable = topology.cpus();
    for (const CpuSet& cpus : sets) {
        std::string shard = "shard " + std::to_string(shards.size());
        if (cpus.empty()) return refused(shard + " has no CPU to run on");
        if (cpus.intersection(usable) != cpus)
            return refused(shard + " cannot run on CPUs " + cpus.to_string() + ": there are " +
                           usable.to_string());
        auto location = std::ranges::find(topology.locations(), cpus.front(), &CpuLocation::cpu);
        shards.push_back({cpus, cpus.size() == 1 ? std::optional(*location) : std::nullopt, reason});
    }
    return shards;
}

struct Resolve {
    const Topology& topology;

    Shards operator()(const PoolPlacement::Unbound& unbound) const {
        return std::vector(unbound.shards, ShardPlacement{{}, {}, "unbound"});
    }
    Shards operator()(const PoolPlacement::Fenced& fenced) const {
        return accept(std::vector(fenced.shards, fenced.cpus), "fenced", topology);
    }
    Shards operator()(const PoolPlacement::MaxSpread& spread) const {
        return distribute("MaxSpread", spread.shards, spread.cpus, spread_criteria, topology);
    }
    Shards operator()(const PoolPlacement::MaxPack& pack) const {
        return distribute("MaxPack", pack.shards, pack.cpus, pack_criteria, topology);
    }
    Shards operator()(const PoolPlacement::Custom& custom) const {
        return accept(custom.shards, "custom", topology);
    }
};

}  // namespace

Placement ShardPlacement::placement() const {
    if (cpus.empty()) return Placement::Unbound{};
    if (location) return Placement::Fixed{location->cpu};
    return Placement::Fenced{cpus};
}

std::expected<std::vector<ShardPlacement>, StartError> PoolPlacement::resolve(
    const Topology& topology) const {
    Shards shards = std::visit(Resolve{topology}, where_);
    if (shards && shards->empty()) return refused("a pool wants at least one shard");
    return shards;
}

std::string explain(const std::vector<ShardPlacement>& shards) {
    std::vector<std::array<std::string, 7>> rows{{"shard", "CPU", "core", "package", "node", "L3", "reason"}};
    for (const ShardPlacement& shard : shards) {
        std::array<std::string, 7> row{std::to_string(rows.size() - 1),
                                       shard.cpus.empty() ? "any" : shard.cpus.to_string(),
                                       "-",
                                       "-",
                                       "-",
                                       "-",
                                       shard.reason};
        if (const auto& at = shard.location) {
            std::ranges::transform(std::array{at->core, at->package, at->node, at->l3}, row.begin() + 2,
                                   [](unsigned number) { return std::to_string(number); });
        }
        rows.push_back(row);
    }
    std::string table;
    for (const auto& row : rows) {
        for (std::size_t i = 0; i + 1 < row.size(); ++i) {
            std::size_t width = 0;
            for (const auto& other : rows) width = std::max(width, other[i].size());
            table += std::string(width - row[i].size(), ' ') + row[i] + "  ";
        }
        table += row.back() + '\n';
    }
    return table;
}

}  // namespace ringlet

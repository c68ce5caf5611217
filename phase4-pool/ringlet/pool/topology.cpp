#include <ringlet/pool/topology.hpp>

#include <cerrno>
#include <fstream>
#include <map>
#include <optional>
#include <ranges>
#include <string>

namespace ringlet {

namespace {

// A folder of sysfs. Remembers the first list that could not be understood.
class Files {
public:
    explicit Files(std::filesystem::path folder) : folder_(std::move(folder)) {}

    // `fallback` if the file is missing or lists nothing.
    CpuSet list(const std::string& name, const CpuSet& fallback) {
        std::string text;
        std::getline(std::ifstream(folder_ / name), text);
        Result<CpuSet> list = CpuSet::parse(text);
        if (!list && !error_)
            error_ = {list.error(), "cannot understand the list of CPUs in " + (folder_ / name).string() +
                                        ": \"" + text + "\""};
        return list && !list->empty() ? *list : fallback;
    }

    // 0 if the file is missing, or negative: the kernel writes -1 where it does not know.
    unsigned number(const std::string& name) const {
        int value = 0;
        std::ifstream(folder_ / name) >> value;
        return value < 0 ? 0 : static_cast<unsigned>(value);
    }

    const std::optional<StartError>& error() const { return error_; }

private:
    std::filesystem::path folder_;
    std::optional<StartError> error_;
};

// Node by CPU.
std::map<unsigned, unsigned> read_nodes(Files& files) {
    std::map<unsigned, unsigned> nodes;
    for (unsigned node : files.list("node/online", {})) {
        for (unsigned cpu : files.list("node/node" + std::to_string(node) + "/cpulist", {}))
            nodes[cpu] = node;
    }
    return nodes;
}

// The CPUs that share an L3 with the one of `folder`.
CpuSet read_l3(Files& files, const std::string& folder, const CpuSet& fallback) {
    for (unsigned index = 0;; ++index) {
        std::string cache = folder + "cache/index" + std::to_string(index);
        unsigned level = files.number(cache + "/level");
        if (level == 0) return fallback;
        if (level == 3) return files.list(cache + "/shared_cpu_list", fallback);
    }
}

// Cores and caches go by the CPUs that they have: core_id repeats in each package, on ARM in each cluster,
// and a cache has no id there.
class Groups {
public:
    unsigned number_of(const CpuSet& group) {
        return numbers_.try_emplace(group.front(), static_cast<unsigned>(numbers_.size())).first->second;
    }

private:
    std::map<unsigned, unsigned> numbers_;  // by the lowest CPU
};

}  // namespace

std::expected<Topology, StartError> Topology::read(const std::filesystem::path& sysfs,
                                                   const CpuSet& allowed) {
    Files files(sysfs / "devices/system");
    const CpuSet online = files.list("cpu/online", allowed);
    std::map<unsigned, unsigned> nodes = read_nodes(files);
    Groups cores, l3s;
    Topology topology;
    for (unsigned cpu : online) {  // also those that are not allowed, so that numbers do not depend on that
        std::string folder = "cpu/cpu" + std::to_string(cpu) + "/";
        CpuSet package = files.list(folder + "topology/package_cpus_list", online);
        CpuLocation location{
            .cpu = cpu,
            .core = cores.number_of(files.list(folder + "topology/core_cpus_list", CpuSet({cpu}))),
            .package = files.number(folder + "topology/physical_package_id"),
            .node = nodes[cpu],
            .l3 = l3s.number_of(read_l3(files, folder, package))};
        if (allowed.contains(cpu)) topology.locations_.push_back(location);
    }
    if (files.error()) return std::unexpected(*files.error());
    if (!topology.locations_.empty()) return topology;
    return std::unexpected(StartError{std::make_error_code(std::errc::no_such_device),
                                      "no CPU is both online (" + online.to_string() + ") and allowed (" +
                                          allowed.to_string() + ")"});
}

CpuSet Topology::cpus() const {
    auto cpus = std::views::transform(locations_, &CpuLocation::cpu);
    return std::vector(cpus.begin(), cpus.end());
}

}  // namespace ringlet

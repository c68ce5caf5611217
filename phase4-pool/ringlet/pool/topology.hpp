// Topology: where in the machine each CPU lies, as sysfs tells. PoolPlacement chooses from it; a value, read
// when a pool is built. A CPU that comes or goes later is not noticed.
#pragma once

#include <ringlet/executor/placement.hpp>

#include <expected>
#include <filesystem>
#include <vector>

namespace ringlet {

// Each number names one thing in the whole machine: no two packages have a core 0.
struct CpuLocation {
    unsigned cpu = 0;
    unsigned core =
        0;  // counted in the order of their first CPUs, as lscpu does; the CPUs of one are siblings
    unsigned package = 0;  // as the kernel numbers it; a socket
    unsigned node = 0;     // NUMA, as the kernel numbers it; it may have no memory
    unsigned l3 = 0;       // the last cache that cores share; counted as cores are

    friend bool operator==(const CpuLocation&, const CpuLocation&) = default;
};

class Topology {
public:
    // The CPUs that are online and that the process may use. What sysfs does not show, as in some containers
    // and virtual machines, is taken to be simple: all allowed CPUs are online, each is a core of its own,
    // all are in package 0 and node 0, and a CPU without an L3 shares one with its package. Fails if a list
    // cannot be understood, or if no CPU is left.
    static std::expected<Topology, StartError> read(const std::filesystem::path& sysfs = "/sys",
                                                    const CpuSet& allowed = allowed_cpus());

    // Ascending, one at least.
    const std::vector<CpuLocation>& locations() const noexcept { return locations_; }
    CpuSet cpus() const;

private:
    std::vector<CpuLocation> locations_;
};

}  // namespace ringlet

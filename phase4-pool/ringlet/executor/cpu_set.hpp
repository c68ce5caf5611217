// CpuSet: some of the machine's CPUs, by the kernel's numbers, which may have holes. A value: Placement binds
// threads to sets, the pool's topology reads them from sysfs, PoolPlacement chooses from them.
#pragma once

#include <ringlet/base/error.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ringlet {

class CpuSet {
public:
    // No kernel is built for as many.
    static constexpr unsigned cpu_max = 65'535;

    CpuSet() = default;
    // In any order.
    CpuSet(std::vector<unsigned> cpus);

    // As the kernel writes such lists: "0-3,8", ascending, a newline at the end or none; an empty one is a
    // set of no CPUs. Anything else, or a number over cpu_max, is EINVAL.
    static Result<CpuSet> parse(std::string_view list);
    // Likewise, without a newline.
    std::string to_string() const;

    CpuSet intersection(const CpuSet& other) const;
    bool contains(unsigned cpu) const noexcept { return std::ranges::binary_search(cpus_, cpu); }
    std::size_t size() const noexcept { return cpus_.size(); }
    bool empty() const noexcept { return cpus_.empty(); }
    unsigned front() const noexcept { return cpus_.front(); }  // the lowest, if there is one
    auto begin() const noexcept { return cpus_.begin(); }
    auto end() const noexcept { return cpus_.end(); }

    friend bool operator==(const CpuSet&, const CpuSet&) = default;

private:
    std::vector<unsigned> cpus_;  // ascending, none twice
};

}  // namespace ringlet

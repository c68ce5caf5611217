#include <ringlet/executor/cpu_set.hpp>

#include <cerrno>
#include <charconv>
#include <iterator>
#include <optional>

namespace ringlet {

namespace {

constinit const OperationCategory cpu_list_category{"list of CPUs"};

bool take(std::string_view& text, char wanted) {
    if (!text.starts_with(wanted)) return false;
    text.remove_prefix(1);
    return true;
}

std::optional<unsigned> take_cpu(std::string_view& text) {
    unsigned cpu = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), cpu);
    if (error != std::errc() || cpu > CpuSet::cpu_max) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return cpu;
}

}  // namespace

CpuSet::CpuSet(std::vector<unsigned> cpus) : cpus_(std::move(cpus)) {
    std::ranges::sort(cpus_);
    auto twice = std::ranges::unique(cpus_);
    cpus_.erase(twice.begin(), twice.end());
}

// That numbers ascend is required, so that a short text cannot ask for much memory.
Result<CpuSet> CpuSet::parse(std::string_view list) {
    if (list.ends_with('\n')) list.remove_suffix(1);
    CpuSet set;
    if (list.empty()) return set;
    do {
        std::optional<unsigned> first = take_cpu(list);
        std::optional<unsigned> last = first && take(list, '-') ? take_cpu(list) : first;
        bool ascends = last && *first <= *last && (set.empty() || set.cpus_.back() < *first);
        if (!ascends) return failure(cpu_list_category, EINVAL);
        for (unsigned cpu = *first; cpu <= *last; ++cpu) set.cpus_.push_back(cpu);
    } while (take(list, ','));
    if (!list.empty()) return failure(cpu_list_category, EINVAL);
    return set;
}

std::string CpuSet::to_string() const {
    std::string text;
    for (std::size_t first = 0; first < cpus_.size();) {
        std::size_t last = first;
        while (last + 1 < cpus_.size() && cpus_[last + 1] == cpus_[last] + 1) ++last;
        if (!text.empty()) text += ",";
        text += std::to_string(cpus_[first]);
        if (last > first) text += "-" + std::to_string(cpus_[last]);
        first = last + 1;
    }
    return text;
}

CpuSet CpuSet::intersection(const CpuSet& other) const {
    CpuSet both;
    std::ranges::set_intersection(cpus_, other.cpus_, std::back_inserter(both.cpus_));
    return both;
}

}  // namespace ringlet

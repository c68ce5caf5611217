#include <ringlet/executor/placement.hpp>

#include <algorithm>
#include <cerrno>
#include <sched.h>
#include <string>
#include <unistd.h>

namespace ringlet {

namespace {

// As the kernel writes CPU lists: "0-3,8".
std::string describe(const std::vector<unsigned>& cpus) {
    std::string text;
    for (std::size_t first = 0; first < cpus.size();) {
        std::size_t last = first;
        while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) ++last;
        if (!text.empty()) text += ",";
        text += std::to_string(cpus[first]);
        if (last > first) text += "-" + std::to_string(cpus[last]);
        first = last + 1;
    }
    return text;
}

std::vector<unsigned> read_affinity() {
    cpu_set_t set;
    std::vector<unsigned> cpus;
    // The process id names the main thread, whose affinity a launcher such as taskset has set.
    if (sched_getaffinity(getpid(), sizeof set, &set) != 0) return cpus;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    }
    return cpus;
}

StartError cannot_use(unsigned cpu, int error) {
    long configured = sysconf(_SC_NPROCESSORS_CONF);
    bool exists = configured < 0 || cpu < static_cast<unsigned long>(configured);
    std::string text = "cannot run on CPU " + std::to_string(cpu) + ": " +
                       (exists ? "this process is not allowed to use it" : "it does not exist") +
                       "; allowed: " + describe(allowed_cpus());
    return {std::error_code(error, std::system_category()), text};
}

}  // namespace

const std::vector<unsigned>& allowed_cpus() {
    static const std::vector<unsigned> cpus = read_affinity();
    return cpus;
}

std::expected<void, StartError> Placement::apply_to_this_thread() const {
    const std::vector<unsigned>& allowed = allowed_cpus();
    const Fixed* fixed = std::get_if<Fixed>(&where_);
    if (!fixed) return {};
    if (!std::ranges::binary_search(allowed, fixed->cpu))
        return std::unexpected(cannot_use(fixed->cpu, EINVAL));
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(fixed->cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) return std::unexpected(cannot_use(fixed->cpu, errno));
    return {};
}

// Refused only where the process may by now use none of them: the thread is where the kernel wants it then.
void Placement::unbind_this_thread() {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (unsigned cpu : allowed_cpus()) CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

}  // namespace ringlet

#include <ringlet/executor/placement.hpp>

#include <algorithm>
#include <cerrno>
#include <sched.h>
#include <span>
#include <string>
#include <unistd.h>

namespace ringlet {

namespace {

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
                       "; allowed: " + CpuSet(allowed_cpus()).to_string();
    return {std::error_code(error, std::system_category()), text};
}

StartError no_cpu() {
    return {std::make_error_code(std::errc::invalid_argument),
            "cannot run on an empty set of CPUs; allowed: " + CpuSet(allowed_cpus()).to_string()};
}

}  // namespace

const std::vector<unsigned>& allowed_cpus() {
    static const std::vector<unsigned> cpus = read_affinity();
    return cpus;
}

// Takes no memory if all is well: what a thread takes before it is bound may lie on another node than its
// own, and what it takes later from the same page with it.
std::expected<void, StartError> Placement::apply_to_this_thread() const {
    const std::vector<unsigned>& allowed = allowed_cpus();
    std::span<const unsigned> cpus;
    if (const Fixed* fixed = std::get_if<Fixed>(&where_)) {
        cpus = {&fixed->cpu, 1};
    } else if (const Fenced* fenced = std::get_if<Fenced>(&where_)) {
        if (fenced->cpus.empty()) return std::unexpected(no_cpu());
        cpus = {fenced->cpus.begin(), fenced->cpus.end()};
    } else {
        return {};
    }
    cpu_set_t set;
    CPU_ZERO(&set);
    for (unsigned cpu : cpus) {
        if (!std::ranges::binary_search(allowed, cpu)) return std::unexpected(cannot_use(cpu, EINVAL));
        CPU_SET(cpu, &set);
    }
    // Fails if the process may by now use none of them.
    if (sched_setaffinity(0, sizeof set, &set) != 0) return std::unexpected(cannot_use(cpus.front(), errno));
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

// Placement: on which CPU an executor's thread runs.
#pragma once

#include <ringlet/executor/parker.hpp>

#include <expected>
#include <variant>
#include <vector>

namespace ringlet {

class Placement {
public:
    // Wherever the kernel puts the thread, and moves it to. A thread that make() is called on stays bound as
    // it was.
    struct Unbound {};
    // One CPU, as the kernel numbers it.
    struct Fixed {
        unsigned cpu;
    };

    Placement(Unbound where) noexcept : where_(where) {}
    Placement(Fixed where) noexcept : where_(where) {}

    // Binds the calling thread. Fails if the CPU does not exist or this process may not use it; the text
    // names it and those that it may use.
    std::expected<void, StartError> apply_to_this_thread() const;

    // Lets the calling thread use all allowed_cpus(): a new one inherits what its starter is bound to.
    static void unbind_this_thread();

private:
    std::variant<Unbound, Fixed> where_;
};

// The CPUs that this process may use: its affinity when this was first asked, before any executor bound
// a thread. Ascending.
const std::vector<unsigned>& allowed_cpus();

}  // namespace ringlet

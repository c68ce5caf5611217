#include "engine.hpp"

#include "sim_kernel.hpp"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

namespace sim {

namespace {

std::uint64_t current_seed = 0;

void print_faults(const Faults::Counts& counts) {
    for (std::size_t i = 0; i < counts.size(); ++i) {
        std::printf("%s%s %llu", i == 0 ? "faults: " : ", ", fault_names[i],
                    static_cast<unsigned long long>(counts[i]));
    }
    std::printf("\n");
}

void print_events() {
    if (!SimKernel::current) return;
    SimKernel::current->log_in_flight();
    print_faults(SimKernel::current->faults.counts());
    std::printf("time_ns\tshard\tevent\tsubject\tvalue\n");
    SimKernel::current->log.for_each([](const LogEvent& event) {
        std::printf("%lld\t%d\t%s\t%llx\t%lld\n", static_cast<long long>(event.at.time_since_epoch().count()),
                    event.shard, event.what, static_cast<unsigned long long>(event.subject),
                    static_cast<long long>(event.value));
    });
}

[[noreturn]] void report(const char* invariant, const char* text, unsigned long long subject) {
    std::printf("\nVIOLATED: %s\n  %s %llu\n  seed %llu\n", invariant, text, subject,
                static_cast<unsigned long long>(current_seed));
    print_events();
    std::fflush(stdout);
    std::_Exit(1);
}

// RINGLET_CHECK aborts: the runtime has found the fault itself.
void on_abort(int) { report("the runtime's own checks", "it aborted; see above", 0); }
void on_crash(int) { report("no crash", "a bad access", 0); }

// A seed takes a tenth of a millisecond. One that is still there at the second alarm goes round without
// reading the clock.
constexpr unsigned alarm_seconds = 20;
std::uint64_t seed_at_alarm = 0;

void on_alarm(int) {
    if (seed_at_alarm == current_seed) report("nothing spins", "the seed does not end", 0);
    seed_at_alarm = current_seed;
    alarm(alarm_seconds);
}

struct Options {
    std::uint64_t first = 1;
    std::uint64_t seeds = 1000;
    double seconds = 0;
    bool one = false;
};

Options parse(int argc, char** argv) {
    Options options;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!std::strcmp(argv[i], "--seeds")) options.seeds = std::strtoull(argv[i + 1], nullptr, 10);
        if (!std::strcmp(argv[i], "--first")) options.first = std::strtoull(argv[i + 1], nullptr, 10);
        if (!std::strcmp(argv[i], "--seconds")) options.seconds = std::strtod(argv[i + 1], nullptr);
        if (!std::strcmp(argv[i], "--seed")) {
            options.first = std::strtoull(argv[i + 1], nullptr, 10);
            options.one = true;
        }
    }
    if (options.seconds > 0) options.seeds = UINT64_MAX;
    if (options.one) options.seeds = 1;
    return options;
}

class Totals {
public:
    void add(const Outcome& outcome) {
        ++seeds_;
        steps_ += outcome.steps;
        tasks_ += outcome.tasks;
        completions_ += outcome.completions;
        for (std::size_t i = 0; i < faults_.size(); ++i) faults_[i] += outcome.faults[i];
    }
    double seconds() const {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
    }
    std::uint64_t seeds() const { return seeds_; }
    void print_line() const {
        std::printf("%llu seeds, %.0f a second; a seed: %.1f tasks, %.0f steps, %.0f completions\n",
                    static_cast<unsigned long long>(seeds_), static_cast<double>(seeds_) / seconds(),
                    mean(tasks_), mean(steps_), mean(completions_));
        std::fflush(stdout);
    }
    const Faults::Counts& faults() const { return faults_; }

private:
    double mean(std::uint64_t sum) const { return static_cast<double>(sum) / static_cast<double>(seeds_); }

    std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
    std::uint64_t seeds_ = 0, steps_ = 0, tasks_ = 0, completions_ = 0;
    Faults::Counts faults_{};
};

}  // namespace

[[noreturn]] void violated(const char* invariant, const char* text, std::uint64_t subject) noexcept {
    report(invariant, text, subject);
}

int run_seeds(int argc, char** argv, Run run) {
    Options options = parse(argc, argv);
    std::signal(SIGABRT, on_abort);
    std::signal(SIGSEGV, on_crash);
    std::signal(SIGALRM, on_alarm);
    alarm(alarm_seconds);
    Totals totals;
    double next_line = 2;
    for (current_seed = options.first; totals.seeds() < options.seeds; ++current_seed) {
        if (options.seconds > 0 && totals.seconds() >= options.seconds) break;
        Outcome outcome = run(current_seed);
        totals.add(outcome);
        bool again = options.one || current_seed % 100 == 0;
        if (again && run(current_seed).digest != outcome.digest) {
            report("a seed is one run", "the second run of it had another digest", 0);
        }
        if (totals.seconds() < next_line) continue;
        next_line += 2;
        totals.print_line();
    }
    totals.print_line();
    print_faults(totals.faults());
    return 0;
}

}  // namespace sim

// The same jobs on three schedulers: one shared queue, one queue per core, work stealing; with loads that are
// spread evenly and loads that have a favourite core.
//
// Shows: what a core that sleeps beside a queue costs, in jobs/s and in p99, and what stealing gives back.
// Run:   ./three_schedulers --svg FILE
//        --cost-us 1 shows the price of the queues themselves.
// See:   a table; with the even load the three are level in jobs/s; with the skewed one, queues per core
//        leave one worker asleep a third of the time or more. The last sentence is computed from the table.
//        Read on in schedulers/scheduler.hpp, and in schedulers/measure.hpp for how it is measured.
#include "example/options.hpp"
#include "schedulers/queue_per_core.hpp"
#include "schedulers/shared_queue.hpp"
#include "schedulers/utilisation.hpp"
#include "schedulers/work_stealing.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>

using namespace schedulers;

namespace {

// Of what the workers do in the closed runs with the even load. The favourite core of the skewed load is then
// busy for three quarters of the time.
constexpr double paced_load = 0.5;
constexpr double paced_per_second_max = 20'000;  // so that the pacing thread is not what is measured
constexpr std::size_t in_flight_per_worker = 32;
constexpr double level = 1.10;  // closer than this is called level
constexpr int rounds = 5;

struct Plan {
    unsigned workers;
    Duration cost;
    std::size_t jobs;       // of a closed run
    Duration paced_length;  // of a paced run
};

template <class S>
std::unique_ptr<Scheduler> make(unsigned workers) {
    return std::make_unique<S>(workers);
}

// A run of each scheduler, several times in turn, and of each scheduler's the one in the middle: a machine
// that is busy with something else for a moment then changes nobody's figures.
template <class Measure, class Figure>
std::vector<Run> compare(unsigned workers, Measure measure, Figure figure) {
    constexpr std::array makers{make<SharedQueue>, make<QueuePerCore>, make<WorkStealing>};
    std::array<std::vector<Run>, makers.size()> runs;
    for (int round = 0; round < rounds; ++round) {
        for (std::size_t i = 0; i < makers.size(); ++i) runs[i].push_back(measure(*makers[i](workers)));
    }
    std::vector<Run> medians;
    for (std::vector<Run>& of_one : runs) {
        auto middle = of_one.begin() + rounds / 2;
        std::ranges::nth_element(of_one, middle, {}, figure);
        medians.push_back(std::move(*middle));
    }
    return medians;
}

Duration p99(const Run& run) { return quantile(run.latencies, 0.99); }

std::vector<Run> compare_closed(const Plan& plan, bool is_skewed) {
    auto homes = make_homes(plan.jobs, plan.workers, is_skewed);
    auto measure = [&](Scheduler& scheduler) {
        return Measurement(scheduler, homes, Burn(plan.cost)).closed(plan.workers * in_flight_per_worker);
    };
    return compare(plan.workers, measure, &Run::length);
}

std::vector<Run> compare_paced(const Plan& plan, bool is_skewed, double per_second) {
    auto arrivals = make_arrivals(per_second, plan.paced_length);
    auto homes = make_homes(arrivals.size(), plan.workers, is_skewed);
    auto measure = [&](Scheduler& scheduler) {
        return Measurement(scheduler, homes, Burn(plan.cost)).paced(arrivals);
    };
    return compare(plan.workers, measure, p99);
}

// What the three did with one load.
struct Outcome {
    std::vector<Run> closed;
    std::vector<Run> paced;
};

double share(Duration part, Duration whole) {
    return static_cast<double>(part.count()) / static_cast<double>(std::max<Duration::rep>(whole.count(), 1));
}

double in_us(Duration duration) { return static_cast<double>(duration.count()) / 1e3; }

std::string idle_shares(const Run& run) {
    std::string text;
    for (const WorkerStats& worker : run.workers) {
        char buffer[16];
        std::snprintf(buffer, sizeof buffer, "%4.0f", 100 * share(worker.idle, worker.alive));
        text += buffer;
    }
    return text;
}

void print_table(const char* load, const Outcome& outcome) {
    int width = std::max(8, 4 * static_cast<int>(outcome.closed.front().workers.size()));
    std::printf("%-16s %10s %*s %8s %10s %8s %*s %8s\n", load, "jobs/s", width, "idle %", "stolen", "p50 us",
                "p99 us", width, "idle %", "stolen");
    for (std::size_t i = 0; i < outcome.closed.size(); ++i) {
        const Run& closed = outcome.closed[i];
        const Run& paced = outcome.paced[i];
        std::printf("  %-14s %10.0f %*s %8llu %10.0f %8.0f %*s %8llu\n", closed.scheduler.c_str(),
                    closed.jobs_per_second(), width, idle_shares(closed).c_str(), closed.stolen(),
                    in_us(quantile(paced.latencies, 0.5)), in_us(p99(paced)), width,
                    idle_shares(paced).c_str(), paced.stolen());
    }
}

// Who is best, and how many times better than the last. `badness`: less is better.
template <class Badness>
std::string winners(const std::vector<Run>& runs, Badness badness) {
    auto [best, worst] = std::ranges::minmax_element(runs, {}, badness);
    double least = badness(*best), most = badness(*worst);
    if (most < level * least) return "all are level";
    std::string names;
    for (const Run& run : runs) {
        if (badness(run) < level * least) names += (names.empty() ? "" : " and ") + run.scheduler;
    }
    char factor[32];
    std::snprintf(factor, sizeof factor, " (%.1f times ", most / least);
    return names + factor + worst->scheduler + ")";
}

std::string verdict(const Outcome& outcome) {
    auto time_per_job = [](const Run& run) { return 1 / run.jobs_per_second(); };
    auto p99_us = [](const Run& run) { return in_us(p99(run)); };
    return "most jobs/s: " + winners(outcome.closed, time_per_job) +
           ", least p99: " + winners(outcome.paced, p99_us);
}

// What disturbed the workers in the runs of the table.
void print_disturbance(Duration cost, const Outcome& even, const Outcome& skewed) {
    double preempted = 0, pacer_share = 0;
    Duration delay{};
    for (const auto* runs : {&even.closed, &even.paced, &skewed.closed, &skewed.paced}) {
        for (const Run& run : *runs) {
            for (const WorkerStats& worker : run.workers)
                preempted = std::max(preempted, share(worker.preempted(), worker.alive));
            pacer_share = std::max(pacer_share, share(run.pacer_cpu, run.length));
            if (!run.delays.empty()) delay = std::max(delay, quantile(run.delays, 0.99));
        }
    }
    std::printf(
        "\nat worst: a worker wanted its CPU and did not have it for %.1f %% of a run; the pacing thread "
        "took %.1f %% of a CPU\nand submitted 1 job in 100 more than %.0f us late\n",
        100 * preempted, 100 * pacer_share, in_us(delay));
    if (preempted > 0.1 || delay > cost) std::printf("that is too much to trust small differences\n");
}

Plan make_plan(const example::Options& options) {
    auto cpus = static_cast<unsigned>(ringlet::allowed_cpus().size());
    // From three CPUs on, one is left to the pacing thread.
    unsigned workers = options.number("--workers", cpus > 2 ? cpus - 1 : cpus);
    unsigned cost_us = options.number("--cost-us", 200);
    unsigned seconds = options.number("--seconds", 1);
    if (workers == 0 || workers > cpus || cost_us == 0 || seconds == 0) {
        std::fprintf(
            stderr, "--workers is 1 to %u, one for each CPU; --cost-us and --seconds are at least 1\n", cpus);
        std::exit(2);
    }
    std::size_t jobs = options.number("--jobs", 5'000) / rounds;
    return {workers, std::chrono::microseconds(cost_us), std::max(jobs, workers * in_flight_per_worker),
            Duration(std::chrono::seconds(seconds)) / rounds};
}

void draw(const std::string& path, const Outcome& even, const Outcome& skewed) {
    bool is_written = Utilisation(path).draw("the same jobs on three schedulers: who works when",
                                             {{"even load", even.closed}, {"skewed load", skewed.closed}});
    if (!is_written) std::fprintf(stderr, "cannot write %s\n", path.c_str());
}

}  // namespace

int main(int argc, char** argv) {
    example::Options options(argc, argv, "the same jobs on three schedulers",
                             {"--workers N", "--jobs N", "--cost-us N", "--seconds S", "--svg FILE"},
                             example::Tracing::none);
    Plan plan = make_plan(options);
    Outcome even{compare_closed(plan, false), {}}, skewed{compare_closed(plan, true), {}};
    double most = std::ranges::max(even.closed, {}, &Run::jobs_per_second).jobs_per_second();
    double per_second = std::min(paced_load * most, paced_per_second_max);
    even.paced = compare_paced(plan, false, per_second);
    skewed.paced = compare_paced(plan, true, per_second);

    std::printf(
        "%u workers, jobs of %.0f us; of %d runs the one in the middle\nleft:  closed, %zu jobs, %zu in "
        "flight\nright: paced, %.0f jobs/s arrive for %.1f s, load %.0f %%\n\n",
        plan.workers, in_us(plan.cost), rounds, plan.jobs, plan.workers * in_flight_per_worker, per_second,
        in_us(plan.paced_length) / 1e6, 100 * per_second / most);
    print_table("even load", even);
    print_table("skewed load", skewed);
    print_disturbance(plan.cost, even, skewed);
    if (options.has("--svg")) draw(options.text("--svg", ""), even, skewed);
    std::printf("\nin this run, on %u CPUs: even load: %s; skewed load: %s.\n", plan.workers,
                verdict(even).c_str(), verdict(skewed).c_str());
}

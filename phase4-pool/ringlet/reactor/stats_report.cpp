#include <ringlet/reactor/stats_report.hpp>

#include <ringlet/executor/local_executor.hpp>
#include <ringlet/reactor/reactor.hpp>

#include <algorithm>
#include <cstdio>

namespace ringlet {

namespace {

template <class... Values>
std::string line(const char* format, Values... values) {
    char text[256];
    std::snprintf(text, sizeof text, format, values...);
    return text;
}

using Count = unsigned long long;

double milliseconds(Duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }
double microseconds(Duration duration) { return std::chrono::duration<double, std::micro>(duration).count(); }

std::string quantiles(const Histogram* histogram) {
    if (!histogram || histogram->count() == 0) return line(" %9s %9s %9s\n", "-", "-", "-");
    return line(" %9.1f %9.1f %9.1f\n", microseconds(histogram->quantile(0.5)),
                microseconds(histogram->quantile(0.99)), microseconds(histogram->longest()));
}

std::string describe_queues(const QueueManager& queues) {
    Duration all{};
    queues.for_each([&all](const TaskQueue& queue) { all += queue.stats().runtime; });
    std::string text = line("%-16s %6s %9s %6s %9s %10s %9s %6s %9s %9s %9s\n", "queue", "shares", "CPU, ms",
                            "%", "turns", "polls", "preempted", "stalls", "wake-run", "p99", "max, us");
    queues.for_each([&](const TaskQueue& queue) {
        const QueueStats& stats = queue.stats();
        double part = 100 * milliseconds(stats.runtime) / std::max(milliseconds(all), 1e-6);
        text += line("%-16.16s %6u %9.1f %6.1f %9llu %10llu %9llu %6llu", queue.name().c_str(),
                     queue.shares().count(), milliseconds(stats.runtime), part, Count{stats.turns},
                     Count{stats.polls}, Count{stats.preemptions}, Count{stats.stalls}) +
                quantiles(queue.wake_to_run());
    });
    return text;
}

std::string describe_rings(const Reactor& reactor) {
    std::string text = line("%-16s %9s %9s %10s %9s %10s %9s %9s %9s\n", "ring", "enters", "submitted",
                            "completions", "overflows", "backlogged", "I/O p50", "p99", "max, us");
    reactor.for_each_ring([&text](const char* name, const RingDriver& ring) {
        const RingStats& stats = ring.stats();
        text +=
            line("%-16s %9llu %9llu %11llu %9llu %10llu", name, Count{stats.enters}, Count{stats.submitted},
                 Count{stats.completions}, Count{stats.overflows}, Count{stats.backlogged}) +
            quantiles(ring.latency());
    });
    return text;
}

}  // namespace

std::string describe(LocalExecutor& executor) {
    ExecutorStats stats = executor.stats();
    std::string text =
        line("executor %s: %llu turns of the loop, parked %llu times for %.1f ms, spun %.1f ms\n\n",
             executor.name().c_str(), Count{stats.turns}, Count{stats.parks}, milliseconds(stats.parked),
             milliseconds(stats.spun));
    text += describe_queues(executor.queues());
    if (const Reactor* reactor = executor.parker().as_reactor()) text += '\n' + describe_rings(*reactor);
    return text;
}

}  // namespace ringlet

// The jobs that the schedulers are compared on: what one costs, which worker is its home, when it arrives.
// The same for each scheduler, by a fixed seed.
#pragma once

#include "scheduler.hpp"

#include <algorithm>
#include <random>

namespace schedulers {

// Uses the CPU for about `cost`, as measured once by the first that is made. A count of steps and not a time
// to reach: a job that is preempted half-way has as much left to do as before.
class Burn {
public:
    explicit Burn(Duration cost)
        : steps_(static_cast<std::uint64_t>(static_cast<double>(cost.count()) / ns_per_step())) {}
    void operator()() const { spin(steps_); }

private:
    static void spin(std::uint64_t steps) {
        for (std::uint64_t x = 0; steps > 0; --steps) {
            x = x * 6364136223846793005u + 1;  // needs the x before it
            asm volatile("" : "+r"(x));
        }
    }
    static double ns_per_step() {
        static const double best = [] {
            constexpr std::uint64_t steps = 100'000;
            Duration shortest = Duration::max();
            for (int i = 0; i < 50; ++i) {
                Time begun = Clock::now();
                spin(steps);
                shortest = std::min(shortest, Clock::now() - begun);
            }
            return static_cast<double>(shortest.count()) / steps;
        }();
        return best;
    }

    std::uint64_t steps_;
};

// How much more than its even part the hot worker of a skewed load gets. With queues per core it is then the
// limit: all together do 1 / 1.5 of what they could.
constexpr double skew = 1.5;

// Home of each job. Even: each worker in turn. Skewed: at random, and worker 0 has more than the others.
inline std::vector<unsigned> make_homes(std::size_t jobs, unsigned workers, bool is_skewed) {
    std::vector<unsigned> homes(jobs);
    std::vector<double> weights(workers, workers > 1 ? (workers - skew) / (workers - 1) : 1);
    weights[0] = skew;
    std::mt19937_64 random(42);
    std::discrete_distribution<unsigned> draw(weights.begin(), weights.end());
    for (std::size_t i = 0; i < jobs; ++i) {
        homes[i] = is_skewed ? draw(random) : static_cast<unsigned>(i % workers);
    }
    return homes;
}

// When each job arrives, counted from the first: independent users, as many as fill `length` at `per_second`.
inline std::vector<Duration> make_arrivals(double per_second, Duration length) {
    std::vector<Duration> arrivals;
    std::mt19937_64 random(42);
    std::exponential_distribution<double> gap_s(per_second);
    double length_s = std::chrono::duration<double>(length).count();
    for (double at_s = 0; at_s < length_s; at_s += gap_s(random)) {
        arrivals.push_back(Duration(static_cast<Duration::rep>(at_s * 1e9)));
    }
    return arrivals;
}

}  // namespace schedulers

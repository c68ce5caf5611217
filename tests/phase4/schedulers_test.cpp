// The three schedulers of an example: each job runs once, no wake is lost, and who runs whose jobs.
#include "../../phase4-pool/examples/schedulers/load.hpp"
#include "../../phase4-pool/examples/schedulers/queue_per_core.hpp"
#include "../../phase4-pool/examples/schedulers/shared_queue.hpp"
#include "../../phase4-pool/examples/schedulers/work_stealing.hpp"

#include "../phase3/support.hpp"

#include <atomic>
#include <fstream>
#include <latch>
#include <numeric>
#include <string>
#include <unistd.h>

using namespace schedulers;

namespace {

constexpr unsigned no_worker = ~0u;

// 'S' once the thread sleeps; the third field of its line in /proc, after its name in brackets.
bool is_asleep(pid_t thread) {
    std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/stat");
    std::string line;
    std::getline(file, line);
    return line.at(line.rfind(')') + 2) == 'S';
}

std::uint64_t jobs_of(const Scheduler& scheduler) {
    return std::accumulate(scheduler.stats().begin(), scheduler.stats().end(), std::uint64_t{0},
                           [](std::uint64_t sum, const WorkerStats& worker) { return sum + worker.jobs; });
}

// Keeps a worker busy until it is let go.
class Blocker {
public:
    // Returns when a worker is at it; which one.
    unsigned block(Scheduler& scheduler, unsigned home) {
        scheduler.submit(home, [this](unsigned worker) {
            worker_ = worker;
            worker_.notify_one();
            released_.wait();
        });
        worker_.wait(no_worker);
        return worker_;
    }
    void release() { released_.count_down(); }

private:
    std::atomic<unsigned> worker_ = no_worker;
    std::latch released_{1};
};

}  // namespace

TEST_CASE_TEMPLATE("each job runs once, whoever submits it", S, SharedQueue, QueuePerCore, WorkStealing) {
    constexpr std::size_t submitters = 3, own = 2'000, jobs = 2 * submitters * own;
    constexpr unsigned workers = 4;
    std::vector<std::atomic<int>> runs(jobs);
    std::latch all_ran(jobs);
    S scheduler(workers);
    scheduler.start();
    auto submit_some = [&](std::size_t first) {
        for (std::size_t job = first; job < first + own; ++job) {
            scheduler.submit(job % workers, [&, job](unsigned) {
                ++runs[job];
                std::size_t child = job + submitters * own;
                scheduler.submit(child % 2, [&, child](unsigned) {
                    ++runs[child];
                    all_ran.count_down();
                });
                all_ran.count_down();
            });
        }
    };
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < submitters; ++i) threads.emplace_back(submit_some, i * own);
    for (std::thread& thread : threads) thread.join();
    all_ran.wait();
    scheduler.stop();
    CHECK(std::ranges::all_of(runs, [](const auto& count) { return count == 1; }));
    CHECK(jobs_of(scheduler) == jobs);
}

TEST_CASE_TEMPLATE("stop waits for all that was submitted", S, SharedQueue, QueuePerCore, WorkStealing) {
    for (int round = 0; round < 50; ++round) {
        std::atomic<int> runs = 0;
        S scheduler(3);
        if (round % 2 == 0) scheduler.start();
        for (unsigned job = 0; job < 300; ++job) scheduler.submit(job % 2, [&](unsigned) { ++runs; });
        if (round % 2 == 1) scheduler.start();
        scheduler.stop();
        REQUIRE(runs == 300);
    }
}

TEST_CASE_TEMPLATE("stop ends workers that never had a job", S, SharedQueue, QueuePerCore, WorkStealing) {
    for (int round = 0; round < 50; ++round) {
        S scheduler(4);
        scheduler.start();
        scheduler.stop();
        REQUIRE(jobs_of(scheduler) == 0);
    }
}

TEST_CASE_TEMPLATE("a worker that sleeps is woken", S, SharedQueue, QueuePerCore, WorkStealing) {
    S scheduler(1);
    scheduler.start();
    for (int round = 0; round < 100; ++round) {
        std::atomic<pid_t> thread = 0;
        scheduler.submit(0, [&](unsigned) {
            thread = gettid();
            thread.notify_one();
        });
        thread.wait(0);
        while (!is_asleep(thread)) std::this_thread::yield();
    }
    scheduler.stop();
    CHECK(scheduler.stats()[0].idle > Duration::zero());
    CHECK(scheduler.stats()[0].jobs == 100);
}

// Each job is submitted by the other worker, which then has none and falls asleep: one goes to sleep while
// the other submits to it.
TEST_CASE_TEMPLATE("no wake is lost to a worker that is about to sleep", S, SharedQueue, QueuePerCore,
                   WorkStealing) {
    constexpr unsigned rounds = 1'000;
    std::latch ended(1);
    S scheduler(2);
    scheduler.start();
    std::function<void(unsigned)> play = [&](unsigned round) {
        if (round == rounds) return ended.count_down();
        scheduler.submit(round % 2, [&play, round](unsigned) { play(round + 1); });
    };
    play(0);
    ended.wait();
    scheduler.stop();
    CHECK(jobs_of(scheduler) == rounds);
}

TEST_CASE("a job that comes between the look into the queues and the sleep is found") {
    std::atomic<WorkStealing*> target = nullptr;
    std::latch ran(1);
    support::AtPoint submit_late([&](std::string_view id) {
        if (id != "work stealing: found nothing") return;
        if (WorkStealing* scheduler = target.exchange(nullptr))
            scheduler->submit(0, [&](unsigned) { ran.count_down(); });
    });
    WorkStealing scheduler(1);
    target = &scheduler;
    scheduler.start();
    ran.wait();
    scheduler.stop();
    CHECK(target == nullptr);
}

// Worker 0 finds job `a` just before it would sleep, and is then chosen to be woken for job `b`, while worker
// 1 sleeps. False if worker 1 took `a` first. If the wake goes no further, this never returns.
bool choose_a_worker_that_found_a_job() {
    std::array<std::atomic<pid_t>, 2> threads{};
    std::atomic<bool> is_begun = false, is_chosen = false;
    std::latch together(2), a_ran(1), b_ran(1);
    WorkStealing scheduler(2);
    support::AtPoint interfere([&](std::string_view id) {
        if (gettid() != threads[0]) return;
        if (id == "work stealing: found nothing" && !is_begun.exchange(true)) {
            while (!is_asleep(threads[1])) std::this_thread::yield();
            scheduler.submit(0, [&](unsigned) {
                if (is_chosen) b_ran.wait();
                a_ran.count_down();
            });
        } else if (id == "work stealing: found a job after all" && !is_chosen) {
            while (!is_asleep(threads[1])) std::this_thread::yield();
            is_chosen = true;
            scheduler.submit(0, [&](unsigned) { b_ran.count_down(); });
        }
    });
    scheduler.start();
    for (int i = 0; i < 2; ++i) {
        scheduler.submit(0, [&](unsigned worker) {
            threads[worker] = gettid();
            together.arrive_and_wait();
        });
    }
    a_ran.wait();
    scheduler.stop();
    return is_chosen;
}

TEST_CASE("a wake that reaches a worker which has just found a job is passed on") {
    int rounds = 0;
    while (rounds < 1'000 && !choose_a_worker_that_found_a_job()) ++rounds;
    CHECK(rounds < 1'000);
}

// They wait for each other: were one left in line behind another while a worker sleeps, none would end.
TEST_CASE_TEMPLATE("no worker sleeps while a job waits", S, SharedQueue, WorkStealing) {
    constexpr int workers = 3, rounds = 300;
    S scheduler(workers);
    scheduler.start();
    for (int round = 0; round < rounds; ++round) {
        std::latch together(workers), done(workers);
        for (int i = 0; i < workers; ++i) {
            scheduler.submit(0, [&](unsigned) {
                together.arrive_and_wait();
                done.count_down();
            });
        }
        done.wait();
    }
    scheduler.stop();
    CHECK(jobs_of(scheduler) == rounds * workers);
}

TEST_CASE_TEMPLATE("a job in line behind a long one runs on another worker", S, SharedQueue, WorkStealing) {
    Blocker blocker;
    S scheduler(2);
    scheduler.start();
    unsigned busy = blocker.block(scheduler, 0);
    std::latch ran(10);
    for (int i = 0; i < 10; ++i) scheduler.submit(busy, [&](unsigned) { ran.count_down(); });
    ran.wait();
    blocker.release();
    scheduler.stop();
    CHECK(scheduler.stats()[1 - busy].jobs == 10);
    if constexpr (std::is_same_v<S, WorkStealing>) CHECK(scheduler.stats()[1 - busy].stolen == 10);
}

TEST_CASE("with queues per core a job runs at home, behind a long one too") {
    Blocker blocker;
    QueuePerCore scheduler(2);
    scheduler.start();
    CHECK(blocker.block(scheduler, 0) == 0);
    std::atomic<int> at_home = 0;
    std::latch neighbour_ran(1);
    for (int i = 0; i < 10; ++i) scheduler.submit(0, [&](unsigned worker) { at_home += worker == 0; });
    scheduler.submit(1, [&](unsigned) { neighbour_ran.count_down(); });
    neighbour_ran.wait();
    CHECK(at_home == 0);
    blocker.release();
    scheduler.stop();
    CHECK(at_home == 10);
}

TEST_CASE("a thief takes the oldest job, as the owner does") {
    Blocker blocker;
    WorkStealing scheduler(2);
    scheduler.start();
    unsigned busy = blocker.block(scheduler, 0);
    std::vector<int> order;
    std::latch ran(100);
    for (int i = 0; i < 100; ++i) {
        scheduler.submit(busy, [&, i](unsigned) {
            order.push_back(i);
            ran.count_down();
        });
    }
    ran.wait();
    blocker.release();
    scheduler.stop();
    CHECK(std::ranges::is_sorted(order));
    CHECK(order.size() == 100);
}

TEST_CASE("an even load gives each worker as many jobs, a skewed one half as many again to the first") {
    auto count_first = [](const std::vector<unsigned>& homes) { return std::ranges::count(homes, 0u); };
    CHECK(count_first(make_homes(10'000, 4, false)) == 2'500);
    CHECK(count_first(make_homes(10'000, 4, true)) == doctest::Approx(3'750).epsilon(0.05));
    CHECK(count_first(make_homes(10'000, 2, true)) == doctest::Approx(7'500).epsilon(0.05));
    CHECK(count_first(make_homes(100, 1, true)) == 100);
}

TEST_CASE("arrivals ascend and come at the rate that was asked for") {
    auto arrivals = make_arrivals(10'000, std::chrono::seconds(1));
    CHECK(std::ranges::is_sorted(arrivals));
    CHECK(arrivals.back() < std::chrono::seconds(1));
    CHECK(static_cast<double>(arrivals.size()) == doctest::Approx(10'000).epsilon(0.05));
}

// A task that holds the core and never yields, and who finds it.
//
// Shows: LocalExecutorBuilder::detect_stalls(). A task that computes and one that sleeps in a system call are
//        both found; one that works as long, but yields if it is asked to, is not.
// Run:   ./stall 2>&1 | c++filt
// See:   two reports, each with its queue and a stack, in which count_primes and nap stand; then what the
//        executor has counted. Read on in ringlet/executor/stall_detector.hpp.
#include <ringlet/runtime.hpp>

#include "example/options.hpp"

#include <cstdio>
#include <thread>

using namespace ringlet;
using namespace std::chrono_literals;

// Not in a namespace without a name: what has none outside of its file has none on a stack either.
[[gnu::noinline]] unsigned count_primes(Duration longest) {
    Time end = after(Clock::now(), longest);
    unsigned primes = 0;
    for (unsigned candidate = 2; Clock::now() < end; ++candidate) {
        unsigned divisor = 2;
        while (candidate % divisor != 0) ++divisor;
        primes += divisor == candidate;
    }
    return primes;
}

[[gnu::noinline]] void nap(Duration longest) { std::this_thread::sleep_for(longest); }

namespace {

Co<void> compute() {
    std::printf("%u primes without a pause\n", count_primes(100ms));
    co_return;
}

Co<void> block() {
    nap(50ms);
    co_return;
}

Co<void> compute_politely() {
    Time end = after(Clock::now(), 100ms);
    while (Clock::now() < end) co_await yield_if_needed();
}

}  // namespace

int main(int argc, char** argv) {
    example::Options options(argc, argv, "a task that never yields, and the report of it");
    auto executor = options.make(LocalExecutorBuilder().name("stall").detect_stalls());
    auto run_in = [&](const char* queue, Co<void> task) {
        TaskQueueHandle handle = executor->create_task_queue(queue);
        auto done = executor->spawn_local_into(handle, std::move(task)).value();
        executor->run(std::move(done));
        auto stalls = executor->queue(handle)->stats().stalls;
        std::printf("queue %s: %llu stalls\n", queue, static_cast<unsigned long long>(stalls));
        std::fflush(stdout);
    };
    run_in("primes", compute());
    run_in("naps", block());
    run_in("polite", compute_politely());
}

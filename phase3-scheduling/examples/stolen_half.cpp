// A queue with 1 share beside a queue with 1,000. It works a little, blocks for 10 us, and works again. A
// scheduler that forgets what a queue owes while it sleeps gives it up to half of the core.
//
// Shows: debt. Ours is kept; with --forget the example cheats: after each sleep the work goes on in a new
//        queue, which has no debt.
// Run:   ./stolen_half; ./stolen_half --forget
// See:   0.1 %, and with --forget about a third: half, less the sleeps and what a new queue costs.
//        Read on in ringlet/executor/queue_manager.hpp.
#include <ringlet/runtime.hpp>
#include <ringlet/time/sleep.hpp>

#include <cstdio>

#include "example/options.hpp"

using namespace ringlet;
using namespace std::chrono_literals;

namespace {

// As short as they may be, so that the large queue's slice is no longer than the small one's.
constexpr Duration slice = 200us;

Co<void> hog(const bool& stop) {
    while (!stop) co_await yield_if_needed();
}

// Stops when it would be stopped, and so is never found at work with its slice used up.
Co<void> work_a_little(Duration& used) {
    Time began = Clock::now();
    while (!need_preempt()) continue;
    used += Clock::now() - began;
    co_return;
}

Co<void> work_and_block(bool forget, const bool& stop, Duration& used) {
    TaskQueueHandle queue = create_task_queue(Shares::Static{1}, Latency{}, "small");
    while (!stop) {
        auto working = spawn_local_into(queue, work_a_little(used)).value();
        co_await working;
        co_await sleep(10us);
        if (!forget) continue;
        current_executor()->remove_task_queue(queue).value();
        queue = create_task_queue(Shares::Static{1}, Latency{}, "small");
    }
}

Co<void> compare(bool forget, Duration time) {
    bool stop = false;
    Duration used{};
    TaskQueueHandle large = create_task_queue(Shares::Static{1000}, Latency{}, "large");
    auto hogging = spawn_local_into(large, hog(stop)).value();
    auto small = spawn_local(work_and_block(forget, stop, used));
    co_await sleep(time);
    std::printf("%-28s the queue with 1 share of 1,001 had %5.1f %% of the core\n",
                forget ? "debt forgotten (--forget):" : "debt kept:",
                100 * static_cast<double>(used.count()) / static_cast<double>(time.count()));
    stop = true;
    small.cancel();
    co_await hogging;
}

}  // namespace

int main(int argc, char** argv) {
    example::Options options(argc, argv, "what a sleeping queue owes", {"--forget"});
    auto executor = options.make(LocalExecutorBuilder().name("stolen half").slice(slice));
    executor->run(compare(options.has("--forget"), 2s));
}

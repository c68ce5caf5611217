// Two queues that always want the core, with shares 2:1, and the shares turned round while they run.
//
// Shows: Shares::Dynamic, how vruntime keeps queues level, QueueStats.
// Run:   ./shares
// See:   66.7 % and 33.3 %; half-way 33.3 % and 66.7 %, from one reading of the shares to the next.
//        Read on in ringlet/executor/queue_manager.hpp.
#include <ringlet/runtime.hpp>
#include <ringlet/time/sleep.hpp>

#include <cstdio>

#include "example/options.hpp"

using namespace ringlet;
using namespace std::chrono_literals;

namespace {

Co<void> hog(const bool& stop) {
    while (!stop) co_await yield_if_needed();
}

Duration used(TaskQueueHandle queue) { return current_executor()->queue(queue)->stats().runtime; }

Co<void> compare() {
    unsigned wanted = 1000;
    bool stop = false;
    auto ask = [&wanted] { return wanted; };
    TaskQueueHandle first = create_task_queue(Shares::Dynamic{ask, 50ms}, Latency{}, "first");
    TaskQueueHandle second = create_task_queue(Shares::Static{500}, Latency{}, "second");
    auto one = spawn_local_into(first, hog(stop)).value();
    auto two = spawn_local_into(second, hog(stop)).value();
    for (int quarter = 1; quarter <= 8; ++quarter) {
        Duration first_before = used(first);
        Duration second_before = used(second);
        co_await sleep(250ms);
        auto first_used = static_cast<double>((used(first) - first_before).count());
        auto second_used = static_cast<double>((used(second) - second_before).count());
        double part = 100 * first_used / (first_used + second_used);
        std::printf("%4d ms   shares %4u : 500   first %5.1f %%   second %5.1f %%\n", quarter * 250, wanted,
                    part, 100 - part);
        if (quarter == 4) wanted = 250;
    }
    stop = true;
    co_await one;
    co_await two;
}

}  // namespace

int main(int argc, char** argv) {
    example::Options options(argc, argv, "two queues that share the core by their shares");
    options.make(LocalExecutorBuilder().name("shares"))->run(compare());
}

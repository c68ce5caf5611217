// Two task queues: tasks take turns within a queue, queues take turns with each other.
//
// Shows: named queues, spawn_local_into, first in first out, yield_now.
// Run:   ./two_queues
// See:   "tea" tasks in one go, then "coffee" tasks in one go, each queue in the order of its yields.
//        Read on in ringlet/executor/queue_manager.hpp.
#include <ringlet/runtime.hpp>

#include <cstdio>
#include <string>
#include <vector>

using namespace ringlet;

namespace {

Co<void> drink(std::string name) {
    for (int sip = 1; sip <= 2; ++sip) {
        std::printf("%-8s sip %d, queue %s\n", name.c_str(), sip,
                    current_executor()->current_queue().name().c_str());
        co_await yield_now();
    }
}

Co<void> two_queues() {
    TaskQueueHandle tea = create_task_queue("tea");
    TaskQueueHandle coffee = create_task_queue("coffee");
    std::vector<JoinHandle<void>> drinkers;
    drinkers.push_back(spawn_local_into(tea, drink("assam")).value());
    drinkers.push_back(spawn_local_into(coffee, drink("mocha")).value());
    drinkers.push_back(spawn_local_into(tea, drink("sencha")).value());
    drinkers.push_back(spawn_local_into(coffee, drink("arabica")).value());
    for (JoinHandle<void>& drinker : drinkers) co_await drinker;
}

}  // namespace

int main() {
    auto executor = LocalExecutorBuilder().make();
    if (!executor) {
        std::fprintf(stderr, "%s\n", executor.error().text.c_str());
        return 1;
    }
    (*executor)->run(two_queues());
}

// Floor of rows B1 to B3 (and of B4, whose level is measured in turns of B1): the least that is still a run
// queue of tasks. A task is a function and what a coroutine would keep in its frame.
//
//   floor_tasks yield       [--count N]
//   floor_tasks spawn-await [--count N]
//   floor_tasks spawn-batch [--tasks N] [--rounds N]
//
// The queue is std::deque, which gives the 2 ns a turn and the 10 ns a spawn that the bars were set by; an
// intrusive list would take 1.4 ns and 9.

#include "report.h"

#include <cstdint>
#include <cstdlib>
#include <deque>
#include <vector>

namespace {

struct Task {
    void (*run)(Task*);
};

std::deque<Task*> queue;

void run_until_idle() {
    while (!queue.empty()) {
        Task* task = queue.front();
        queue.pop_front();
        task->run(task);
    }
}

void report_each(const char* row, const char* name, std::uint64_t started_ns, std::uint64_t count) {
    report(Result{.row = row,
                  .name = name,
                  .value = ns_each(started_ns, count),
                  .unit = "ns",
                  .who = nullptr,
                  .extra_name = nullptr,
                  .extra = 0});
}

struct Yielder : Task {
    std::uint64_t turns;
};

void yield_in_turn(std::uint64_t turns) {
    auto yield_once = [](Task* task) {
        if (--static_cast<Yielder*>(task)->turns != 0) {
            queue.push_back(task);
        }
    };
    Yielder first{{yield_once}, turns / 2};
    Yielder second{{yield_once}, turns / 2};
    queue.push_back(&first);
    queue.push_back(&second);
    const std::uint64_t started_ns = clock_ns();
    run_until_idle();
    report_each("B1", "yield", started_ns, turns);
}

// A spawned task: an allocation of its own that outlives the run, because the handle reads its output. Its
// block is as large as a runtime's, which keeps a future beside its header. That decides B3: beyond 120 bytes
// glibc serves a batch from its slower bins, 17 ns a task against 10.
struct Child : Task {
    std::uint64_t output;
    Task* waiter;
    char future[104];
};

void run_child(Task* task) {
    auto* child = static_cast<Child*>(task);
    child->output += 1;
    if (child->waiter != nullptr) {
        queue.push_back(child->waiter);
    }
}

Child* spawn(std::uint64_t input) {
    auto* child = static_cast<Child*>(std::malloc(sizeof(Child)));
    child->run = run_child;
    child->output = input;
    child->waiter = nullptr;
    queue.push_back(child);
    return child;
}

std::uint64_t take_output(Child* child) {
    const std::uint64_t output = child->output;
    std::free(child);
    return output;
}

// Awaits its child each time it runs, then spawns the next.
struct Spawner : Task {
    std::uint64_t left;
    std::uint64_t sum;
    Child* child;
};

void spawn_and_await(std::uint64_t count) {
    auto run = [](Task* task) {
        auto* spawner = static_cast<Spawner*>(task);
        if (spawner->child != nullptr) {
            spawner->sum += take_output(spawner->child);
        }
        if (spawner->left-- != 0) {
            spawner->child = spawn(spawner->left);
            spawner->child->waiter = spawner;
        }
    };
    Spawner spawner{{run}, count, 0, nullptr};
    queue.push_back(&spawner);
    const std::uint64_t started_ns = clock_ns();
    run_until_idle();
    report_each("B2", "spawn_await", started_ns, count);
    check(spawner.sum == count * (count + 1) / 2, "each child ran once");
}

void spawn_a_batch(std::uint64_t tasks, std::uint64_t rounds) {
    std::vector<Child*> children(tasks);
    std::uint64_t started_ns = 0;
    // The first round pays for page faults; it is not counted.
    for (std::uint64_t round = 0; round <= rounds; ++round) {
        if (round == 1) {
            started_ns = clock_ns();
        }
        for (std::uint64_t index = 0; index < tasks; ++index) {
            children[index] = spawn(index);
        }
        run_until_idle();
        std::uint64_t sum = 0;
        for (Child* child : children) {
            sum += take_output(child);
        }
        check(sum == tasks * (tasks + 1) / 2, "each child ran once");
    }
    char name[32];
    snprintf(name, sizeof name, "batch_%llu", static_cast<unsigned long long>(tasks));
    report_each("B3", name, started_ns, tasks * rounds);
}

}  // namespace

int main(int argc, char** argv) {
    if (subcommand_is(argc, argv, "yield")) {
        yield_in_turn(argument(argc, argv, "--count", 100'000'000));
    } else if (subcommand_is(argc, argv, "spawn-await")) {
        spawn_and_await(argument(argc, argv, "--count", 20'000'000));
    } else if (subcommand_is(argc, argv, "spawn-batch")) {
        spawn_a_batch(argument(argc, argv, "--tasks", 1'000), argument(argc, argv, "--rounds", 10'000));
    } else {
        check(0, "a known subcommand");
    }
}

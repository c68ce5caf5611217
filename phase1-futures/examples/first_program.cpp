// The first program: two tasks, one thread, and the sum 1 + 2.
//
// Shows: an executor, a coroutine that is a future, a task that is spawned and awaited.
// Run:   ./first_program
// See:   "adding", then "3". Read on in ringlet/executor/local_executor.hpp.
#include <ringlet/runtime.hpp>

#include <cstdio>
#include <optional>

using namespace ringlet;

namespace {

Co<int> add(int a, int b) {
    std::puts("adding");
    co_await yield_now();  // back to the end of the queue, once
    co_return a + b;
}

// The handle gives an empty optional if the task was cancelled; nobody cancels this one.
Co<int> first_program() {
    JoinHandle<int> sum = spawn_local(add(1, 2));
    std::optional<int> value = co_await sum;
    co_return value.value();
}

}  // namespace

int main() {
    auto executor = LocalExecutorBuilder().name("first").make();
    if (!executor) {
        std::fprintf(stderr, "%s\n", executor.error().text.c_str());
        return 1;
    }
    std::printf("%d\n", (*executor)->run(first_program()));
}

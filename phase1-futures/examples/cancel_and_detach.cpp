// Three ends of a task: awaited, cancelled, detached.
//
// Shows: what a JoinHandle is for, that a cancelled future's destructors run, that a detached task goes on.
// Run:   ./cancel_and_detach
// See:   one line for each end. Read on in ringlet/task/join_handle.hpp and ringlet/task/state.hpp.
#include <ringlet/runtime.hpp>

#include <cstdio>
#include <utility>

using namespace ringlet;

namespace {

struct Guard {
    const char* name;
    explicit Guard(const char* who) : name(who) {}
    ~Guard() { std::printf("  %s: its locals are destroyed\n", name); }
};

Co<int> count_to(const char* name, int last) {
    Guard guard(name);
    for (int i = 1; i <= last; ++i) {
        std::printf("  %s: %d\n", name, i);
        co_await yield_now();
    }
    co_return last;
}

Co<void> three_ends() {
    JoinHandle<int> awaited = spawn_local(count_to("awaited", 2));
    std::optional<int> value = co_await awaited;
    std::printf("awaited: got %d\n", value.value());

    JoinHandle<int> cancelled = spawn_local(count_to("cancelled", 1000));
    co_await yield_now();  // let it begin
    cancelled.cancel();
    value = co_await cancelled;
    std::printf("cancelled: %s\n", value ? "has a value" : "no value, and its future is gone");

    spawn_local(count_to("detached", 3)).detach();
    for (int turn = 0; turn < 4; ++turn) co_await yield_now();
    std::puts("detached: it ran to its end by itself");
}

}  // namespace

int main() {
    auto executor = LocalExecutorBuilder().make();
    if (!executor) {
        std::fprintf(stderr, "%s\n", executor.error().text.c_str());
        return 1;
    }
    (*executor)->run(three_ends());
}

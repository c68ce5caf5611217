// One executor on one CPU: a thread that never migrates.
//
// Shows: Placement::Fixed, an executor on a thread of its own, and the error for a CPU that is not there.
// Run:   ./pinned_executor
// See:   the same CPU number in each line, then an error that names the CPUs that may be used.
//        Read on in ringlet/executor/placement.cpp.
#include <ringlet/runtime.hpp>

#include <cstdio>
#include <sched.h>

using namespace ringlet;

namespace {

Co<void> show_cpu() {
    for (int turn = 0; turn < 3; ++turn) {
        std::printf("turn %d on CPU %d\n", turn, sched_getcpu());
        co_await yield_now();
    }
}

}  // namespace

int main() {
    unsigned cpu = allowed_cpus().back();
    auto pinned = LocalExecutorBuilder().name("pinned").placement(Placement::Fixed{cpu}).spawn(&show_cpu);
    if (!pinned) {
        std::fprintf(stderr, "%s\n", pinned.error().text.c_str());
        return 1;
    }
    pinned->join();

    auto absent = LocalExecutorBuilder().placement(Placement::Fixed{9999}).make();
    std::printf("CPU 9999: %s\n", absent ? "exists?" : absent.error().text.c_str());
    return absent ? 1 : 0;
}

// Floor of row B7: a number of NOPs kept in flight through one ring. Each completion is answered with the
// next NOP, as a task that awaits one after another would.
//
//   floor_nop [--tasks N] [--count N]

#include "ring.h"

static uint64_t run(struct io_uring* ring, uint64_t tasks, uint64_t count) {
    uint64_t submitted = 0;
    uint64_t completed = 0;
    for (; submitted < tasks; ++submitted) {
        io_uring_prep_nop(next_sqe(ring));
    }
    while (completed < count) {
        submit_and_wait(ring);
        struct io_uring_cqe* cqe;
        unsigned head;
        unsigned reaped = 0;
        io_uring_for_each_cqe(ring, head, cqe) {
            check(cqe->res == 0, "a NOP succeeds");
            ++reaped;
            if (submitted < count) {
                io_uring_prep_nop(next_sqe(ring));
                ++submitted;
            }
        }
        io_uring_cq_advance(ring, reaped);
        completed += reaped;
    }
    return completed;
}

int main(int argc, char** argv) {
    const uint64_t tasks = argument(argc, argv, "--tasks", 1);
    const uint64_t count = argument(argc, argv, "--count", 3000000);
    struct io_uring ring;
    make_ring(&ring, 256);
    run(&ring, tasks, count / 10);
    const uint64_t started_ns = clock_ns();
    const uint64_t completed = run(&ring, tasks, count);
    const double each_ns = ns_each(started_ns, completed);
    char name[32];
    snprintf(name, sizeof name, "nop_%d", (int)tasks);
    report((struct Result){.row = "B7", .name = name, .value = each_ns, .unit = "ns"});
    io_uring_queue_exit(&ring);
    return 0;
}

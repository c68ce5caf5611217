// Floor of row B10: 4 KiB reads past the page cache, a fixed number in flight through one ring, each at a
// random block of its own sequence. A read is submitted as soon as the one before it has been reaped.
//
//   floor_direct --file FILE [--tasks N] [--ms N]

#define _GNU_SOURCE
#include "ring.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { BLOCK_BYTES = 4096, TASKS_MAX = 256 };

struct Reader {
    uint64_t random_state;
    char* buffer;
};

static int file;
static uint64_t blocks;

static uint64_t next_offset(struct Reader* reader) {
    uint64_t state = reader->random_state;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    reader->random_state = state;
    return state % blocks * BLOCK_BYTES;
}

static void start_read(struct io_uring* ring, struct Reader* reader) {
    struct io_uring_sqe* sqe = next_sqe(ring);
    io_uring_prep_read(sqe, file, reader->buffer, BLOCK_BYTES, next_offset(reader));
    io_uring_sqe_set_data(sqe, reader);
    or_die(io_uring_submit(ring), "io_uring_submit");
}

static double cpu_us(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

int main(int argc, char** argv) {
    const char* path = text_argument(argc, argv, "--file", "");
    const uint64_t tasks = argument(argc, argv, "--tasks", 32);
    const uint64_t duration_ns = argument(argc, argv, "--ms", 2000) * 1000000;
    check(tasks <= TASKS_MAX, "--tasks within bounds");

    file = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
    or_die(file < 0 ? -errno : 0, path);
    struct stat status;
    check(fstat(file, &status) == 0 && status.st_size >= BLOCK_BYTES, "a file of at least one block");
    blocks = (uint64_t)status.st_size / BLOCK_BYTES;

    struct io_uring ring;
    make_ring(&ring, TASKS_MAX);
    static struct Reader readers[TASKS_MAX];
    const double cpu_before_us = cpu_us();
    const uint64_t started_ns = clock_ns();
    for (uint64_t index = 0; index < tasks; ++index) {
        readers[index].random_state = (index + 1) * 0x9E3779B97F4A7C15u + 1;
        readers[index].buffer = aligned_alloc(BLOCK_BYTES, BLOCK_BYTES);
        start_read(&ring, &readers[index]);
    }
    uint64_t completed = 0;
    uint64_t in_flight = tasks;
    while (in_flight > 0) {
        submit_and_wait(&ring);
        const int goes_on = clock_ns() - started_ns < duration_ns;
        struct io_uring_cqe* cqe;
        while (io_uring_peek_cqe(&ring, &cqe) == 0) {
            check(cqe->res == BLOCK_BYTES, "a whole block is read");
            struct Reader* reader = io_uring_cqe_get_data(cqe);
            io_uring_cqe_seen(&ring, cqe);
            ++completed;
            if (goes_on) {
                start_read(&ring, reader);
            } else {
                --in_flight;
            }
        }
    }
    const double seconds = (double)(clock_ns() - started_ns) / 1e9;
    report((struct Result){.row = "B10",
                           .name = "direct_reads",
                           .value = (double)completed / seconds / 1000,
                           .unit = "kIOPS",
                           .extra_name = "cpu_us",
                           .extra = (cpu_us() - cpu_before_us) / (double)completed});
    io_uring_queue_exit(&ring);
    return 0;
}

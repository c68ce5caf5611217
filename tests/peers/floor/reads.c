// Floor of row B10b: 4 KiB reads of a cached file, a fixed number in flight through one ring, each at a
// random block of its own sequence.
//
//   floor_reads --file FILE [--tasks N] [--count N]

#define _GNU_SOURCE
#include "ring.h"

#include <errno.h>
#include <fcntl.h>
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
}

int main(int argc, char** argv) {
    const char* path = text_argument(argc, argv, "--file", "");
    const uint64_t tasks = argument(argc, argv, "--tasks", 32);
    const uint64_t count = argument(argc, argv, "--count", 1000000);
    check(tasks <= TASKS_MAX, "--tasks within bounds");

    file = open(path, O_RDONLY | O_CLOEXEC);
    or_die(file < 0 ? -errno : 0, path);
    struct stat status;
    check(fstat(file, &status) == 0 && status.st_size >= BLOCK_BYTES, "a file of at least one block");
    blocks = (uint64_t)status.st_size / BLOCK_BYTES;

    struct io_uring ring;
    make_ring(&ring, TASKS_MAX);
    static struct Reader readers[TASKS_MAX];
    for (uint64_t index = 0; index < tasks; ++index) {
        readers[index].random_state = (index + 1) * 0x9E3779B97F4A7C15u + 1;
        readers[index].buffer = aligned_alloc(BLOCK_BYTES, BLOCK_BYTES);
    }

    const uint64_t started_ns = clock_ns();
    uint64_t started = 0;
    uint64_t completed = 0;
    for (; started < tasks; ++started) {
        start_read(&ring, &readers[started]);
    }
    while (completed < count) {
        submit_and_wait(&ring);
        struct io_uring_cqe* cqe;
        unsigned head;
        unsigned reaped = 0;
        io_uring_for_each_cqe(&ring, head, cqe) {
            check(cqe->res == BLOCK_BYTES, "a whole block is read");
            ++reaped;
            if (started < count) {
                start_read(&ring, io_uring_cqe_get_data(cqe));
                ++started;
            }
        }
        io_uring_cq_advance(&ring, reaped);
        completed += reaped;
    }
    const double seconds = (double)(clock_ns() - started_ns) / 1e9;
    report((struct Result){
        .row = "B10b", .name = "cached_reads", .value = (double)completed / seconds / 1000, .unit = "kIOPS"});
    io_uring_queue_exit(&ring);
    return 0;
}

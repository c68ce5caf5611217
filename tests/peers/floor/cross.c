// Floor of row B11: messages and round trips between two threads, each on a CPU of its own.
//
//   floor_cross batched   a queue of one writer and one reader, who publish their indices once per batch
//   floor_cross line      a round trip through two words: both threads spin
//   floor_cross futex     the same, and both sleep on their words
//   floor_cross message   both sleep in their rings, and wake each other from ring to ring
//   floor_cross event     both sleep in their rings, which poll an eventfd
//       [--count N] [--cpu N] [--other-cpu N]

#define _GNU_SOURCE
#include "two_threads.h"

#include <linux/futex.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

// One of the two threads, and what the other has to know of it.
struct Side {
    _Alignas(64) _Atomic uint32_t word;  // the other's trips so far
    _Alignas(64) struct io_uring ring;
    int event;
    uint64_t cpu;
};

// How one side tells the other of its trip, and how that waits for it.
struct Way {
    const char* name;
    const char* who;
    const char* reported_as;
    void (*strike)(struct Side* from, struct Side* to, uint32_t trip);
    void (*await)(struct Side* side, uint32_t trip);
};

static void write_word(struct Side* from, struct Side* to, uint32_t trip) {
    (void)from;
    atomic_store_explicit(&to->word, trip, memory_order_release);
}

static void spin_on_word(struct Side* side, uint32_t trip) {
    while (atomic_load_explicit(&side->word, memory_order_acquire) != trip) {
    }
}

static void wake_word(struct Side* from, struct Side* to, uint32_t trip) {
    write_word(from, to, trip);
    syscall(SYS_futex, &to->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void sleep_on_word(struct Side* side, uint32_t trip) {
    while (atomic_load_explicit(&side->word, memory_order_acquire) != trip) {
        syscall(SYS_futex, &side->word, FUTEX_WAIT_PRIVATE, trip - 1, NULL, NULL, 0);
    }
}

static void send_message(struct Side* from, struct Side* to, uint32_t trip) {
    (void)trip;
    message_ring(&from->ring, &to->ring);
}

static void write_event(struct Side* from, struct Side* to, uint32_t trip) {
    (void)from, (void)trip;
    ring_event(to->event);
}

static void sleep_in_ring(struct Side* side, uint32_t trip) {
    (void)trip;
    while (reap(&side->ring) == 0) {
        submit_and_wait(&side->ring);
    }
}

static const struct Way ways[] = {
    {"line", NULL, "round_trip_spinning", write_word, spin_on_word},
    {"futex", NULL, "round_trip_blocking", wake_word, sleep_on_word},
    {"message", "raw ring", "round_trip_blocking", send_message, sleep_in_ring},
    {"event", "raw eventfd", "round_trip_blocking", write_event, sleep_in_ring},
};

static struct Side asking;
static struct Side answering;
static pthread_barrier_t both_stand;

// The ring belongs to the thread that makes it.
static void begin(struct Side* side) {
    pin_to(side->cpu);
    make_ring(&side->ring, 8);
    side->event = or_die(eventfd(0, EFD_CLOEXEC), "eventfd");
    watch_event(&side->ring, side->event);
    pthread_barrier_wait(&both_stand);
}

struct Trips {
    const struct Way* way;
    uint32_t count;
};

static void* answer(void* argument) {
    const struct Trips* trips = argument;
    begin(&answering);
    for (uint32_t trip = 1; trip <= trips->count; ++trip) {
        trips->way->await(&answering, trip);
        trips->way->strike(&answering, &asking, trip);
    }
    return NULL;
}

// The first tenth warms up and is not timed.
static void measure_trips(struct Trips trips) {
    const uint32_t warm_up = trips.count / 10;
    uint64_t started_ns = 0;
    pthread_t thread;
    check(pthread_create(&thread, NULL, answer, &trips) == 0, "pthread_create");
    begin(&asking);
    for (uint32_t trip = 1; trip <= trips.count; ++trip) {
        if (trip == warm_up + 1) {
            started_ns = clock_ns();
        }
        trips.way->strike(&asking, &answering, trip);
        trips.way->await(&asking, trip);
    }
    const double each_ns = ns_each(started_ns, trips.count - warm_up);
    pthread_join(thread, NULL);
    const int in_ns = trips.way->await == spin_on_word;
    report((struct Result){.row = "B11",
                           .name = trips.way->reported_as,
                           .value = in_ns ? each_ns : each_ns / 1000,
                           .unit = in_ns ? "ns" : "us",
                           .who = trips.way->who});
}

enum { CAPACITY = 1 << 12, BATCH = 1 << 9 };

static struct {
    _Alignas(64) _Atomic uint64_t written;
    _Alignas(64) _Atomic uint64_t read;
    _Alignas(64) uint64_t items[CAPACITY];
} queue;

static void* write_batches(void* argument) {
    const uint64_t count = *(const uint64_t*)argument;
    pin_to(answering.cpu);
    uint64_t read = 0;
    for (uint64_t written = 0; written < count; written += BATCH) {
        while (written + BATCH - read > CAPACITY) {
            read = atomic_load_explicit(&queue.read, memory_order_acquire);
        }
        uint64_t* batch = queue.items + written % CAPACITY;
        for (uint64_t index = 0; index < BATCH; ++index) {
            batch[index] = written + index;
        }
        atomic_store_explicit(&queue.written, written + BATCH, memory_order_release);
    }
    return NULL;
}

static void measure_batches(uint64_t count) {
    count -= count % BATCH;
    pthread_t thread;
    check(pthread_create(&thread, NULL, write_batches, &count) == 0, "pthread_create");
    pin_to(asking.cpu);
    uint64_t sum = 0;
    uint64_t written = 0;
    const uint64_t started_ns = clock_ns();
    for (uint64_t read = 0; read < count; read += BATCH) {
        while (written == read) {
            written = atomic_load_explicit(&queue.written, memory_order_acquire);
        }
        const uint64_t* batch = queue.items + read % CAPACITY;
        for (uint64_t index = 0; index < BATCH; ++index) {
            sum += batch[index];
        }
        atomic_store_explicit(&queue.read, read + BATCH, memory_order_release);
    }
    const double each_ns = ns_each(started_ns, count);
    pthread_join(thread, NULL);
    check(sum == count * (count - 1) / 2, "each message arrives once");
    report((struct Result){.row = "B11", .name = "batched", .value = 1000 / each_ns, .unit = "M/s"});
}

int main(int argc, char** argv) {
    asking.cpu = argument(argc, argv, "--cpu", 0);
    answering.cpu = argument(argc, argv, "--other-cpu", 1);
    if (subcommand_is(argc, argv, "batched")) {
        measure_batches(argument(argc, argv, "--count", 500000000));
        return 0;
    }
    check(pthread_barrier_init(&both_stand, NULL, 2) == 0, "pthread_barrier_init");
    for (size_t index = 0; index < sizeof ways / sizeof *ways; ++index) {
        if (subcommand_is(argc, argv, ways[index].name)) {
            const uint64_t otherwise = index == 0 ? 5000000 : 50000;
            measure_trips((struct Trips){&ways[index], (uint32_t)argument(argc, argv, "--count", otherwise)});
            return 0;
        }
    }
    check(0, "a known subcommand");
}

// Floor of row B12: what it costs the sender to wake a thread on another CPU. Timed is the one call; the next
// follows when the owner has answered and, if it is to, sleeps again.
//
//   floor_wakes parked          a write to an eventfd that the owner's ring polls, in which it sleeps
//   floor_wakes parked-message  from ring to ring, to an owner that sleeps
//   floor_wakes busy            a write to an eventfd that the ring of an owner polls who is busy
//   floor_wakes busy-word       an exchange of a word at which a busy owner looks: no kernel at all
//       [--count N] [--cpu N] [--other-cpu N]

#define _GNU_SOURCE
#include "two_threads.h"

#include <sys/eventfd.h>

// Far longer than the owner needs from its answer to its sleep.
enum { FALLS_ASLEEP_NS = 50000 };

struct Way {
    const char* name;
    const char* who;
    const char* reported_as;
    uint64_t count;
    unsigned ring_flags;  // of the owner's
    void (*wake)(void);
    int (*is_woken)(void);  // may sleep
};

static struct {
    struct io_uring ring;  // belongs to the thread that makes it
    int event;
    uint64_t cpu;
    const struct Way* way;
    uint64_t count;
    _Alignas(64) _Atomic uint64_t answers;
    _Alignas(64) _Atomic uint32_t word;
} owner;

static struct io_uring sender_ring;
static pthread_barrier_t both_stand;

static void write_event(void) { ring_event(owner.event); }
static void send_message(void) { message_ring(&sender_ring, &owner.ring); }
static void exchange_word(void) { atomic_exchange_explicit(&owner.word, 1, memory_order_acq_rel); }

static int sleep_in_ring(void) {
    submit_and_wait(&owner.ring);
    return reap(&owner.ring) > 0;
}

// The kernel leaves a mark and waits for the owner to come; without COOP_TASKRUN it would interrupt its CPU.
static int look_at_ring(void) {
    if (__atomic_load_n(owner.ring.sq.kflags, __ATOMIC_RELAXED) & IORING_SQ_TASKRUN) {
        or_die(io_uring_get_events(&owner.ring), "io_uring_get_events");
    }
    return reap(&owner.ring) > 0;
}

static int look_at_word(void) {
    return atomic_load_explicit(&owner.word, memory_order_relaxed) != 0 &&
           atomic_exchange_explicit(&owner.word, 0, memory_order_acq_rel) != 0;
}

enum {
    SLEEPS = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
    IS_BUSY = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG
};

static const struct Way ways[] = {
    {"parked", NULL, "parked_thread", 5000, SLEEPS, write_event, sleep_in_ring},
    {"parked-message", NULL, "parked_executor", 5000, SLEEPS, send_message, sleep_in_ring},
    {"busy", NULL, "busy_thread", 100000, IS_BUSY, write_event, look_at_ring},
    {"busy-word", "exchange", "busy_thread", 100000, IS_BUSY, exchange_word, look_at_word},
};

static void* run_owner(void* unused) {
    pin_to(owner.cpu);
    or_die(io_uring_queue_init(8, &owner.ring, owner.way->ring_flags), "io_uring_queue_init");
    owner.event = or_die(eventfd(0, EFD_CLOEXEC), "eventfd");
    watch_event(&owner.ring, owner.event);
    pthread_barrier_wait(&both_stand);
    while (owner.answers < owner.count) {
        if (owner.way->is_woken()) {
            ++owner.answers;
        }
    }
    return unused;
}

static void await_answer(uint64_t number) {
    while (atomic_load_explicit(&owner.answers, memory_order_acquire) != number) {
    }
    if (owner.way->is_woken == sleep_in_ring) {
        const uint64_t answered_ns = clock_ns();
        while (clock_ns() - answered_ns < FALLS_ASLEEP_NS) {
        }
    }
}

static void measure(uint64_t cpu) {
    pthread_t thread;
    check(pthread_barrier_init(&both_stand, NULL, 2) == 0, "pthread_barrier_init");
    check(pthread_create(&thread, NULL, run_owner, NULL) == 0, "pthread_create");
    pin_to(cpu);
    make_ring(&sender_ring, 8);
    pthread_barrier_wait(&both_stand);
    uint64_t sum_ns = 0;
    for (uint64_t number = 0; number < owner.count; ++number) {
        await_answer(number);
        const uint64_t began_ns = clock_ns();
        owner.way->wake();
        sum_ns += clock_ns() - began_ns;
    }
    pthread_join(thread, NULL);
    report((struct Result){.row = "B12",
                           .name = owner.way->reported_as,
                           .value = (double)sum_ns / (double)owner.count / 1000,
                           .unit = "us",
                           .who = owner.way->who});
}

int main(int argc, char** argv) {
    for (size_t index = 0; index < sizeof ways / sizeof *ways; ++index) {
        if (subcommand_is(argc, argv, ways[index].name)) {
            owner.way = &ways[index];
        }
    }
    check(owner.way != NULL, "a known subcommand");
    owner.count = argument(argc, argv, "--count", owner.way->count);
    owner.cpu = argument(argc, argv, "--other-cpu", 1);
    measure(argument(argc, argv, "--cpu", 0));
}

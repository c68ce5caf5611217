// Floor of row B8: the round trip of one small message over a loopback TCP connection.
//
//   floor_echo same      [--count N]    server and client as states behind one ring
//   floor_echo two       [--count N] [--server-cpu N] [--client-cpu N]    two threads, blocking sockets
//   floor_echo two-rings [--count N] [--server-cpu N] [--client-cpu N]    two threads, a ring each
//   floor_echo two-spinning [--count N] [--server-cpu N] [--client-cpu N]    two threads that never sleep
//
// For two threads the least is no ring at all: blocking calls take 12 us where a bare ring on each side
// takes 13.5 to 14. The second figure is printed as "raw ring": no runtime on io_uring gets below it.

#define _GNU_SOURCE
#include "two_threads.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

enum { MESSAGE_BYTES = 64 };

// One side of the connection. Only receives complete visibly; a send says something only when it fails.
struct Side {
    int socket;
    char buffer[MESSAGE_BYTES];
};

static void connect_pair(struct Side* server, struct Side* client) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    const int one = 1;
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(bind(listener, (struct sockaddr*)&address, sizeof address) == 0, "bind");
    check(listen(listener, 1) == 0, "listen");
    check(getsockname(listener, (struct sockaddr*)&address, &length) == 0, "getsockname");
    client->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(connect(client->socket, (struct sockaddr*)&address, sizeof address) == 0, "connect");
    server->socket = accept(listener, NULL, NULL);
    check(server->socket >= 0, "accept");
    check(setsockopt(client->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0, "TCP_NODELAY");
    check(setsockopt(server->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0, "TCP_NODELAY");
    close(listener);
}

static void start_send(struct io_uring* ring, struct Side* side) {
    struct io_uring_sqe* sqe = next_sqe(ring);
    io_uring_prep_send(sqe, side->socket, side->buffer, MESSAGE_BYTES, MSG_WAITALL);
    io_uring_sqe_set_data(sqe, NULL);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

static void start_receive(struct io_uring* ring, struct Side* side) {
    struct io_uring_sqe* sqe = next_sqe(ring);
    io_uring_prep_recv(sqe, side->socket, side->buffer, MESSAGE_BYTES, MSG_WAITALL);
    // The message is never there yet, so the first attempt is left out: kernel 5.19.
    sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    io_uring_sqe_set_data(sqe, side);
}

// Waits for a message; returns the side it came to, or NULL when the peer has closed.
static struct Side* next_message(struct io_uring* ring) {
    struct io_uring_cqe* cqe;
    while (io_uring_peek_cqe(ring, &cqe) != 0) {
        submit_and_wait(ring);
    }
    struct Side* side = io_uring_cqe_get_data(cqe);
    check(side != NULL, "a send completes whole and in silence");
    check(cqe->res == MESSAGE_BYTES || cqe->res == 0, "a message arrives whole");
    const int closed = cqe->res == 0;
    io_uring_cqe_seen(ring, cqe);
    return closed ? NULL : side;
}

// Trips, of which the first tenth warms up and is not timed.
struct Trips {
    uint64_t total;
    uint64_t warm_up;
    uint64_t started_ns;
};

static struct Trips make_trips(uint64_t count) {
    return (struct Trips){.total = count / 10 + count, .warm_up = count / 10};
}

static void begin_trip(struct Trips* trips, uint64_t trip) {
    if (trip == trips->warm_up) {
        trips->started_ns = clock_ns();
    }
}

static void report_trips(const struct Trips* trips, const char* who, const char* name) {
    const double each_us = ns_each(trips->started_ns, trips->total - trips->warm_up) / 1000;
    report((struct Result){.row = "B8", .name = name, .value = each_us, .unit = "us", .who = who});
}

static void measure_same_ring(uint64_t count) {
    struct Side server;
    struct Side client = {.buffer = "a message"};
    connect_pair(&server, &client);
    struct io_uring ring;
    make_ring(&ring, 8);
    struct Trips trips = make_trips(count);
    start_receive(&ring, &server);
    for (uint64_t trip = 0; trip < trips.total; ++trip) {
        begin_trip(&trips, trip);
        start_send(&ring, &client);
        start_receive(&ring, &client);
        check(next_message(&ring) == &server, "the server hears first");
        start_send(&ring, &server);
        start_receive(&ring, &server);
        check(next_message(&ring) == &client, "then the client");
    }
    report_trips(&trips, "floor", "same_executor");
    io_uring_queue_exit(&ring);
}

// One end of a connection on a thread of its own. `answer` serves until the peer closes.
struct Thread {
    struct Side side;
    uint64_t cpu;
    void (*answer)(struct Side* side);
};

static void answer_blocking(struct Side* side) {
    while (recv(side->socket, side->buffer, MESSAGE_BYTES, MSG_WAITALL) == MESSAGE_BYTES) {
        check(send(side->socket, side->buffer, MESSAGE_BYTES, 0) == MESSAGE_BYTES, "send");
    }
}

static void ask_blocking(struct Side* side, struct Trips* trips) {
    for (uint64_t trip = 0; trip < trips->total; ++trip) {
        begin_trip(trips, trip);
        check(send(side->socket, side->buffer, MESSAGE_BYTES, 0) == MESSAGE_BYTES, "send");
        check(recv(side->socket, side->buffer, MESSAGE_BYTES, MSG_WAITALL) == MESSAGE_BYTES, "recv");
    }
}

// The bytes that came, without having slept.
static ssize_t spin_for_message(struct Side* side) {
    ssize_t received;
    do {
        received = recv(side->socket, side->buffer, MESSAGE_BYTES, MSG_DONTWAIT);
    } while (received < 0 && errno == EAGAIN);
    return received;
}

static void answer_spinning(struct Side* side) {
    while (spin_for_message(side) == MESSAGE_BYTES) {
        check(send(side->socket, side->buffer, MESSAGE_BYTES, 0) == MESSAGE_BYTES, "send");
    }
}

static void ask_spinning(struct Side* side, struct Trips* trips) {
    for (uint64_t trip = 0; trip < trips->total; ++trip) {
        begin_trip(trips, trip);
        check(send(side->socket, side->buffer, MESSAGE_BYTES, 0) == MESSAGE_BYTES, "send");
        check(spin_for_message(side) == MESSAGE_BYTES, "recv");
    }
}

static void answer_on_ring(struct Side* side) {
    struct io_uring ring;
    make_ring(&ring, 8);
    start_receive(&ring, side);
    while (next_message(&ring) != NULL) {
        start_send(&ring, side);
        start_receive(&ring, side);
    }
    io_uring_queue_exit(&ring);
}

static void ask_on_ring(struct Side* side, struct Trips* trips) {
    struct io_uring ring;
    make_ring(&ring, 8);
    for (uint64_t trip = 0; trip < trips->total; ++trip) {
        begin_trip(trips, trip);
        start_send(&ring, side);
        start_receive(&ring, side);
        check(next_message(&ring) == side, "the message comes back");
    }
    io_uring_queue_exit(&ring);
}

static void* run_server(void* argument) {
    struct Thread* server = argument;
    pin_to(server->cpu);
    server->answer(&server->side);
    return NULL;
}

// How two threads wait for each other.
struct Way {
    const char* subcommand;
    const char* who;
    const char* name;  // on two cores
    void (*answer)(struct Side* side);
    void (*ask)(struct Side* side, struct Trips* trips);
};

static const struct Way ways[] = {
    {"two", "floor", "two_cores", answer_blocking, ask_blocking},
    {"two-rings", "raw ring", "two_cores", answer_on_ring, ask_on_ring},
    {"two-spinning", "floor", "two_cores_spinning", answer_spinning, ask_spinning},
};

static void measure_two_threads(const struct Way* way, uint64_t count, uint64_t server_cpu, uint64_t client_cpu) {
    struct Thread server = {.cpu = server_cpu, .answer = way->answer};
    struct Side client = {.buffer = "a message"};
    connect_pair(&server.side, &client);
    pthread_t thread;
    check(pthread_create(&thread, NULL, run_server, &server) == 0, "pthread_create");
    pin_to(client_cpu);
    struct Trips trips = make_trips(count);
    way->ask(&client, &trips);
    report_trips(&trips, way->who, server_cpu == client_cpu ? "two_executors_one_core" : way->name);
    shutdown(client.socket, SHUT_RDWR);
    pthread_join(thread, NULL);
}

int main(int argc, char** argv) {
    const uint64_t count = argument(argc, argv, "--count", 50000);
    const uint64_t server_cpu = argument(argc, argv, "--server-cpu", 0);
    const uint64_t client_cpu = argument(argc, argv, "--client-cpu", 1);
    if (subcommand_is(argc, argv, "same")) {
        measure_same_ring(count);
        return 0;
    }
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; ++i) {
        if (subcommand_is(argc, argv, ways[i].subcommand)) {
            measure_two_threads(&ways[i], count, server_cpu, client_cpu);
            return 0;
        }
    }
    check(0, "a known subcommand");
    return 1;
}

// Floor of row B9: the least HTTP responder on one ring and one thread. Multishot accept, multishot receive
// into a ring of provided buffers, answers built in a buffer of the connection. It answers GET /json and
// GET /plaintext, also pipelined; it is no server for anyone but a benchmark.
//
//   floor_http [--port N]      prints {"listening":PORT}

#define _GNU_SOURCE
#include "ring.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum {
    BUFFERS = 1024,  // a power of two; more than the connections of any run
    BUFFER_BYTES = 4096,
    BUFFER_GROUP = 0,
    UNFINISHED_BYTES_MAX = 2048,
    ANSWERS_BYTES_MAX = 8192,
};

struct Connection {
    int socket;
    unsigned unfinished_bytes;
    char unfinished[UNFINISHED_BYTES_MAX + BUFFER_BYTES];
    char answers[ANSWERS_BYTES_MAX];
};

struct Server {
    struct io_uring ring;
    struct io_uring_buf_ring* buffer_ring;
    char* buffers;
    int listener;
};

// Completions of sends carry no connection: they appear only when a send failed.
static char failed_send_tag;

static const char json[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n"
                           "{\"message\":\"Hello, World!\"}";
static const char plaintext[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\n"
                                "Hello, World!";
static const char not_found[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

static void give_buffer_back(struct Server* server, unsigned id) {
    io_uring_buf_ring_add(server->buffer_ring, server->buffers + (size_t)id * BUFFER_BYTES, BUFFER_BYTES, id,
                          io_uring_buf_ring_mask(BUFFERS), 0);
    io_uring_buf_ring_advance(server->buffer_ring, 1);
}

static void make_buffer_ring(struct Server* server) {
    const size_t ring_bytes = BUFFERS * sizeof(struct io_uring_buf);
    char* memory = mmap(NULL, ring_bytes + (size_t)BUFFERS * BUFFER_BYTES, PROT_READ | PROT_WRITE,
                        MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    check(memory != MAP_FAILED, "mmap");
    server->buffer_ring = (struct io_uring_buf_ring*)memory;
    server->buffers = memory + ring_bytes;
    struct io_uring_buf_reg registration = {
        .ring_addr = (uint64_t)(uintptr_t)memory, .ring_entries = BUFFERS, .bgid = BUFFER_GROUP};
    or_die(io_uring_register_buf_ring(&server->ring, &registration, 0), "io_uring_register_buf_ring");
    io_uring_buf_ring_init(server->buffer_ring);
    for (unsigned id = 0; id < BUFFERS; ++id) {
        give_buffer_back(server, id);
    }
}

static void listen_on(struct Server* server, uint16_t port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    const int one = 1;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    check(bind(server->listener, (struct sockaddr*)&address, sizeof address) == 0, "bind");
    check(listen(server->listener, 1024) == 0, "listen");
    check(getsockname(server->listener, (struct sockaddr*)&address, &length) == 0, "getsockname");
    printf("{\"listening\":%d}\n", ntohs(address.sin_port));
    fflush(stdout);
}

static void start_accepting(struct Server* server) {
    struct io_uring_sqe* sqe = next_sqe(&server->ring);
    io_uring_prep_multishot_accept(sqe, server->listener, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data(sqe, NULL);
}

static void start_receiving(struct Server* server, struct Connection* connection) {
    struct io_uring_sqe* sqe = next_sqe(&server->ring);
    io_uring_prep_recv_multishot(sqe, connection->socket, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    io_uring_sqe_set_data(sqe, connection);
}

static void start_sending(struct Server* server, struct Connection* connection, size_t bytes) {
    struct io_uring_sqe* sqe = next_sqe(&server->ring);
    io_uring_prep_send(sqe, connection->socket, connection->answers, bytes, MSG_WAITALL | MSG_NOSIGNAL);
    io_uring_sqe_set_data(sqe, &failed_send_tag);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

static void on_accepted(struct Server* server, const struct io_uring_cqe* cqe) {
    struct Connection* connection = malloc(sizeof *connection);
    connection->socket = or_die(cqe->res, "accept");
    connection->unfinished_bytes = 0;
    const int one = 1;
    setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    start_receiving(server, connection);
    if ((cqe->flags & IORING_CQE_F_MORE) == 0) {
        start_accepting(server);
    }
}

static size_t append(char* out, const char* text, size_t bytes) {
    memcpy(out, text, bytes);
    return bytes;
}

static int starts_with(const char* request, size_t bytes, const char* prefix, size_t prefix_bytes) {
    return bytes >= prefix_bytes && memcmp(request, prefix, prefix_bytes) == 0;
}

// Writes an answer for each whole request; returns the bytes that those requests took.
static size_t answer(const char* data, size_t bytes, char* answers, size_t* answers_bytes) {
    size_t start = 0;
    const char* end;
    while ((end = memmem(data + start, bytes - start, "\r\n\r\n", 4)) != NULL) {
        const char* request = data + start;
        const size_t request_bytes = (size_t)(end - request) + 4;
        check(*answers_bytes + sizeof json <= ANSWERS_BYTES_MAX, "the answers fit");
        if (starts_with(request, request_bytes, "GET /json ", 10)) {
            *answers_bytes += append(answers + *answers_bytes, json, sizeof json - 1);
        } else if (starts_with(request, request_bytes, "GET /plaintext ", 15)) {
            *answers_bytes += append(answers + *answers_bytes, plaintext, sizeof plaintext - 1);
        } else {
            *answers_bytes += append(answers + *answers_bytes, not_found, sizeof not_found - 1);
        }
        start += request_bytes;
    }
    return start;
}

// Answers what the new bytes complete. The bytes are read where the kernel put them, unless an earlier
// receive left the beginning of a request behind.
static void on_bytes(struct Server* server, struct Connection* connection, const char* data, size_t bytes) {
    if (connection->unfinished_bytes != 0) {
        memcpy(connection->unfinished + connection->unfinished_bytes, data, bytes);
        data = connection->unfinished;
        bytes += connection->unfinished_bytes;
    }
    size_t answers_bytes = 0;
    const size_t used = answer(data, bytes, connection->answers, &answers_bytes);
    connection->unfinished_bytes = (unsigned)(bytes - used);
    check(connection->unfinished_bytes <= UNFINISHED_BYTES_MAX, "a request is short");
    memmove(connection->unfinished, data + used, connection->unfinished_bytes);
    if (answers_bytes != 0) {
        start_sending(server, connection, answers_bytes);
    }
}

static void on_received(struct Server* server, struct Connection* connection,
                        const struct io_uring_cqe* cqe) {
    if (cqe->res > 0) {
        const unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
        on_bytes(server, connection, server->buffers + (size_t)id * BUFFER_BYTES, (size_t)cqe->res);
        give_buffer_back(server, id);
        if ((cqe->flags & IORING_CQE_F_MORE) == 0) {
            start_receiving(server, connection);
        }
    } else if (cqe->res == -ENOBUFS) {
        start_receiving(server, connection);
    } else {
        close(connection->socket);
        free(connection);
    }
}

int main(int argc, char** argv) {
    struct Server server;
    make_ring(&server.ring, 1024);
    make_buffer_ring(&server);
    listen_on(&server, (uint16_t)argument(argc, argv, "--port", 0));
    start_accepting(&server);
    for (;;) {
        submit_and_wait(&server.ring);
        struct io_uring_cqe* cqe;
        unsigned head;
        unsigned reaped = 0;
        io_uring_for_each_cqe(&server.ring, head, cqe) {
            void* tag = io_uring_cqe_get_data(cqe);
            if (tag == NULL) {
                on_accepted(&server, cqe);
            } else if (tag != &failed_send_tag) {
                on_received(&server, tag, cqe);
            }
            ++reaped;
        }
        io_uring_cq_advance(&server.ring, reaped);
    }
}

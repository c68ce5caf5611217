// RELIABILITY rows 16 and 24: facts about the kernel on which the design rests, shown on a raw ring.
#include "support.hpp"

#include <map>
#include <netinet/in.h>

using namespace support;

namespace {

class RawRing {
public:
    RawRing() { REQUIRE(io_uring_queue_init(8, &ring, 0) == 0); }
    RawRing(const RawRing&) = delete;
    RawRing& operator=(const RawRing&) = delete;
    ~RawRing() { io_uring_queue_exit(&ring); }

    Completion next() {
        io_uring_cqe* entry = nullptr;
        __kernel_timespec limit{.tv_sec = 10, .tv_nsec = 0};
        REQUIRE(io_uring_wait_cqe_timeout(&ring, &entry, &limit) == 0);
        Completion completion{entry->user_data, entry->res, entry->flags};
        io_uring_cqe_seen(&ring, entry);
        return completion;
    }
    bool is_empty() const { return io_uring_cq_ready(&ring) == 0; }

    io_uring ring{};
};

// Reads into memory of its own.
class ReadSource final : public Source {
public:
    explicit ReadSource(int fd) : fd_(fd) {}
    int result = 0;

private:
    void prepare(io_uring_sqe& entry) noexcept override {
        io_uring_prep_read(&entry, fd_, buffer_, sizeof buffer_, ~0ULL);
    }
    void complete(int how, unsigned) noexcept override { result = how; }
    void discard(int, unsigned) noexcept override {}

    int fd_;
    char buffer_[16];
};

// A connected pair of TCP sockets.
std::pair<UniqueFd, UniqueFd> tcp_pair() {
    UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {}};
    auto* any = reinterpret_cast<sockaddr*>(&address);
    socklen_t bytes = sizeof address;
    REQUIRE(bind(listener.get(), any, bytes) == 0);
    REQUIRE(listen(listener.get(), 1) == 0);
    REQUIRE(getsockname(listener.get(), any, &bytes) == 0);
    UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(connect(client.get(), any, bytes) == 0);
    UniqueFd server(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    return {std::move(client), std::move(server)};
}

}  // namespace

// Ringlet builds no operation of which one entry gives several completions for one buffer: SendAll is a plain
// send, which copies. Multishots are told by F_MORE, as here: what is not marked so is the last.
TEST_CASE("R16: a zero-copy send completes twice, and only the second says that the buffer is free") {
    auto [client, server] = tcp_pair();
    RawRing raw;
    std::string text(1000, 'z');
    io_uring_sqe* entry = io_uring_get_sqe(&raw.ring);
    io_uring_prep_send_zc(entry, client.get(), text.data(), text.size(), 0, 0);
    entry->user_data = 16;
    REQUIRE(io_uring_submit(&raw.ring) == 1);
    Completion sent = raw.next();
    CHECK(sent.user_data == 16);
    CHECK(sent.result == 1000);
    CHECK((sent.flags & (IORING_CQE_F_MORE | IORING_CQE_F_NOTIF)) == IORING_CQE_F_MORE);
    CHECK(get(server.get(), 1000) == text);
    Completion freed = raw.next();
    CHECK(freed.user_data == 16);
    CHECK(freed.result == 0);
    CHECK((freed.flags & (IORING_CQE_F_MORE | IORING_CQE_F_NOTIF)) == IORING_CQE_F_NOTIF);
    CHECK(raw.is_empty());
}

TEST_CASE("R24: what a cancellation says is not how its target ended") {
    Pipe pipe = make_pipe();
    RawRing raw;
    std::map<std::uint64_t, int> results;
    auto cancel = [&](std::uint64_t target, std::uint64_t user_data) {
        io_uring_sqe* entry = io_uring_get_sqe(&raw.ring);
        io_uring_prep_cancel64(entry, target, 0);
        entry->user_data = user_data;
    };
    auto collect = [&](int count) {
        results.clear();
        while (count-- > 0) {
            Completion completion = raw.next();
            results[completion.user_data] = completion.result;
        }
    };
    // It was waiting: 0, and the target is cancelled.
    io_uring_sqe* poll = io_uring_get_sqe(&raw.ring);
    io_uring_prep_poll_add(poll, pipe.reader.get(), POLLIN);
    poll->user_data = 1;
    cancel(1, 2);
    REQUIRE(io_uring_submit(&raw.ring) == 2);
    collect(2);
    CHECK(results[2] == 0);
    CHECK(results[1] == -ECANCELED);

    // It was done already, with data: not found.
    put(pipe.writer.get(), "data");
    char buffer[16];
    io_uring_sqe* read = io_uring_get_sqe(&raw.ring);
    io_uring_prep_read(read, pipe.reader.get(), buffer, sizeof buffer, ~0ULL);
    read->user_data = 1;
    cancel(1, 2);
    REQUIRE(io_uring_submit(&raw.ring) == 2);
    collect(2);
    CHECK(results[2] == -ENOENT);
    CHECK(results[1] == 4);
    CHECK(raw.is_empty());
}

TEST_CASE("R24: the target's own completion decides how an operation ended") {
    Pipe pipe = make_pipe(O_NONBLOCK);
    run_io([&]() -> Co<void> {
        Reactor& reactor = Reactor::current();
        ReadSource read(pipe.reader.get());
        for (bool has_data : {false, true}) {
            if (has_data) put(pipe.writer.get(), "data");
            std::uint64_t completions = reactor.stats().completions;
            // Both in one call to the kernel, as above.
            reactor.submit(read);
            reactor.cancel(read);
            CHECK(reactor.ring().queued() == 2);
            co_await round_trip();
            CHECK_FALSE(read.is_in_flight());
            CHECK(read.result == (has_data ? 4 : -ECANCELED));
            // Its own, the cancellation's, the round trip's.
            CHECK(reactor.stats().completions == completions + 3);
        }
    });
}

// Ring: entries in, one call, completions out; no executor, no reactor.
#include "support.hpp"

#include <ringlet/reactor/ring.hpp>

#include <sys/eventfd.h>

using namespace support;

namespace {

std::unique_ptr<Ring> make_ring(unsigned depth) {
    auto made = Ring::make(depth);
    if (!made) throw std::runtime_error(made.error().text);
    return std::move(*made);
}

void queue_nop(Ring& ring, std::uint64_t user_data) {
    io_uring_sqe* entry = ring.next_sqe();
    REQUIRE(entry);
    io_uring_prep_nop(entry);
    entry->user_data = user_data;
}

// Waits for `fd`, which is not ready: an entry that stays in the kernel.
void queue_poll(Ring& ring, int fd, std::uint64_t user_data) {
    io_uring_sqe* entry = ring.next_sqe();
    REQUIRE(entry);
    io_uring_prep_poll_add(entry, fd, POLLIN);
    entry->user_data = user_data;
}

}  // namespace

TEST_CASE("a ring has the depth it was made with") {
    for (unsigned depth : {1U, 8U, 256U}) CHECK(make_ring(depth)->depth() == depth);
}

TEST_CASE("a ring may be as deep as the kernel allows") {
    for (unsigned depth : {4096U, 8192U, Ring::depth_max}) {
        CAPTURE(depth);
        unsigned made = make_ring(depth)->depth();
        // Smaller where the limit of locked memory, which is not for root, does not allow that many.
        if (is_root()) CHECK(made == depth);
    }
}

TEST_CASE("a depth that is no power of two, or more than the kernel allows, is a bug") {
    for (unsigned depth : {0U, 12U, 2 * Ring::depth_max, 1U << 31}) {
        ChildEnd child = run_in_child([depth] { static_cast<void>(Ring::make(depth)); });
        CHECK(child.aborted());
        CHECK(child.says("the ring depth must be a power of two, at most 32768"));
    }
}

TEST_CASE("there is no entry while the queue is full, and one again when the kernel has taken them") {
    auto ring = make_ring(8);
    for (std::uint64_t i = 0; i < 8; ++i) queue_nop(*ring, i);
    CHECK(ring->next_sqe() == nullptr);
    CHECK(ring->queued() == 8);
    CHECK(ring->enter() == 0);
    CHECK(ring->queued() == 0);
    CHECK(ring->next_sqe() != nullptr);
}

TEST_CASE("nothing reaches the kernel before enter") {
    auto ring = make_ring(8);
    queue_nop(*ring, 1);
    Completion completion;
    CHECK_FALSE(ring->pop(completion));
    CHECK(ring->queued() == 1);
    ring->enter();
    CHECK(ring->pop(completion));
}

TEST_CASE("a completion says whose it is and how it ended") {
    auto ring = make_ring(8);
    Pipe pipe = make_pipe(O_NONBLOCK);
    REQUIRE(put(pipe.writer.get(), "seven b"));
    char buffer[16];
    io_uring_sqe* entry = ring->next_sqe();
    io_uring_prep_read(entry, pipe.reader.get(), buffer, sizeof buffer, ~0ULL);
    entry->user_data = 0x123456789abcdefULL;
    ring->enter();
    Completion completion{};
    REQUIRE(ring->pop(completion));
    CHECK(completion.user_data == 0x123456789abcdefULL);
    CHECK(completion.result == 7);
    bool more = completion.flags & IORING_CQE_F_MORE;
    CHECK_FALSE(more);

    entry = ring->next_sqe();
    io_uring_prep_read(entry, -1, buffer, sizeof buffer, ~0ULL);
    ring->enter();
    REQUIRE(ring->pop(completion));
    CHECK(completion.result == -EBADF);
}

TEST_CASE("completions come oldest first, each once") {
    auto ring = make_ring(8);
    Completion completion{};
    std::uint64_t next_in = 0;
    std::uint64_t next_out = 0;
    // More than both queues hold, so that their indices wrap.
    for (int round = 0; round < 100; ++round) {
        for (int i = 0; i < 5; ++i) queue_nop(*ring, next_in++);
        ring->enter();
        while (ring->pop(completion)) CHECK(completion.user_data == next_out++);
    }
    CHECK(next_out == next_in);
}

TEST_CASE("one bad entry does not hold up those behind it") {
    auto ring = make_ring(8);
    queue_nop(*ring, 1);
    io_uring_sqe* bad = ring->next_sqe();
    io_uring_prep_nop(bad);
    bad->opcode = 255;
    bad->user_data = 2;
    queue_nop(*ring, 3);
    CHECK(ring->enter() == 0);
    CHECK(ring->queued() == 0);
    Completion completion{};
    int results[4] = {1, 1, 1, 1};
    while (ring->pop(completion)) results[completion.user_data] = completion.result;
    CHECK(results[1] == 0);
    CHECK(results[2] == -EINVAL);
    CHECK(results[3] == 0);
}

TEST_CASE("enter does not sleep, and leaves what is not done to the kernel") {
    auto ring = make_ring(8);
    UniqueFd event(eventfd(0, EFD_CLOEXEC));
    queue_poll(*ring, event.get(), 1);
    CHECK(ring->enter() == 0);
    Completion completion{};
    CHECK_FALSE(ring->pop(completion));
    CHECK(eventfd_write(event.get(), 1) == 0);
    ring->enter();
    REQUIRE(ring->pop(completion));
    CHECK(completion.result == POLLIN);
}

TEST_CASE("enter_and_wait sleeps until there is a completion") {
    auto ring = make_ring(8);
    __kernel_timespec limit{.tv_sec = 0, .tv_nsec = 20'000'000};
    io_uring_sqe* entry = ring->next_sqe();
    io_uring_prep_timeout(entry, &limit, 0, 0);
    Time start = Clock::now();
    ring->enter_and_wait(std::nullopt);
    Completion completion{};
    REQUIRE(ring->pop(completion));
    CHECK(completion.result == -ETIME);
    CHECK(Clock::now() - start >= 20ms);
}

TEST_CASE("enter_and_wait sleeps no longer than its deadline, and not at all when that is past") {
    auto ring = make_ring(8);
    UniqueFd event(eventfd(0, EFD_CLOEXEC));
    queue_poll(*ring, event.get(), 1);
    Time start = Clock::now();
    int result = ring->enter_and_wait(after(start, 20ms));
    bool quiet = result == 0 || result == -ETIME;
    CHECK(quiet);
    CHECK(Clock::now() - start >= 20ms);
    Completion completion{};
    CHECK_FALSE(ring->pop(completion));

    start = Clock::now();
    for (int i = 0; i < 100; ++i) ring->enter_and_wait(after(start, -1s));
    CHECK(Clock::now() - start < 1s);
}

TEST_CASE("wait_only sleeps and submits nothing") {
    auto ring = make_ring(8);
    queue_nop(*ring, 1);
    Time start = Clock::now();
    ring->wait_only(5ms);
    CHECK(Clock::now() - start >= 5ms);
    CHECK(ring->queued() == 1);
    Completion completion{};
    CHECK_FALSE(ring->pop(completion));
    ring->enter();
    CHECK(ring->pop(completion));
}

TEST_CASE("what register refuses comes back as -errno") {
    auto ring = make_ring(8);
    CHECK(ring->register_with(9999, nullptr, 0) == -EINVAL);
}

TEST_CASE("a ring that is gone has left no descriptor and no mapping behind") {
    std::size_t before = open_descriptors();
    {
        auto ring = make_ring(8);
        CHECK(open_descriptors() == before + 1);
    }
    CHECK(open_descriptors() == before);
    // Each ring maps some 12 KiB: a forgotten one in a thousand shows.
    auto mapped_pages = [] {
        long pages = 0;
        FILE* file = std::fopen("/proc/self/statm", "r");
        REQUIRE(file);
        REQUIRE(std::fscanf(file, "%ld", &pages) == 1);
        std::fclose(file);
        return pages;
    };
    make_ring(8);
    long mapped = mapped_pages();
    for (int i = 0; i < 1000; ++i) make_ring(8);
    CHECK(mapped_pages() - mapped < 256);
}

// MSG_RING: what the kernel does with messages to rings that are gone, disabled or full, and that a sleeper
// wakes all the same.
#include "support.hpp"

#include "../phase2/raw_ring.hpp"

#include <poll.h>
#include <sys/eventfd.h>

using namespace support;

namespace {

// Sends one message and gives what the kernel says of it.
int send(RawRing& from, int to) {
    io_uring_prep_msg_ring(from.entry(), to, 0, 1, 0);
    from.submit();
    return from.wait_for(1).front().result;
}

bool is_readable(int fd) {
    pollfd ready{fd, POLLIN, 0};
    return ::poll(&ready, 1, 0) == 1;
}

}  // namespace

TEST_CASE("R49: a message to a ring that is gone or disabled is an error; those to a full one all arrive") {
    RawRing from;
    UniqueFd closed(eventfd(0, EFD_CLOEXEC));
    int number = closed.get();
    closed = UniqueFd();
    CHECK(send(from, number) == -EBADF);

    io_uring disabled{};
    REQUIRE(io_uring_queue_init(8, &disabled, IORING_SETUP_R_DISABLED) == 0);
    CHECK(send(from, disabled.ring_fd) == -EBADFD);
    io_uring_queue_exit(&disabled);

    RawRing full(8, 16);
    for (int i = 0; i < 200; ++i) REQUIRE(send(from, full.get()->ring_fd) == 0);
    std::size_t seen = 0;
    while (std::size_t more = full.reap().size()) seen += more;
    CHECK(seen == 200);
}

TEST_CASE("R49: a wake that the kernel refuses to carry from ring to ring comes by the doorbell") {
    auto executor = make_executor();
    UniqueFd event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    int readable = event.get();
    UniqueFd dead(eventfd(0, EFD_CLOEXEC));
    int number = dead.get();
    auto sleeper = std::make_shared<Doorbell>(std::move(event), number);
    dead = UniqueFd();
    executor->run([&]() -> Co<void> {
        CHECK(Reactor::current().wake_ring(number, sleeper));
        CHECK(co_await eventually([&] { return sleeper.use_count() == 1; }));  // the kernel has answered
        CHECK(is_readable(readable));
    });
}

TEST_CASE("R49: messages to an executor that is gone are refused, and those on their way to it arrive") {
    struct Counted final : Message {
        explicit Counted(int& count) : count_(count) {}
        void arrive() noexcept override { ++count_; }
        int& count_;
    };
    int arrived = 0;
    Counted early(arrived), late(arrived);
    Unparker address;
    {
        auto executor = make_executor();
        address = value_of(executor->unparker());
        CHECK(address.post(early));
        CHECK(arrived == 0);
    }
    CHECK(arrived == 1);
    CHECK_FALSE(address.post(late));
    CHECK(arrived == 1);
}

TEST_CASE("an executor that sleeps is woken from another's ring") {
    auto waker = make_executor();
    std::atomic<bool> asleep = false;
    ForeignEvent event;
    // The first that sleeps is the other: this one does not before it has opened the event.
    AtPoint hooks([&](std::string_view id) {
        if (id == "park: announced") asleep = true;
    });
    std::thread other([&] {
        auto here = make_executor();
        here->run(event.wait());
    });
    waker->run([&]() -> Co<void> {
        wait_until([&] { return asleep && event.is_awaited(); });
        std::uint64_t before = Reactor::current().stats().submitted;
        event.open();
        CHECK(Reactor::current().stats().submitted == before + 1);
        co_await yield_now();
    });
    other.join();
}

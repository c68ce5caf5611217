// A loop that never enters the kernel asks a ring "has anything come?" by looking at its memory. Which rings
// answer? Three kinds of ring, two kinds of event.
//
// Shows: why the latency ring has the flags that it has, and why need_preempt() reads its flags too.
// Run:   ./unseen_ring
// See:   a ring with DEFER_TASKRUN never shows a completion in its queue; its flag does. A ring without flags
//        shows all, and its sender pays for an interrupt.
//        Read on in ringlet/reactor/ring.hpp.
#include <ringlet/reactor/ring.hpp>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <liburing.h>
#include <optional>
#include <poll.h>
#include <string>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>

using namespace ringlet;
using namespace std::chrono_literals;

namespace {

constexpr Duration look_for = 50ms;

struct Sighting {
    std::optional<Duration> in_queue;
    std::optional<Duration> in_flags;
};

// Spins, without a system call, until both words have shown the event or the time is over.
Sighting spin(const PreemptWords& words, const std::atomic<Time>& began) {
    Sighting seen;
    Time end = Clock::now() + look_for;
    for (Time now = Clock::now(); now < end && !(seen.in_queue && seen.in_flags); now = Clock::now()) {
        if (began.load() == Time{}) continue;
        bool queue = __atomic_load_n(words.completion_tail, __ATOMIC_ACQUIRE) != *words.completion_head;
        bool flags = __atomic_load_n(words.submission_flags, __ATOMIC_ACQUIRE) != 0;
        if (queue && !seen.in_queue) seen.in_queue = Clock::now() - began.load();
        if (flags && !seen.in_flags) seen.in_flags = Clock::now() - began.load();
    }
    return seen;
}

std::unique_ptr<Ring> make_ring(unsigned flags) {
    auto ring = Ring::make(8, flags);
    if (ring) return std::move(*ring);
    std::fprintf(stderr, "%s\n", ring.error().text.c_str());
    std::exit(1);
}

Sighting see_timer(unsigned flags) {
    auto ring = make_ring(flags);
    __kernel_timespec wait{.tv_sec = 0, .tv_nsec = 5'000'000};
    io_uring_prep_timeout(ring->next_sqe(), &wait, 0, 0);
    std::atomic<Time> began = Clock::now();
    ring->enter();
    return spin(ring->preempt_words(), began);
}

Sighting see_event(unsigned flags, Duration& sender_paid) {
    auto ring = make_ring(flags);
    int event = eventfd(0, EFD_CLOEXEC);
    io_uring_prep_poll_add(ring->next_sqe(), event, POLLIN);
    ring->enter();
    std::atomic<Time> began = Time{};
    std::thread sender([&] {
        std::this_thread::sleep_for(5ms);
        std::uint64_t one = 1;
        Time before = Clock::now();
        began = before;
        if (write(event, &one, sizeof one) != sizeof one) std::abort();
        sender_paid = Clock::now() - before;
    });
    Sighting seen = spin(ring->preempt_words(), began);
    sender.join();
    ring->enter();
    close(event);
    return seen;
}

std::string text(const std::optional<Duration>& after) {
    if (!after) return "never";
    char line[32];
    std::snprintf(line, sizeof line, "%.1f us", std::chrono::duration<double, std::micro>(*after).count());
    return line;
}

}  // namespace

int main() {
    struct {
        const char* name;
        unsigned flags;
    } kinds[] = {{"no flags", IORING_SETUP_SINGLE_ISSUER},
                 {"COOP_TASKRUN (the latency ring)", Ring::latency_flags},
                 {"DEFER_TASKRUN (the main ring)", Ring::main_flags}};
    std::printf("%-32s %12s %12s   %12s %12s %12s\n", "", "5 ms timer", "", "event from", "another core", "");
    std::printf("%-32s %12s %12s   %12s %12s %12s\n", "ring", "in queue", "in flags", "in queue", "in flags",
                "sender paid");
    for (auto& kind : kinds) {
        Duration paid{};
        Sighting timer = see_timer(kind.flags);
        Sighting event = see_event(kind.flags, paid);
        std::printf("%-32s %12s %12s   %12s %12s %12s\n", kind.name, text(timer.in_queue).c_str(),
                    text(timer.in_flags).c_str(), text(event.in_queue).c_str(), text(event.in_flags).c_str(),
                    text(paid).c_str());
    }
}

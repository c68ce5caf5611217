// RELIABILITY rows 38 and 39: a million timers, and timers that outlive their executor.
#include "support.hpp"

#include <ringlet/reactor/timers.hpp>

#include <deque>
#include <optional>
#include <random>

using namespace support;

namespace {

constexpr int million = 1'000'000;

// Waker data: who waits for one timer. The waker is the sleeper, so that a wake costs no task.
struct Sleeper {
    Time deadline;
    int wakes = 0;
    bool cancelled = false;
};

struct Tally {
    const Time* now = nullptr;  // virtual; null: the real clock
    int woken = 0;
    int early = 0;
    int twice = 0;
    int after_cancel = 0;
} tally;

Waker waker_of(Sleeper& sleeper) {
    static constexpr WakerVTable vtable = {
        .clone = [](void* data) noexcept -> void* { return data; },
        .wake =
            [](void* data) noexcept {
                auto& self = *static_cast<Sleeper*>(data);
                Time now = tally.now ? *tally.now : Clock::now();
                ++tally.woken;
                tally.early += now < self.deadline;
                tally.twice += self.wakes++ > 0;
                tally.after_cancel += self.cancelled;
            },
        .wake_by_ref = [](void*) noexcept {},
        .drop = [](void*) noexcept {},
    };
    return Waker(&sleeper, vtable);
}

int count_lost(const std::vector<Sleeper>& sleepers) {
    int lost = 0;
    for (const Sleeper& sleeper : sleepers) lost += !sleeper.cancelled && sleeper.wakes == 0;
    return lost;
}

void check_tally(const std::vector<Sleeper>& sleepers, int cancelled) {
    CHECK(tally.woken == million - cancelled);
    CHECK(tally.early == 0);
    CHECK(tally.twice == 0);
    CHECK(tally.after_cancel == 0);
    CHECK(count_lost(sleepers) == 0);
}

}  // namespace

TEST_CASE("R38: of a million sleeps on the real clock, half cancelled, none is lost, early or woken twice") {
    tally = {};
    std::mt19937 random(38);
    std::vector<Sleeper> sleepers(million);
    std::deque<std::optional<Sleep>> sleeps;
    auto executor = make_io_executor();
    Timers& timers = reactor_of(*executor).timers();
    executor->run([&]() -> Co<void> {
        // The last is to be armed, and the last cancelled, before the first is due: on a slow machine later.
        Time start;
        for (Duration lead = 500ms;; lead *= 4) {
            start = after(Clock::now(), lead);
            sleeps.clear();
            int pending = 0;
            for (Sleeper& sleeper : sleepers) {
                sleeper = {.deadline = after(start, std::chrono::microseconds(random() % 200'000))};
                Sleep& one = *sleeps.emplace_back(sleep_until(sleeper.deadline));
                pending += poll_with(one, waker_of(sleeper)).is_pending();
            }
            for (int i = 0; i < million; i += 2) {
                sleepers[i].cancelled = true;
                sleeps[i].reset();
            }
            if (Clock::now() >= start) continue;
            REQUIRE(pending == million);
            REQUIRE(timers.size() == million / 2);
            break;
        }
        co_await sleep_until(after(start, 200ms));
    });
    CHECK(turn_until(*executor, [&] { return timers.empty(); }));
    check_tally(sleepers, million / 2);
}

TEST_CASE("R38: of a million timers in virtual time, half cancelled, none is lost, early or woken twice") {
    std::mt19937 random(39);
    Time now{};
    tally = {.now = &now};
    std::vector<Sleeper> sleepers(million);
    std::vector<Timer> armed(million);
    Timers timers;
    // Hours of deadlines, armed, cancelled and due in turn.
    int first_uncancelled = 0;
    int next = 0;
    int cancelled = 0;
    int overdue = 0;
    while (next < million || !timers.empty()) {
        for (int i = 0; i < 1000 && next < million; ++i, ++next) {
            sleepers[next].deadline = after(now, std::chrono::milliseconds(1 + random() % 3'600'000));
            timers.arm(armed[next], sleepers[next].deadline, waker_of(sleepers[next]));
        }
        // Cancelled some rounds after they were armed, unless they are due before that.
        while (next - first_uncancelled > 20'000 || (next == million && first_uncancelled < million)) {
            int index = first_uncancelled;
            first_uncancelled += 2;
            if (!armed[index].is_armed()) continue;
            sleepers[index].cancelled = true;
            armed[index].disarm();
            ++cancelled;
        }
        now = after(now, std::chrono::milliseconds(random() % 60'000));
        timers.expire(now);
        overdue += timers.earliest() && *timers.earliest() <= now;
    }
    // The last of them are cancelled at once; of the others one in six is due before.
    REQUIRE(cancelled > million / 4);
    CHECK(overdue == 0);
    check_tally(sleepers, cancelled);
}

TEST_CASE("R39: a timer that outlives its executor is dropped unfired, and frees what it holds") {
    WakerCounts counts;
    {
        Sleep nap = sleep(1h);
        Pipe pipe = make_pipe();
        auto limited = Operation(operations::PollAdd(pipe.reader.get(), POLLIN)).timeout(1h);
        run_io([&]() -> Co<void> {
            CHECK(poll_with(nap, make_waker(counts)).is_pending());
            CHECK(poll_with(limited, make_waker(counts)).is_pending());
            // The fault: they are armed when the executor ends.
            CHECK(Reactor::current().timers().size() == 2);
            co_return;
        });
        CHECK(counts.references > 0);
        // And a sleep may go on in the next executor.
        nap.reset(1ms);
        run_io([&]() -> Co<void> { co_await nap; });
    }
    CHECK(counts.references == 0);
}

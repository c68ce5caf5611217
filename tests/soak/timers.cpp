// soak_timers: tasks that sleep, each until a random moment within some seconds; half of them are cancelled
// at a random moment before that. None may wake early, none may be lost, none may wake that was cancelled.
// `./run soak --timers N` starts it.
//
//     soak_timers [COUNT]
//
// Prints: 500012 of 1000000 timers fired, 499988 were cancelled; 0 early, 0 lost, 0 fired all the same; ...
#include <ringlet/runtime.hpp>
#include <ringlet/time/sleep.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <random>
#include <vector>

using namespace ringlet;
using namespace std::chrono_literals;

namespace {

constexpr Duration spread = 4s;
constexpr Duration shortest = 500ms;  // about what it takes to arm them all

// One timer, and what has become of it.
struct Fate {
    Time deadline{}, cancel_at = Time::max();
    Time fired_at{};
    unsigned fired = 0;
    bool was_cancelled = false;  // before it had fired
};

Co<void> sleep_until_deadline(Fate& fate) {
    co_await sleep_until(fate.deadline);
    fate.fired_at = Clock::now();
    ++fate.fired;
}

// In the order of their moments; each moment is waited for, as near as a millisecond.
Co<void> cancel_half(std::vector<Fate>& fates, std::vector<JoinHandle<void>>& tasks) {
    std::vector<std::uint32_t> order(fates.size());
    std::iota(order.begin(), order.end(), 0);
    std::erase_if(order, [&](std::uint32_t index) { return fates[index].cancel_at == Time::max(); });
    std::ranges::sort(order, {}, [&](std::uint32_t index) { return fates[index].cancel_at; });
    for (std::size_t next = 0; next < order.size();) {
        for (Time now = Clock::now(); next < order.size() && fates[order[next]].cancel_at <= now; ++next) {
            Fate& fate = fates[order[next]];
            if (fate.fired) continue;
            tasks[order[next]].cancel();
            fate.was_cancelled = true;
        }
        co_await sleep(1ms);
    }
}

Co<void> run_all(std::vector<Fate>& fates) {
    std::mt19937_64 random(std::random_device{}());
    auto below = [&random](Duration limit) {
        return Duration(static_cast<Duration::rep>(random() % limit.count()));
    };
    std::vector<JoinHandle<void>> tasks;
    tasks.reserve(fates.size());
    for (Fate& fate : fates) tasks.push_back(spawn_local(sleep_until_deadline(fate)));
    // None has run yet. While some are armed others fire, and are cancelled.
    Time begin = Clock::now();
    for (Fate& fate : fates) {
        Duration wait = shortest + below(spread);
        fate.deadline = begin + wait;
        if (random() % 2) fate.cancel_at = begin + below(wait);
    }
    co_await cancel_half(fates, tasks);
    for (JoinHandle<void>& task : tasks) co_await task;
}

// Gives the exit code.
int judge(const std::vector<Fate>& fates) {
    std::size_t fired = 0, cancelled = 0, early = 0, lost = 0, undead = 0;
    std::vector<Duration> late;
    for (const Fate& fate : fates) {
        fired += fate.fired;
        cancelled += fate.was_cancelled;
        early += fate.fired && fate.fired_at < fate.deadline;
        lost += !fate.was_cancelled && fate.fired != 1;
        undead += fate.was_cancelled && fate.fired;
        if (fate.fired) late.push_back(fate.fired_at - fate.deadline);
    }
    std::ranges::sort(late);
    auto microseconds = [&](double part) {
        if (late.empty()) return 0.0;
        auto index = static_cast<std::size_t>(part * static_cast<double>(late.size() - 1));
        return std::chrono::duration<double, std::micro>(late[index]).count();
    };
    std::printf("%zu of %zu timers fired, %zu were cancelled; %zu early, %zu lost, %zu fired all the same; "
                "late: median %.0f us, p99 %.0f us, worst %.0f us\n",
                fired, fates.size(), cancelled, early, lost, undead, microseconds(0.5), microseconds(0.99),
                microseconds(1));
    // A cancellation that comes late may find that the timer has fired: if many did, little was tested.
    bool enough = cancelled * 100 >= fates.size() * 40;
    if (!enough) std::printf("too few were cancelled\n");
    return early + lost + undead > 0 || !enough ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
    std::size_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
    auto executor = LocalExecutorBuilder().make();
    if (!executor) {
        std::fprintf(stderr, "soak_timers: %s\n", executor.error().text.c_str());
        return 1;
    }
    std::vector<Fate> fates(count);
    (*executor)->run(run_all(fates));
    return judge(fates);
}

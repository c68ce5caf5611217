// What a wake from another thread costs its sender (benchmark row B12): sent from a plain thread and from
// another executor, to an owner that sleeps and to one that is busy. Each of the two has a CPU of its own.
// The figure is the time of wake() alone; the next one is sent when the owner's task has run.
#include <ringlet/executor/foreign_waker.hpp>
#include <ringlet/runtime.hpp>

#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdlib>
#include <future>
#include <thread>

namespace {

using namespace ringlet;
using namespace std::chrono_literals;

enum class Owner { parked, busy };

// Much more than an owner needs from the end of its task to its sleep.
constexpr Duration falls_asleep = 50us;

struct Meeting {
    std::promise<ForeignWaker> waker;
    // Written by the owner, in its thread's last moments:
    std::uint64_t parks = 0;
    // Any thread (atomic):
    std::atomic<std::int64_t> polls = 0;  // of the owner's task
    std::atomic<bool> stop = false;
};

Co<void> keep_busy(const std::atomic<bool>& stop) {
    while (!stop) co_await yield_now();
}

Co<void> be_woken(Meeting& meeting, Owner owner) {
    if (owner == Owner::busy) spawn_local(keep_busy(meeting.stop)).detach();
    auto stopped = poll_fn([&meeting](Context& context) -> Poll<void> {
        if (meeting.polls == 0) meeting.waker.set_value(ForeignWaker(context.waker()));
        ++meeting.polls;
        if (meeting.stop) return Unit{};
        return pending;
    });
    co_await stopped;
    meeting.parks = require_executor().stats().parks;
}

class Sender {
public:
    Sender(Meeting& meeting, Owner owner) : meeting_(meeting), owner_(owner) {}

    // Returns when the owner has answered the last wake, and sleeps if it is to.
    void await_answer() {
        while (meeting_.polls <= sent_) {
        }
        if (owner_ == Owner::busy) return;
        Time asleep = after(Clock::now(), falls_asleep);
        while (Clock::now() < asleep) {
        }
    }

    void wake(benchmark::State& state) {
        ++sent_;
        Time began = Clock::now();
        waker_.wake();
        state.SetIterationTime(std::chrono::duration<double>(Clock::now() - began).count());
    }

    void stop() {
        await_answer();
        meeting_.stop = true;
        waker_.wake();
    }

private:
    Meeting& meeting_;
    const Owner owner_;
    ForeignWaker waker_ = meeting_.waker.get_future().get();
    std::int64_t sent_ = 0;
};

// `send` gets a Sender and the CPU on which to use it.
template <class F>
void measure(benchmark::State& state, Owner owner, F send) {
    const auto& cpus = allowed_cpus();
    if (cpus.size() < 2) return state.SkipWithError("this process may use one CPU only");
    Meeting meeting;
    auto thread = LocalExecutorBuilder().placement(Placement::Fixed{cpus.front()}).spawn([&meeting, owner] {
        return be_woken(meeting, owner);
    });
    if (!thread) std::abort();
    Sender sender(meeting, owner);
    send(sender, Placement::Fixed{cpus.back()});
    thread->join();
    // A wake that finds the owner awake costs next to nothing, and one such is no matter.
    if (owner == Owner::parked && meeting.parks * 100 < static_cast<std::uint64_t>(state.iterations()) * 95)
        state.SkipWithError("the owner did not sleep before each wake");
}

void from_thread(benchmark::State& state, Owner owner) {
    measure(state, owner, [&state](Sender& sender, Placement placement) {
        std::thread([&] {
            if (!placement.apply_to_this_thread()) std::abort();
            for (auto _ : state) {
                sender.await_answer();
                sender.wake(state);
            }
            sender.stop();
        }).join();
    });
}
BENCHMARK_CAPTURE(from_thread, parked, Owner::parked)->Iterations(5'000)->UseManualTime();
BENCHMARK_CAPTURE(from_thread, busy, Owner::busy)->Iterations(100'000)->UseManualTime();

void from_executor(benchmark::State& state, Owner owner) {
    measure(state, owner, [&state](Sender& sender, Placement placement) {
        auto thread = LocalExecutorBuilder().placement(placement).spawn([&]() -> Co<void> {
            for (auto _ : state) {
                sender.await_answer();
                co_await yield_now();  // what the ring has to say of the last wake
                sender.wake(state);
            }
            sender.stop();
        });
        if (!thread) std::abort();
        thread->join();
    });
}
BENCHMARK_CAPTURE(from_executor, parked, Owner::parked)->Iterations(5'000)->UseManualTime();
BENCHMARK_CAPTURE(from_executor, busy, Owner::busy)->Iterations(100'000)->UseManualTime();

}  // namespace

// StallDetector: finds the task that holds the core and does not yield when it is asked to, be it that it
// computes or that it sleeps in a system call. It names the task's queue and prints the stack as it is at
// that moment. LocalExecutorBuilder::detect_stalls() makes one for an executor.
//
// How: while turns of queues go on, a timer of the kernel sends this thread a signal once per limit. The
// handler compares the clock with the beginning of the turn; if the limit is over it reports, else it sets
// the timer to what is left. An idle executor gets one signal at most. The signal is a real-time one that
// nobody else handles; as any signal, it ends early a nanosleep() or poll() that a task is blocked in.
//
// Price of a busy executor, at 15 ms from signal to signal: 70 signals a second with two system calls each,
// and up to 200 calls to set the preempt timer, which a queue that is alone does without otherwise.
//
// Threads: made, used and destroyed on the thread of its executor.
#pragma once

#include <ringlet/base/cycle_clock.hpp>
#include <ringlet/base/unique_fd.hpp>
#include <ringlet/executor/parker.hpp>

#include <csignal>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace ringlet {

struct StallReport {
    const char* executor;
    const char* queue;
    Duration held;                 // the core: for how long so far, or, if the stall is over, in all
    Duration waited;               // beyond that: was ready to run while another thread had its CPU
    bool is_over;                  // this comes second, when the task has yielded at last
    std::span<void* const> stack;  // return addresses, innermost first; empty if the stall is over
};

// Called in a signal handler unless the report says that the stall is over: may only do what is safe there.
using StallHandler = void (*)(const StallReport& report) noexcept;

// Replaces the handler, for all threads, and returns the one before. The first prints to stderr; names of
// functions appear if the program was linked with -rdynamic (Meson: export_dynamic), and c++filt makes them
// readable.
StallHandler set_stall_handler(StallHandler handler) noexcept;

class StallDetector {
public:
    // A turn is a stall when it has held the core for longer than `limit`. Waiting for a CPU does not count,
    // where the kernel keeps account of it (CONFIG_SCHED_INFO).
    static std::expected<std::unique_ptr<StallDetector>, StartError> make(std::string executor,
                                                                          Duration limit);
    StallDetector(const StallDetector&) = delete;
    StallDetector& operator=(const StallDetector&) = delete;
    ~StallDetector();

    // Around each turn of a queue. The name must live until its end.
    void begin_turn(const char* queue, CycleTime now) noexcept;
    // True if the turn was a stall.
    bool end_turn(CycleTime now) noexcept;

private:
    StallDetector(std::string executor, Duration limit);

    static int claim_signal() noexcept;
    static void on_signal(int, siginfo_t*, void* context) noexcept;

    void look(void* context) noexcept;
    void arm(CycleTime now, Duration wait) noexcept;
    Duration held(CycleTime now) noexcept;
    Duration waited_for_cpu() const noexcept;
    void report(Duration held, bool is_over, std::span<void* const> stack) const noexcept;

    std::string executor_;
    Duration limit_;
    std::optional<timer_t> timer_;
    UniqueFd schedstat_;  // empty if the kernel keeps no such account

    // Of the turn; the handler reads them while `watched` points here.
    const char* queue_ = nullptr;
    CycleTime began_{};

    // The handler's, and, while no turn goes on, begin_turn()'s and end_turn()'s.
    CycleTime fires_at_{};      // the timer; it was not set since if this is over
    CycleTime seen_{};          // the beginning of the turn that `waited_` is about
    Duration waited_{};         // for a CPU, in this turn
    Duration waited_before_{};  // what waited_for_cpu() said last
    bool reported_ = false;
};

}  // namespace ringlet

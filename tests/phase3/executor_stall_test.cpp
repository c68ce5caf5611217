// The stall detector: finds what holds the core, be it computing or blocked, and nothing else.
#include "support.hpp"

#include <ringlet/executor/stall_detector.hpp>

#include <array>
#include <sys/resource.h>

// The addresses of what stands in the section of this name; the linker knows them.
extern "C" const char __start_stall_probe[];
extern "C" const char __stop_stall_probe[];

using namespace support;

namespace {

constexpr std::size_t reports_max = 16;

// Copies of what was reported, by any thread. Filled in a signal handler: no allocation, no lock.
struct Name {
    char text[16];

    explicit Name(const char* name = "") { std::snprintf(text, sizeof text, "%s", name); }
    bool operator==(std::string_view name) const { return text == name; }
};
struct Seen {
    Name executor;
    Name queue;
    Duration held;
    bool is_over;
    bool names_probe;  // the probe's function stands on the stack
};
std::array<Seen, reports_max> seen;
std::atomic<std::size_t> seen_count = 0;

void keep(const StallReport& report) noexcept {
    bool names_probe = std::ranges::any_of(report.stack, [](const void* frame) {
        return frame >= __start_stall_probe && frame < __stop_stall_probe;
    });
    std::size_t at = seen_count++;
    if (at < reports_max)
        seen[at] = {Name(report.executor), Name(report.queue), report.held, report.is_over, names_probe};
}

// While it lives, reports are kept instead of being printed.
class Keeping {
public:
    Keeping() : before_(set_stall_handler(&keep)) { seen_count = 0; }
    Keeping(const Keeping&) = delete;
    Keeping& operator=(const Keeping&) = delete;
    ~Keeping() { set_stall_handler(before_); }

private:
    StallHandler before_;
};

// On the processor, so that a busy machine cannot shorten it.
Duration cpu_time() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

[[gnu::section("stall_probe"), gnu::noinline]] Duration spin(Duration longest) {
    Duration began = cpu_time();
    Duration spent{};
    while (spent < longest) spent = cpu_time() - began;
    return spent;
}

[[gnu::section("stall_probe"), gnu::noinline]] Duration block(Duration longest) {
    Time began = Clock::now();
    std::this_thread::sleep_for(longest);
    return Clock::now() - began;
}

std::unique_ptr<LocalExecutor> make_watched(const char* name = "watched", Duration limit = 10ms) {
    auto made = LocalExecutorBuilder().name(name).detect_stalls(limit).make();
    if (!made) throw std::runtime_error(made.error().text);
    return std::move(*made);
}

// Keeps `cpu` busy with a thread while it lives.
class Competitor {
public:
    explicit Competitor(unsigned cpu)
        : thread_([this, cpu] {
              static_cast<void>(Placement(Placement::Fixed{cpu}).apply_to_this_thread());
              while (!stop_) {
              }
          }) {}
    ~Competitor() {
        stop_ = true;
        thread_.join();
    }

private:
    std::atomic<bool> stop_ = false;
    std::thread thread_;
};

// Runs `work` in a task of a queue of that name; returns what it did.
template <class Work>
Duration run_in(LocalExecutor& executor, const char* queue, Work work) {
    Duration did{};
    TaskQueueHandle handle = executor.create_task_queue(queue);
    auto task = [&]() -> Co<void> {
        did = work();
        co_return;
    };
    executor.run(executor.spawn_local_into(handle, task).value());
    return did;
}

std::size_t open_timers() {
    std::size_t count = 0;
    std::FILE* timers = std::fopen("/proc/self/timers", "r");
    if (!timers) throw std::runtime_error("/proc/self/timers");
    for (std::array<char, 256> line; std::fgets(line.data(), line.size(), timers);) {
        count += std::string_view(line.data()).starts_with("ID:");
    }
    std::fclose(timers);
    return count;
}

}  // namespace

TEST_CASE("R44: a task that spins for 100 ms is reported once, with its queue and what it was doing") {
    Keeping keeping;
    auto executor = make_watched();
    CHECK(run_in(*executor, "hog", [] { return spin(100ms); }) >= 100ms);  // the fault
    REQUIRE(seen_count == 2);
    CHECK(seen[0].executor == "watched");
    CHECK(seen[0].queue == "hog");
    CHECK(seen[0].names_probe);
    CHECK_FALSE(seen[0].is_over);
    CHECK(seen[0].held >= 15ms);  // slice and limit
    CHECK(seen[1].queue == "hog");
    CHECK(seen[1].is_over);
    CHECK(seen[1].held >= 95ms);  // less what the accounts of the kernel lag behind
    CHECK(executor->queue({executor.get(), 1})->stats().stalls == 1);
    CHECK(executor->current_queue().stats().stalls == 0);
}

TEST_CASE("R44: a task that is blocked in a system call is reported as well") {
    Keeping keeping;
    auto executor = make_watched();
    CHECK(run_in(*executor, "sleeper", [] { return block(60ms); }) >= 60ms);  // the fault
    REQUIRE(seen_count == 2);
    CHECK(seen[0].queue == "sleeper");
    CHECK(seen[0].names_probe);
    CHECK(seen[1].is_over);
}

TEST_CASE("R44: each stall is reported, by the name of its own queue") {
    Keeping keeping;
    auto executor = make_watched();
    run_in(*executor, "first", [] { return spin(40ms); });
    run_in(*executor, "second", [] { return spin(40ms); });
    run_in(*executor, "third", [] { return block(40ms); });
    REQUIRE(seen_count == 6);
    CHECK(seen[0].queue == "first");
    CHECK(seen[2].queue == "second");
    CHECK(seen[4].queue == "third");
}

TEST_CASE("R44: no alarm for a hog that yields when it is asked to, even if it is alone") {
    Keeping keeping;
    auto executor = make_watched();
    executor->run([]() -> Co<void> {
        Duration began = cpu_time();
        while (cpu_time() - began < 100ms) co_await yield_if_needed();
    });
    CHECK(executor->current_queue().stats().preemptions >= 10);  // it was asked
    CHECK(seen_count == 0);
}

TEST_CASE("R44: no alarm for a task whose thread waits while another has its CPU") {
    if (access("/proc/thread-self/schedstat", R_OK) != 0)
        return skip(44, "the kernel does not say who waited for a CPU");
    Keeping keeping;
    unsigned cpu = allowed_cpus().front();
    Competitor competitor(cpu);
    std::thread([cpu] {
        CHECK(Placement(Placement::Fixed{cpu}).apply_to_this_thread());
        setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), 10);  // a tenth of the other's part
        auto executor = make_watched();
        Time began = Clock::now();
        executor->run([]() -> Co<void> {
            Duration began = cpu_time();
            while (cpu_time() - began < 40ms) co_await yield_if_needed();
        });
        CHECK(Clock::now() - began >=
              120ms);  // the fault: it waited, and for longer than the limit at a time
    }).join();
    CHECK(seen_count == 0);
}

TEST_CASE("R44: no alarm in 10,000 quiet turns, nor in sleep") {
    Keeping keeping;
    auto executor = make_watched();
    executor->run([]() -> Co<void> {
        for (int turn = 0; turn < 10'000; ++turn) co_await round_trip();
        for (int nap = 0; nap < 5; ++nap) co_await sleep(30ms);  // longer than slice and limit
    });
    CHECK(executor->stats().turns >= 10'000);
    CHECK(executor->stats().parks >= 5);
    CHECK(seen_count == 0);
}

TEST_CASE("a stall right after a sleep is seen: the timer that ran out meanwhile is set again") {
    Keeping keeping;
    auto executor = make_watched();
    executor->run([]() -> Co<void> {
        for (int nap = 0; nap < 3; ++nap) {
            co_await sleep(30ms);
            CHECK(spin(40ms) >= 40ms);
        }
    });
    CHECK(seen_count == 6);
}

TEST_CASE("an idle executor is woken by at most one signal") {
    auto executor = make_watched();
    executor->run([]() -> Co<void> {
        co_await sleep(30ms);
        rusage before{}, after{};
        getrusage(RUSAGE_THREAD, &before);
        co_await sleep(300ms);
        getrusage(RUSAGE_THREAD, &after);
        CHECK(after.ru_nvcsw - before.ru_nvcsw <= 3);  // the sleep, and one more for the signal
    });
}

TEST_CASE("an executor that goes with its timer set leaves neither timer nor descriptor nor alarm") {
    Keeping keeping;
    make_watched().reset();  // the first claims the signal
    std::size_t timers = open_timers();
    std::size_t descriptors = open_descriptors();
    for (int round = 0; round < 20; ++round) {
        auto executor = make_watched();
        executor->run([]() -> Co<void> { co_return; });
        CHECK(open_timers() == timers + 1);
    }
    CHECK(open_timers() == timers);
    CHECK(open_descriptors() == descriptors);
    spin(40ms);  // a signal that was under way would come now
    CHECK(seen_count == 0);
}

TEST_CASE("a stall outside of a turn is nobody's") {
    Keeping keeping;
    auto executor = make_watched();
    executor->run([]() -> Co<void> { co_return; });
    spin(40ms);
    executor->run([]() -> Co<void> { co_return; });
    CHECK(seen_count == 0);
}

TEST_CASE("two executors on two threads: each thread is told of its own") {
    Keeping keeping;
    auto work = [](const char* name, Duration (*hold)(Duration)) {
        auto executor = make_watched(name);
        run_in(*executor, name, [hold] { return hold(60ms); });
    };
    std::thread one(work, "one", &spin);
    std::thread two(work, "two", &block);
    one.join();
    two.join();
    REQUIRE(seen_count == 4);
    auto reports = std::span(seen).first(4);
    for (const char* name : {"one", "two"}) {
        CHECK(std::ranges::count_if(reports, [&](const Seen& report) {
                  return report.executor == name && report.queue == name && !report.is_over &&
                         report.names_probe;
              }) == 1);
    }
}

TEST_CASE("two executors on one thread do not take each other's turns for stalls") {
    Keeping keeping;
    auto first = make_watched("first");
    auto second = make_watched("second", 1ms);  // the first's signal comes when this has reported
    for (int round = 0; round < 200; ++round) {
        for (auto* executor : {first.get(), second.get()}) {
            executor->spawn_local([]() -> Co<void> { co_return; }).detach();
            executor->turn(false);
        }
    }
    CHECK(seen_count == 0);
    run_in(*second, "hog", [] { return spin(40ms); });
    REQUIRE(seen_count == 2);
    CHECK(seen[0].executor == "second");
}

TEST_CASE("the first handler prints the queue, the times and the stack to stderr") {
    auto end = run_in_child([] {
        auto executor = make_watched();
        run_in(*executor, "hog", [] { return spin(40ms); });
    });
    CHECK(end.exited_well());
    CHECK(end.says("ringlet: stall: a task of queue 'hog' of executor 'watched' has held the core for "));
    CHECK(end.says(", at:\n"));
    CHECK(end.says("executor_stall_test("));  // a frame
    CHECK(end.says("has given the core back after "));
}

TEST_CASE("a signal that the program handles itself stays the program's, and a blocked one is let through") {
    auto end = run_in_child([] {
        static int got = 0;
        std::signal(SIGRTMIN, [](int) { ++got; });
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, nullptr);
        Keeping keeping;
        auto executor = make_watched();
        run_in(*executor, "hog", [] { return spin(40ms); });
        CHILD_REQUIRE(seen_count == 2);
        CHILD_REQUIRE(got == 0);
        sigprocmask(SIG_UNBLOCK, &all, nullptr);
        raise(SIGRTMIN);
        CHILD_REQUIRE(got == 1);
    });
    CHECK(end.exited_well());
    CHECK(end.errors == "");
}

TEST_CASE("if no signal is free, or no timer, the executor is refused with a reason") {
    auto end = run_in_child([] {
        for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal) std::signal(signal, [](int) {});
        auto refused = LocalExecutorBuilder().detect_stalls().make();
        CHILD_REQUIRE(!refused);
        CHILD_REQUIRE(refused.error().code == std::errc::device_or_resource_busy);
        CHILD_REQUIRE(refused.error().text.starts_with("cannot detect stalls: "));
    });
    CHECK(end.exited_well());
    CHECK(end.errors == "");
    end = run_in_child([] {
        timer_t of_the_program;
        sigevent no_signal{};
        no_signal.sigev_notify = SIGEV_NONE;
        CHILD_REQUIRE(timer_create(CLOCK_MONOTONIC, &no_signal, &of_the_program) == 0);
        rlimit no_pending_signals{0, 0};
        setrlimit(RLIMIT_SIGPENDING, &no_pending_signals);
        auto refused = LocalExecutorBuilder().detect_stalls().make();
        CHILD_REQUIRE(!refused);
        CHILD_REQUIRE(refused.error().code == std::errc::resource_unavailable_try_again);
        itimerspec left;
        CHILD_REQUIRE(timer_gettime(of_the_program, &left) == 0);
    });
    CHECK(end.exited_well());
    CHECK(end.errors == "");
}

TEST_CASE("a signal that waits for the program in a signalfd is left to it") {
    ChildEnd child = run_in_child([] {
        for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal) std::signal(signal, SIG_DFL);
        sigset_t theirs;
        sigemptyset(&theirs);
        sigaddset(&theirs, SIGRTMIN);
        pthread_sigmask(SIG_BLOCK, &theirs, nullptr);
        auto executor = LocalExecutorBuilder().detect_stalls(100ms).make();
        if (!executor) _exit(2);
        struct sigaction theirs_still{};
        sigaction(SIGRTMIN, nullptr, &theirs_still);
        if (theirs_still.sa_handler != SIG_DFL) _exit(3);
    });
    CHECK(child.exited_well());
}

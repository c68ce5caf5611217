// What the suites of phase 1 share: executors made as programs make them, futures that are ready when the
// test says so, objects that count their lives, and child processes for what ends in abort().
#pragma once

#include <ringlet/executor/idle_parker.hpp>
#include <ringlet/future/co.hpp>
#include <ringlet/future/join.hpp>
#include <ringlet/future/select.hpp>
#include <ringlet/runtime.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace support {

using namespace ringlet;

// --- Executors ----------------------------------------------------------------------------------

inline std::unique_ptr<LocalExecutor> make_executor() {
    auto made = LocalExecutorBuilder().name("test").make();
    if (!made) throw std::runtime_error(made.error().text);
    return std::move(*made);
}

// For suites that make thousands, and wait for nothing from outside: it has no ring in any phase.
inline std::unique_ptr<LocalExecutor> make_idle_executor() {
    return std::make_unique<LocalExecutor>("idle", std::make_unique<IdleParker>());
}

// Runs the tasks of the default queue until none of them is ready.
inline void settle(LocalExecutor& executor) {
    while (!executor.current_queue().empty()) executor.turn(false);
}

// --- Polling by hand ----------------------------------------------------------------------------

template <class F>
auto poll_with(F& future, const Waker& waker) {
    Context context(waker);
    return future.poll(context);
}

// With a waker that wakes nobody.
template <class F>
auto poll(F& future) {
    return poll_with(future, Waker());
}

struct WakerCounts {
    int references = 0;
    int clones = 0;
    int wakes = 0;
    int wakes_by_ref = 0;
    int drops = 0;
};

// One waker on `counts`, whose reference is counted as well.
inline Waker make_waker(WakerCounts& counts) {
    static constexpr WakerVTable vtable = {
        .clone = [](void* data) noexcept -> void* {
            auto& seen = *static_cast<WakerCounts*>(data);
            ++seen.clones;
            ++seen.references;
            return data;
        },
        .wake =
            [](void* data) noexcept {
                auto& seen = *static_cast<WakerCounts*>(data);
                ++seen.wakes;
                --seen.references;
            },
        .wake_by_ref = [](void* data) noexcept { ++static_cast<WakerCounts*>(data)->wakes_by_ref; },
        .drop =
            [](void* data) noexcept {
                auto& seen = *static_cast<WakerCounts*>(data);
                ++seen.drops;
                --seen.references;
            },
    };
    ++counts.references;
    return Waker(&counts, vtable);
}

// Something to wait for: its futures are pending until open() is called.
class Event {
public:
    class Wait {
    public:
        using Output = void;
        explicit Wait(Event& event) : event_(event) {}
        Poll<void> poll(Context& context) {
            ++event_.polls;
            if (event_.is_open_) return Unit{};
            event_.waker = context.waker().clone();
            return pending;
        }

    private:
        Event& event_;
    };

    Wait wait() { return Wait(*this); }
    void open() {
        is_open_ = true;
        std::move(waker).wake();
    }

    int polls = 0;
    Waker waker;  // of the last who found it closed

private:
    bool is_open_ = false;
};

// --- Lives --------------------------------------------------------------------------------------

// Move-only; counts when it is dropped, unless it was moved from. Dropped twice, it counts twice.
class Token {
public:
    explicit Token(int& drops) : drops_(&drops) {}
    Token(Token&& other) noexcept : drops_(std::exchange(other.drops_, nullptr)) {}
    Token& operator=(Token&& other) noexcept {
        std::swap(drops_, other.drops_);
        return *this;
    }
    ~Token() {
        if (drops_) ++*drops_;
    }

private:
    int* drops_;
};

// What happened, in order.
using Log = std::vector<std::string>;

// Logs `entry` when it is destroyed.
class LogsEnd {
public:
    LogsEnd(Log& log, std::string entry) : log_(log), entry_(std::move(entry)) {}
    LogsEnd(const LogsEnd&) = delete;
    LogsEnd& operator=(const LogsEnd&) = delete;
    ~LogsEnd() { log_.push_back(entry_); }

private:
    Log& log_;
    std::string entry_;
};

// Knows each of its members that lives, so that a second destruction of one does not go unnoticed.
class Census {
public:
    class Member {
    public:
        explicit Member(Census& census) : census_(&census) { census_->enter(this); }
        // As a move it must not throw, or no task could give a Member.
        Member(const Member& other) noexcept : census_(other.census_) { census_->enter(this); }
        Member& operator=(const Member&) = default;
        ~Member() { census_->leave(this); }

    private:
        Census* census_;
    };

    std::size_t alive() const { return members_.size(); }
    int entered = 0;
    int faults = 0;  // entered over a living one, or left without living

private:
    void enter(const Member* member) {
        ++entered;
        if (!members_.insert(member).second) ++faults;
    }
    void leave(const Member* member) {
        if (members_.erase(member) == 0) ++faults;
    }

    std::set<const Member*> members_;
};

// --- A task's life in numbers -------------------------------------------------------------------

struct TaskCounts {
    int polls = 0;
    int future_drops = 0;
    int output_drops = 0;

    friend bool operator==(const TaskCounts&, const TaskCounts&) = default;
};

inline doctest::String toString(const TaskCounts& counts) {
    std::string text = std::to_string(counts.polls) + " polls, " + std::to_string(counts.future_drops) +
                       " future drops, " + std::to_string(counts.output_drops) + " output drops";
    return text.c_str();
}

// Waits for the event, then gives a Token.
class Counted {
public:
    using Output = Token;
    Counted(Event& event, TaskCounts& counts)
        : event_(event), counts_(counts), future_(counts.future_drops) {}
    Poll<Token> poll(Context& context) {
        ++counts_.polls;
        if (event_.wait().poll(context).is_pending()) return pending;
        return Token(counts_.output_drops);
    }

private:
    Event& event_;
    TaskCounts& counts_;
    Token future_;
};

// --- Reports ------------------------------------------------------------------------------------

// While it lives, exceptions that nobody awaits are kept here instead of being printed.
class Reports {
public:
    Reports() : before_(set_unhandled_exception_handler(&keep)) { texts.clear(); }
    Reports(const Reports&) = delete;
    Reports& operator=(const Reports&) = delete;
    ~Reports() { set_unhandled_exception_handler(before_); }

    static inline std::vector<std::string> texts;

private:
    static void keep(std::exception_ptr error) noexcept {
        try {
            std::rethrow_exception(error);
        } catch (const std::exception& exception) {
            texts.push_back(exception.what());
        } catch (...) {
            texts.push_back("unknown");
        }
    }

    UnhandledExceptionHandler before_;
};

// --- Child processes ----------------------------------------------------------------------------

struct ChildEnd {
    int status = 0;
    std::string errors;  // what it wrote to stderr

    bool exited_well() const { return WIFEXITED(status) && WEXITSTATUS(status) == 0; }
    bool aborted() const { return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT; }
    bool says(const char* text) const { return errors.find(text) != std::string::npos; }
};

// Runs `body` in a child process and waits for its end.
template <class Body>
ChildEnd run_in_child(Body body) {
    int ends[2];
    if (pipe(ends) != 0) throw std::runtime_error("pipe");
    std::fflush(nullptr);
    pid_t child = fork();
    if (child < 0) throw std::runtime_error("fork");
    if (child == 0) {
        rlimit no_core{0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        std::signal(SIGABRT, SIG_DFL);  // doctest reports a fatal signal of its own
        dup2(ends[1], STDERR_FILENO);
        body();
        std::fflush(stderr);
        _exit(0);
    }
    close(ends[1]);
    ChildEnd end;
    char buffer[512];
    for (ssize_t size; (size = read(ends[0], buffer, sizeof buffer)) > 0;) end.errors.append(buffer, size);
    close(ends[0]);
    waitpid(child, &end.status, 0);
    return end;
}

}  // namespace support

// How a failed CHECK shows a log.
template <>
struct doctest::StringMaker<support::Log> {
    static String convert(const support::Log& log) {
        std::string text;
        for (const std::string& entry : log) text += (text.empty() ? "" : ", ") + entry;
        return text.c_str();
    }
};

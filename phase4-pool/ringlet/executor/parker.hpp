// Parker: what an executor does when it is not running tasks: collect what happened outside, and sleep
// until something does. Phase 1 has nothing outside (IdleParker); from phase 2 on the reactor parks.
//
// Threads: owner thread only. Lifetimes: owned by its LocalExecutor, outlives all of its tasks.
#pragma once

#include <ringlet/base/cycle_clock.hpp>
#include <ringlet/base/error.hpp>
#include <ringlet/executor/preempt_words.hpp>
#include <ringlet/executor/unparker.hpp>

#include <cstdint>
#include <expected>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>

namespace ringlet {

class Reactor;  // reactor/reactor.hpp
class Trace;    // executor/trace.hpp

// Why an executor could not be made: the code for programs, one sentence for people.
struct StartError {
    std::error_code code;
    std::string text;
};

// Thrown by run(): the root waits, no task is ready, and nothing exists that could ever wake one.
class Deadlock : public std::logic_error {
    using std::logic_error::logic_error;
};

// Asks the executor, after the parker has announced its sleep, whether a task has become ready meanwhile.
struct Recheck {
    const void* executor;
    bool (*has_ready)(const void* executor);

    bool operator()() const { return has_ready(executor); }
};

struct ParkStats {
    std::uint64_t parks = 0;  // times the thread went to sleep
    Duration parked{};        // time asleep
    Duration spun{};          // time spent looking for work before that, if ParkerOptions::spin allows any
};

class Parker {
public:
    virtual ~Parker() = default;

    // Hands over what is due to the outside, collects what has arrived, wakes its tasks. Never sleeps.
    virtual void poll() = 0;

    // As poll(), but sleeps until something arrives, unless `recheck` says that a task is ready. May
    // return early. Throws Deadlock if nothing can arrive.
    virtual void park(Recheck recheck) = 0;

    // Where need_preempt() looks.
    virtual PreemptWords preempt_words() const noexcept { return {}; }

    // A queue runs, from now to `until` if others are ready. Sees to it that need_preempt() is true by then:
    // if `others_ready`, or if what happens outside may make them so. If nobody can want the core, nothing
    // is armed.
    virtual void arm_preempt(CycleTime /*until*/, bool /*others_ready*/) noexcept {}

    virtual ParkStats park_stats() const noexcept { return {}; }

    // By which other threads end a sleep in park(). Fails when descriptors run out.
    virtual Result<Unparker> unparker() { return Unparker(); }

    // Ends the sleep of another executor in the ring of this number; should the kernel refuse, by its
    // doorbell. False if this parker cannot.
    virtual bool wake_ring(int /*ring*/, const std::shared_ptr<Doorbell>& /*sleeper*/) noexcept {
        return false;
    }

    // After all tasks are gone: waits until nothing outside refers to this parker any more.
    virtual void drain() noexcept {}

    // The reactor, if this parker is one: how operations find it.
    virtual Reactor* as_reactor() noexcept { return nullptr; }
};

// Settings of the parker, as LocalExecutorBuilder passes them on.
struct ParkerOptions {
    unsigned ring_depth = 128;        // submission entries; a power of two
    unsigned buffer_count = 256;      // that the kernel fills when data arrives; a power of two
    unsigned buffer_bytes = 8192;     // each
    std::size_t io_memory = 4 << 20;  // bytes to read and write directly; 0: use the heap
    Duration spin{};                  // how long to look for work before going to sleep
    Trace* trace = nullptr;           // what the parker does is noted there
    bool histograms = false;          // the time that operations take is noted
};

// Defined in runtime.cpp: the phase decides what its executors park on.
std::expected<std::unique_ptr<Parker>, StartError> make_parker(const ParkerOptions& options);

}  // namespace ringlet

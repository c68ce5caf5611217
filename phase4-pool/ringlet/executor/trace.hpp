// Trace: what an executor did, event by event, in memory of a fixed size. A program makes one, hands it to
// LocalExecutorBuilder::trace() and, when it pleases, has it written as JSON (executor/trace_json.hpp).
//
// Price (kernel 6.18, GCC 12.2, an EPYC in a VM): where nobody asks for a trace, 0.3 of the 12 ns of a yield;
// where somebody does, 7 ns an event, which is 14 ns a yield and 70 ns for an operation of the ring.
//
// Threads: while the executor runs, its thread only. Lifetimes: outlives the executor, and is good for one.
#pragma once

#include <ringlet/base/cycle_clock.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ringlet {

struct TraceEvent {
    enum Kind : std::uint8_t {
        spawn,       // task, queue
        wake,        // task, queue: it stands in its queue from now on, because it is new or was woken
        turn_begin,  // queue
        run,         // task, queue: polled from now to the next run, or to the end of the turn
        turn_end,    // queue; `flag`: preempted
        poll,        // the executor looks for work, up to the next turn or poll
        park_begin,  // within a poll: the thread sleeps
        park_end,
        submit,    // operation, ring, opcode; `flag`: it is the runtime's own, as the preempt timer is
        complete,  // operation, ring, its result; `flag`: it goes on, more will follow
    };

    CycleTime at{};
    std::uint64_t subject =
        0;                   // task: where it lies in memory, for as long as it lives. Operation: user data
    std::int32_t value = 0;  // number of the queue, or result of the operation
    Kind kind = spawn;
    bool flag = false;
    std::uint8_t ring = 0;    // place in Trace::ring_names
    std::uint8_t opcode = 0;  // IORING_OP_*
};
static_assert(sizeof(TraceEvent) == 24);

class Trace {
public:
    static constexpr std::size_t default_events_max = 1 << 20;
    static constexpr const char* ring_names[] = {"main", "latency", "poll"};

    // All memory is taken, and touched, here: 24 bytes an event.
    explicit Trace(std::size_t events_max = default_events_max) : events_(events_max) {}
    Trace(const Trace&) = delete;
    Trace& operator=(const Trace&) = delete;

    // In the order in which they happened.
    std::span<const TraceEvent> events() const noexcept { return std::span(events_).first(count_); }
    // How many came when there was no room left.
    std::uint64_t dropped() const noexcept { return dropped_; }

    const std::string& executor_name() const noexcept { return executor_name_; }
    std::span<const std::string> queue_names() const noexcept { return queue_names_; }

    // For the runtime.
    void begin(std::string executor_name);
    void name_queue(std::size_t index, std::string name);

    void add(TraceEvent event) noexcept {
        if (count_ == events_.size()) [[unlikely]] {
            ++dropped_;
        } else {
            events_[count_++] = event;
        }
    }
    void add_now(TraceEvent event) noexcept {
        event.at = CycleClock::now();
        add(event);
    }
    void add_task(TraceEvent::Kind kind, const void* task, std::uint32_t queue) noexcept {
        add_now({{}, reinterpret_cast<std::uintptr_t>(task), static_cast<std::int32_t>(queue), kind});
    }

private:
    std::vector<TraceEvent> events_;
    std::size_t count_ = 0;
    std::uint64_t dropped_ = 0;
    std::string executor_name_;
    std::vector<std::string> queue_names_;
};

}  // namespace ringlet

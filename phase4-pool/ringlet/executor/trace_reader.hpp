// TraceReader: a trace with its events put in relation, for what writes or draws it.
//
// Threads: that of the trace. Lifetimes: the trace outlives it, and grows no more meanwhile.
#pragma once

#include <ringlet/executor/trace.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ringlet {

class TraceReader {
public:
    static constexpr std::size_t none = ~std::size_t{0};

    explicit TraceReader(const Trace& trace);

    const Trace& trace() const noexcept { return trace_; }
    std::size_t size() const noexcept { return events_.size(); }
    const TraceEvent& operator[](std::size_t i) const noexcept { return events_[i]; }

    // The event with which that which began with event i was over: a turn's, a sleep's, an operation's end;
    // for a run or a poll, what follows on it; for a wake, the run. `none` if the trace does not hold it.
    std::size_t end_of(std::size_t i) const noexcept { return links_[i].end; }
    // A run's wake, a completion's submission; else `none`.
    std::size_t cause_of(std::size_t i) const noexcept { return links_[i].cause; }

    // Since the first event.
    Duration time_of(std::size_t i) const noexcept { return events_[i].at - events_.front().at; }
    // What the trace does not see the end of, goes on to its last event.
    Duration end_time_of(std::size_t i) const noexcept {
        return time_of(end_of(i) == none ? size() - 1 : end_of(i));
    }

    const std::string& queue_name(std::size_t i) const noexcept {
        return trace_.queue_names()[static_cast<std::size_t>(events_[i].value)];
    }
    // Numbered from 1, as they were spawned.
    std::size_t task_number(std::size_t i) const noexcept { return links_[i].task; }
    const char* ring_name(std::size_t i) const noexcept { return Trace::ring_names[events_[i].ring]; }
    // Of a submission, or of the one whose completion this is; "?" if the trace does not hold that.
    std::string operation_name(std::size_t i) const;

private:
    struct Link {
        std::size_t end = none;
        std::size_t cause = none;
        std::size_t task = 0;
    };

    void link_spans() noexcept;
    void link_tasks();
    void link_operations();

    const Trace& trace_;
    std::span<const TraceEvent> events_;
    std::vector<Link> links_;
};

}  // namespace ringlet

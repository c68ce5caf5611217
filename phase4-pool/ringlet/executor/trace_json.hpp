// A trace as JSON in Chrome's Trace Event Format, which ui.perfetto.dev and chrome://tracing open.
//
// One thread stands for the executor: polls with the sleeps in them, turns of queues with the runs of tasks
// in them. Arrows lead from each wake to the run that came of it, and from each submission to its completion.
// Operations in flight have tracks of their own, by ring and kind. Time begins with the first event.
#pragma once

#include <ringlet/executor/trace.hpp>

#include <iosfwd>

namespace ringlet {

void write_trace_json(const Trace& trace, std::ostream& out);

}  // namespace ringlet

// A trace as a picture (SVG), 1200 pixels wide: a row for each queue with its turns and the tasks in them,
// one for the sleeps of the thread, one for each ring with its operations; a time axis and a legend. In a
// browser, what the mouse rests on says what it is.
#pragma once

#include <ringlet/executor/trace.hpp>

#include <iosfwd>
#include <optional>

namespace example {

// A part of a trace, counted from its first event.
struct Window {
    ringlet::Duration from;
    ringlet::Duration to;
};

// Without a window the whole trace is drawn, or, if that has too many turns to be told apart, the part of it
// with the most to see.
void write_timeline(const ringlet::Trace& trace, std::ostream& out,
                    std::optional<Window> window = std::nullopt);

}  // namespace example

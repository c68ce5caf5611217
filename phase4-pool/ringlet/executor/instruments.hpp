// What watches an executor at work. All of it is off unless LocalExecutorBuilder was asked for it, and then
// costs a branch or two.
#pragma once

#include <ringlet/executor/stall_detector.hpp>
#include <ringlet/executor/trace.hpp>

#include <memory>

namespace ringlet {

struct Instruments {
    Trace* trace = nullptr;  // outlives the executor
    bool histograms = false;
    std::unique_ptr<StallDetector> stalls = nullptr;
};

}  // namespace ringlet

// What an executor, its queues and its rings have done so far, as tables for people.
//
// Threads: owner thread only.
#pragma once

#include <string>

namespace ringlet {

class LocalExecutor;

// Times from wake to run, and those of operations, are in it if LocalExecutorBuilder::histograms() or trace()
// was asked for.
std::string describe(LocalExecutor& executor);

}  // namespace ringlet

// The command line of an example, from phase 3 on: --help, its own flags, and, if it has executors to trace,
// --trace FILE and --timeline FILE.svg. --window says which part of a trace the timeline shows, in
// milliseconds.
//
//     example::Options options(argc, argv, "what it shows", {"--forget", "--ms N"});
//     auto executor = options.make(LocalExecutorBuilder().name("shares"));
//     executor->run(show(options.has("--forget"), options.number("--ms", 500)));
//
// The files are written when the options are destroyed: declare them before the executors. With more than one
// executor, the second's trace goes to FILE-2, and so on. A command line that makes no sense ends the
// program: what is wrong and the usage on stderr, exit code 2.
#pragma once

#include "timeline.hpp"

#include <ringlet/runtime.hpp>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace example {

enum class Tracing {
    none,  // nothing is given to apply() or make()
    offered,
};

class Options {
public:
    // `flags`: "--name", or "--name VALUE" if one follows.
    Options(int argc, char** argv, std::string about, std::vector<std::string> flags = {},
            Tracing tracing = Tracing::offered);
    Options(const Options&) = delete;
    Options& operator=(const Options&) = delete;
    ~Options();

    bool has(const std::string& flag) const { return given_.contains(flag); }
    std::string text(const std::string& flag, std::string fallback) const;
    unsigned number(const std::string& flag, unsigned fallback) const;

    // For one executor: has it traced if the command line asks for that.
    ringlet::LocalExecutorBuilder& apply(ringlet::LocalExecutorBuilder& builder);
    // The same, and makes it; if it cannot be made, says why and ends the program.
    std::unique_ptr<ringlet::LocalExecutor> make(ringlet::LocalExecutorBuilder builder);

private:
    [[noreturn]] void refuse(const std::string& why) const;
    void print_usage(std::FILE* out) const;
    std::optional<Window> window() const;
    void write(const std::string& flag,
               const std::function<void(const ringlet::Trace&, std::ostream&)>& write_trace) const;

    std::string program_;
    std::string about_;
    std::vector<std::string> flags_;
    std::map<std::string, std::string> given_;
    std::deque<ringlet::Trace> traces_;  // one for each executor
};

}  // namespace example

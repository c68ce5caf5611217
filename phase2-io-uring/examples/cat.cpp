// Writes files, or what comes in at stdin, to stdout.
//
// Shows: the ring with any descriptor: files, pipes, terminals; and one buffer that moves to the kernel and
// back, again and again.
//
//     cat FILE...              # "-" is stdin, and so is no FILE at all
//     ls | cat | wc -l
//
// Prints the bytes and nothing else. What cannot be read is named on stderr; the exit code is then 1.
#include "arguments.hpp"

#include <ringlet/future/co.hpp>
#include <ringlet/reactor/operations.hpp>
#include <ringlet/runtime.hpp>

using namespace ringlet;

namespace {

using Buffer = std::vector<std::byte>;
constexpr std::size_t buffer_bytes = 128 << 10;

// The descriptor's own position is used, since pipes and terminals have no other.
constexpr std::uint64_t here = operations::at_current_position;

// If nobody reads stdout any more, the kernel sends SIGPIPE and the program ends, as `cat big | head` wants.
Co<Result<void>> pour(SharedFd from, SharedFd to) {
    Buffer buffer(buffer_bytes);
    while (true) {
        Operation reading(operations::Read<Buffer>(from, std::move(buffer), here));
        auto read = co_await reading;
        if (!read.n) co_return std::unexpected(read.n.error());
        if (*read.n == 0) co_return Result<void>();
        Operation writing(operations::Write<Buffer>(to, std::move(read.buffer), here, *read.n, true));
        auto written = co_await writing;
        if (!written.n) co_return std::unexpected(written.n.error());
        buffer = std::move(written.buffer);
    }
}

Co<Result<void>> pour_named(std::string name, SharedFd input, SharedFd output) {
    if (name == "-") co_return co_await pour(std::move(input), std::move(output));
    auto opened = co_await Operation(operations::Open(std::move(name), O_RDONLY, 0));
    if (!opened) co_return std::unexpected(opened.error());
    co_return co_await pour(SharedFd(std::move(*opened)), std::move(output));
}

Co<int> pour_all(std::vector<std::string> names) {
    SharedFd input(UniqueFd(STDIN_FILENO));
    SharedFd output(UniqueFd(STDOUT_FILENO));
    int exit_code = 0;
    for (const std::string& name : names) {
        Result<void> poured = co_await pour_named(name, input, output);
        if (poured) continue;
        std::fprintf(stderr, "cat: %s: %s\n", name.c_str(), poured.error().message().c_str());
        exit_code = 1;
    }
    co_return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
    Arguments arguments(argc, argv, "cat [FILE]...");
    std::vector<std::string> names = arguments.words(0, 10000);
    if (names.empty()) names.push_back("-");
    auto executor = LocalExecutorBuilder().name("cat").make();
    if (!executor) {
        std::fprintf(stderr, "cat: %s\n", executor.error().text.c_str());
        return 1;
    }
    return (*executor)->run(pour_all(std::move(names)));
}

// What the ring costs when the kernel has next to nothing to do: NOPs, cached reads, timers (benchmark rows
// B7 and B10b). Each figure is the time of one operation; the argument is the number of tasks at work.
#include <ringlet/fs/buffered_file.hpp>
#include <ringlet/future/select.hpp>
#include <ringlet/reactor/operations.hpp>
#include <ringlet/runtime.hpp>
#include <ringlet/time/sleep.hpp>

#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <stdlib.h>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

using namespace ringlet;

constexpr std::int64_t rounds = 1'000;  // of each task, so that spawning it does not show
constexpr std::size_t block_bytes = 4096;
constexpr std::size_t blocks = 16'384;

void require(bool holds) {
    if (!holds) std::abort();
}

// Runs `make_task(index)` that many times side by side, again and again; an operation is one of a task's
// rounds.
template <class MakeTask>
void run_side_by_side(benchmark::State& state, MakeTask make_task) {
    auto executor = LocalExecutorBuilder().make();
    require(executor.has_value());
    (*executor)->run([&]() -> Co<void> {
        std::vector<JoinHandle<void>> tasks;
        while (state.KeepRunningBatch(state.range(0) * rounds)) {
            for (std::int64_t index = 0; index < state.range(0); ++index) {
                tasks.push_back(spawn_local(make_task(index)));
            }
            for (auto& task : tasks) require(co_await task);
            tasks.clear();
        }
    });
}

Co<void> submit_nops() {
    for (std::int64_t round = 0; round < rounds; ++round) {
        auto done = co_await Operation(operations::Nop());
        require(done.has_value());
    }
}

void nop(benchmark::State& state) {
    run_side_by_side(state, [](std::int64_t) { return submit_nops(); });
}
BENCHMARK(nop)->Arg(1)->Arg(32)->Arg(100);

// The file that RINGLET_BENCH_FILE names, or one of our own that is gone with its descriptor.
UniqueFd open_blocks() {
    if (const char* name = std::getenv("RINGLET_BENCH_FILE"))
        return UniqueFd(::open(name, O_RDONLY | O_CLOEXEC));
    std::string name = "/var/tmp/ringlet-bench-XXXXXX";
    UniqueFd file(::mkstemp(name.data()));
    require(file.get() >= 0 && ::unlink(name.c_str()) == 0);
    const std::string block(block_bytes, 'x');
    for (std::size_t index = 0; index < blocks; ++index) {
        require(::write(file.get(), block.data(), block.size()) == static_cast<ssize_t>(block_bytes));
    }
    return file;
}

class RandomBlocks {
public:
    explicit RandomBlocks(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15 + 1) {}
    std::uint64_t next_position() {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return state_ % blocks * block_bytes;
    }

private:
    std::uint64_t state_;
};

Co<void> read_blocks(BufferedFile& file, std::uint64_t seed) {
    RandomBlocks random(seed);
    std::string buffer(block_bytes, '\0');
    for (std::int64_t round = 0; round < rounds; ++round) {
        auto read = co_await file.read_at(std::move(buffer), random.next_position());
        require(read.n == block_bytes);
        buffer = std::move(read.buffer);
    }
}

void cached_reads(benchmark::State& state) {
    BufferedFile file(open_blocks());
    run_side_by_side(state, [&file](std::int64_t index) {
        return read_blocks(file, static_cast<std::uint64_t>(index) + 1);
    });
}
BENCHMARK(cached_reads)->Arg(32);

// Arms a timer among others and takes it away again, as a timeout that does not strike does.
void arm_timer(benchmark::State& state) {
    auto executor = LocalExecutorBuilder().make();
    require(executor.has_value());
    (*executor)->run([&state]() -> Co<void> {
        std::vector<JoinHandle<void>> others;
        for (std::int64_t index = 0; index < state.range(0); ++index) {
            auto one = [index]() -> Co<void> {
                co_await sleep(std::chrono::hours(1) + std::chrono::milliseconds(index));
            };
            others.push_back(spawn_local(one));
        }
        co_await yield_now();
        for (auto _ : state)
            benchmark::DoNotOptimize(co_await select(sleep(std::chrono::minutes(1)), ready(1)));
        for (auto& other : others) other.cancel();
    });
}
BENCHMARK(arm_timer)->Arg(0)->Arg(1'000)->Arg(100'000);

}  // namespace

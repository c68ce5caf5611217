// 4 KiB reads at random places of a file, past the page cache (benchmark row B10). Each figure is the time of
// one read, `cpu_us` what it costs the core; the argument is the number of reads in flight.
#include <ringlet/fs/dma_file.hpp>
#include <ringlet/runtime.hpp>

#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace ringlet;

constexpr std::int64_t rounds = 500;  // of each task, so that its begin and end do not show
constexpr std::size_t block_bytes = 4096;
constexpr std::size_t blocks = 16'384;

void require(bool holds) {
    if (!holds) std::abort();
}

double cpu_us() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
           static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

// The file that RINGLET_BENCH_FILE names, or one of our own that has no name any more.
Co<DmaFile> open_blocks() {
    if (const char* name = std::getenv("RINGLET_BENCH_FILE")) {
        auto file = co_await DmaFile::open(name);
        require(file.has_value());
        co_return *file;
    }
    std::string name = "/var/tmp/ringlet-bench-" + std::to_string(getpid());
    auto file = co_await DmaFile::create(name);
    require(file.has_value() && ::unlink(name.c_str()) == 0);
    auto written = co_await file->write_all_at(file->alloc_dma_buffer(blocks * block_bytes), 0);
    require(written.n.has_value());
    co_return *file;
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

Co<void> read_blocks(const DmaFile& file, std::uint64_t seed) {
    RandomBlocks random(seed);
    DmaBuffer buffer = file.alloc_dma_buffer(block_bytes);
    for (std::int64_t round = 0; round < rounds; ++round) {
        auto read = co_await file.read_at_aligned(std::move(buffer), random.next_position());
        require(read.n == block_bytes);
        buffer = std::move(read.buffer);
    }
}

void direct_reads(benchmark::State& state) {
    auto executor = LocalExecutorBuilder().make();
    require(executor.has_value());
    double used_us = 0;
    (*executor)->run([&]() -> Co<void> {
        auto file = co_await open_blocks();
        std::vector<JoinHandle<void>> tasks;
        double before_us = cpu_us();
        while (state.KeepRunningBatch(state.range(0) * rounds)) {
            for (std::int64_t index = 0; index < state.range(0); ++index) {
                tasks.push_back(spawn_local(read_blocks(file, static_cast<std::uint64_t>(index) + 1)));
            }
            for (auto& task : tasks) require(co_await task);
            tasks.clear();
        }
        used_us = cpu_us() - before_us;
    });
    state.counters["cpu_us"] = used_us / static_cast<double>(state.iterations());
}
BENCHMARK(direct_reads)->Arg(1)->Arg(32)->MinTime(2)->UseRealTime();

}  // namespace

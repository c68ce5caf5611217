// 4 KiB reads at random places of a file, past the page cache: how many a second, and how long does one take?
// By the ring that they go through, and by how many are under way at once.
//
// Shows: DmaFile, IoPath, Latency::Matters, what a ring's stats say.
// Run:   ./direct_read; ./direct_read --file /mnt/nvme/file --ms 2000
// See:   a line per ring and depth. Only a device that polls has the poll ring; the others say once that they
//        wait for interrupts. Read on in ringlet/fs/dma_file.hpp.
#include <ringlet/fs/dma_file.hpp>
#include <ringlet/fs/dma_stream.hpp>
#include <ringlet/runtime.hpp>

#include "example/options.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <unistd.h>
#include <vector>

using namespace ringlet;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t block_bytes = 4096;
constexpr std::size_t file_blocks = 16 << 10;  // 64 MiB

Co<Result<void>> make_file(std::string path) {
    auto file = co_await DmaFile::create(path);
    if (!file) co_return std::unexpected(file.error());
    DmaStreamWriter writer(std::move(*file));
    std::vector<std::byte> mebibyte(1 << 20, std::byte{42});
    for (std::size_t written = 0; written < file_blocks * block_bytes; written += mebibyte.size()) {
        auto wrote = co_await writer.write(mebibyte);
        if (!wrote) co_return wrote;
    }
    co_return co_await std::move(writer).close();
}

Co<void> read_at_random(const DmaFile& file, Time end, unsigned seed, std::vector<Duration>& times) {
    std::minstd_rand random(seed + 1);
    while (Clock::now() < end) {
        Time began = Clock::now();
        auto buffer = file.alloc_dma_buffer(block_bytes);
        auto read = co_await file.read_at_aligned(std::move(buffer), random() % file_blocks * block_bytes);
        if (!read.n) {
            std::fprintf(stderr, "%s\n", read.n.error().message().c_str());
            std::exit(1);
        }
        times.push_back(Clock::now() - began);
    }
}

void print(const char* ring, unsigned depth, std::vector<Duration> times, Duration longest) {
    std::ranges::sort(times);
    auto microseconds = [](Duration time) { return std::chrono::duration<double, std::micro>(time).count(); };
    double seconds = std::chrono::duration<double>(longest).count();
    std::printf("%-8s ring, %2u at once: %8.0f IOPS, median %6.0f us, 99 %% within %6.0f us\n", ring, depth,
                static_cast<double>(times.size()) / seconds, microseconds(times[times.size() / 2]),
                microseconds(times[times.size() * 99 / 100]));
}

Co<void> measure(std::string path, Duration longest) {
    auto file = co_await DmaFile::open(path);
    if (!file) {
        std::fprintf(stderr, "%s: %s\n", path.c_str(), file.error().message().c_str());
        std::exit(1);
    }
    TaskQueueHandle urgent = create_task_queue(Shares{}, Latency::Matters{1ms}, "latency ring");
    TaskQueueHandle other = create_task_queue(Shares{}, Latency{}, "main or poll ring");
    for (bool matters : {false, true}) {
        const char* interrupts = matters ? "latency" : "main";
        const char* ring = !matters && file->io_path() == IoPath::polled ? "poll" : interrupts;
        for (unsigned depth : {1U, 32U}) {
            std::vector<Duration> times;
            std::vector<JoinHandle<void>> readers;
            Time end = Clock::now() + longest;
            for (unsigned i = 0; i < depth; ++i) {
                auto reader = read_at_random(*file, end, i, times);
                readers.push_back(spawn_local_into(matters ? urgent : other, std::move(reader)).value());
            }
            for (auto& reader : readers) co_await reader;
            print(ring, depth, std::move(times), longest);
        }
    }
}

Co<void> run(std::string path, bool is_ours, Duration longest) {
    if (is_ours) {
        auto made = co_await make_file(path);
        if (!made) {
            std::fprintf(stderr, "%s: %s\n", path.c_str(), made.error().message().c_str());
            std::exit(1);
        }
    }
    co_await measure(path, longest);
    if (is_ours) unlink(path.c_str());
}

}  // namespace

int main(int argc, char** argv) {
    example::Options options(argc, argv, "direct reads by ring and depth", {"--file FILE", "--ms N"});
    std::string path = options.text("--file", "direct_read.tmp");
    std::chrono::milliseconds longest(options.number("--ms", 1000));
    auto executor = options.make(LocalExecutorBuilder().name("direct_read"));
    executor->run(run(path, !options.has("--file"), longest));
}

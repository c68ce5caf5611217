// 4 KiB reads at random places of a file, past the page cache: how many a second, and how long does one take?
// By the ring that they go through, one at a time and 32 at a time.
//
// Shows: DmaFile, its buffers, which ring serves what.
// Run:   ./direct_read
//        ./direct_read --folder /mnt/nvme --mib 4096 --ms 5000
// See:   32 in flight, more of them if each is submitted at once than if all wait for the next turn. The
//        poll ring serves only drives that can be polled (NVMe with nvme.poll_queues set), sooner than
//        interrupts would. Its price is the last figure: the core does not sleep while it waits. Read on
//        in ringlet/fs/dma_file.hpp.
#include <ringlet/base/histogram.hpp>
#include <ringlet/fs/dma_file.hpp>
#include <ringlet/runtime.hpp>

#include <cstdio>
#include <ctime>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "example/options.hpp"

using namespace ringlet;

namespace {

constexpr std::size_t block_bytes = 4096;

struct Measured {
    Histogram took;
    Duration in_all{};
    Duration cpu{};
};

template <class T>
T value_of(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message());
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

Duration cpu_time() {
    timespec used{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

Co<void> make_file(std::string path, std::uint64_t bytes) {
    auto file = value_of(co_await DmaFile::create(std::move(path)));
    DmaBuffer buffer = file.alloc_dma_buffer(1 << 20);
    for (std::uint64_t position = 0; position < bytes; position += buffer.size()) {
        std::ranges::fill(buffer.bytes(), static_cast<std::byte>(position >> 20));
        auto written = co_await file.write_all_at(std::move(buffer), position);
        value_of(written.n);
        buffer = std::move(written.buffer);
    }
    value_of(co_await file.fdatasync());
}

// One read after another until `end`; F is a DmaFile, or a BufferedFile that was opened with O_DIRECT.
template <class F, class Read>
Co<void> read_until(F& file, Read read, std::uint64_t blocks, Time end, unsigned seed, Histogram& took) {
    std::mt19937_64 random(seed);
    DmaBuffer buffer(Reactor::current().io_memory(), block_bytes);
    Time now = Clock::now();
    while (now < end) {
        auto done = co_await read(file, std::move(buffer), random() % blocks * block_bytes);
        value_of(done.n);
        buffer = std::move(done.buffer);
        Time then = std::exchange(now, Clock::now());
        took.record(now - then);
    }
}

template <class F, class Read>
Co<Measured> measure(F& file, Read read, std::uint64_t blocks, unsigned depth, Duration duration) {
    Measured measured;
    Time start = Clock::now();
    Duration cpu = cpu_time();
    std::vector<JoinHandle<void>> readers;
    for (unsigned i = 0; i < depth; ++i) {
        readers.push_back(
            spawn_local(read_until(file, read, blocks, start + duration, i + 1, measured.took)));
    }
    for (auto& reader : readers) co_await reader;
    measured.in_all = Clock::now() - start;
    measured.cpu = cpu_time() - cpu;
    co_return measured;
}

void print(const char* how, unsigned depth, const Measured& measured) {
    auto us = [](Duration duration) { return std::chrono::duration<double, std::micro>(duration).count(); };
    auto count = static_cast<double>(measured.took.count());
    std::printf(
        "%-28s %2u in flight: %6.0f IOPS, median %3.0f us, 99 %% within %4.0f us, %4.1f us of CPU each\n",
        how, depth, count / us(measured.in_all) * 1e6, us(measured.took.quantile(0.5)),
        us(measured.took.quantile(0.99)), us(measured.cpu) / count);
}

struct Plan {
    std::string path;
    std::uint64_t blocks;
    Duration duration;
};

Co<void> compare(Plan plan) {
    constexpr auto direct = [](DmaFile& file, DmaBuffer buffer, std::uint64_t position) {
        return file.read_at_aligned(std::move(buffer), position);
    };
    constexpr auto batched = [](BufferedFile& file, DmaBuffer buffer, std::uint64_t position) {
        return file.read_at(std::move(buffer), position);
    };
    auto at_next_wait = value_of(co_await BufferedFile::open(plan.path, O_RDONLY | O_DIRECT));
    auto polled = value_of(co_await DmaFile::open(plan.path));
    DmaFile interrupted = polled;
    interrupted.wait_for_interrupts();
    TaskQueueHandle urgent =
        create_task_queue(Shares{}, Latency::Matters{std::chrono::milliseconds(1)}, "urgent");
    for (unsigned depth : {1u, 32u}) {
        auto batch = co_await measure(at_next_wait, batched, plan.blocks, depth, plan.duration);
        print("main ring, at the next wait", depth, batch);
        auto main = co_await measure(interrupted, direct, plan.blocks, depth, plan.duration);
        print("main ring, at once", depth, main);
        auto task = spawn_local_into(urgent, measure(interrupted, direct, plan.blocks, depth, plan.duration));
        auto latency = co_await *task;
        print("latency ring, at once", depth, *latency);
        if (polled.io_path() != IoPath::polled) continue;
        auto poll = co_await measure(polled, direct, plan.blocks, depth, plan.duration);
        print("poll ring", depth, poll);
    }
    if (polled.io_path() != IoPath::polled) std::puts("no poll ring: this device cannot be polled");
}

}  // namespace

int main(int argc, char** argv) {
    example::Options options(argc, argv, "4 KiB direct reads at random places, by ring",
                             {"--folder FOLDER", "--mib N", "--ms N"});
    std::string path = options.text("--folder", ".") + "/direct_read.data";
    unsigned mib = options.number("--mib", 256);
    Plan plan{path, std::uint64_t{mib} << 8, std::chrono::milliseconds(options.number("--ms", 1000))};
    int result = 0;
    try {
        auto executor = options.make(LocalExecutorBuilder().name("direct_read"));
        executor->run(make_file(path, std::uint64_t{mib} << 20));
        executor->run(compare(plan));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "direct_read: %s: %s\n", path.c_str(), error.what());
        result = 1;
    }
    unlink(path.c_str());
    return result;
}

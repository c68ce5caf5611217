// A bit of everything that an executor does, to look at: three queues, timers, I/O, and a task that is
// preempted.
//
// Shows: LocalExecutorBuilder::trace(), write_trace_json(), describe(). Most examples take these two flags.
// Run:   ./trace_me --trace trace.json --timeline timeline.svg
// See:   a table of queues and rings on the terminal. Open timeline.svg in a browser and trace.json on
//        https://ui.perfetto.dev: bulk has 200 of 1,000 shares, so its turns are of 1 ms, and urgent ticks
//        between two of them.
#include <ringlet/fs/buffered_file.hpp>
#include <ringlet/reactor/stats_report.hpp>
#include <ringlet/runtime.hpp>
#include <ringlet/time/sleep.hpp>

#include "example/options.hpp"

#include <cstdio>

using namespace ringlet;
using namespace std::chrono_literals;

namespace {

// Needs the core all the time, and is polite about it.
Co<void> compute(const bool& stop) {
    while (!stop) co_await yield_if_needed();
}

// Must run soon after each of its timers.
Co<void> tick(int times) {
    for (int i = 0; i < times; ++i) co_await sleep(3ms);
}

// Waits for the disk, or the page cache, most of the time.
Co<void> read_over_and_over(int times) {
    auto file = co_await BufferedFile::open("/proc/self/exe");
    if (!file) co_return;
    std::vector<std::byte> buffer(4096);
    for (int i = 0; i < times; ++i) {
        auto read = co_await file->read_at(std::move(buffer), static_cast<std::uint64_t>(i) * 4096);
        if (!read.n) co_return;
        buffer = std::move(read.buffer);
        co_await sleep(500us);
    }
}

Co<void> run_all() {
    TaskQueueHandle bulk = create_task_queue(Shares::Static{200}, Latency{}, "bulk");
    TaskQueueHandle files = create_task_queue(Shares::Static{200}, Latency{}, "files");
    TaskQueueHandle urgent = create_task_queue(Shares{}, Latency::Matters{1ms}, "urgent");
    bool stop = false;
    auto reading = spawn_local_into(files, read_over_and_over(20)).value();
    auto ticking = spawn_local_into(urgent, tick(10)).value();
    co_await sleep(8ms);  // until then the core has nothing to do but wait
    auto one = spawn_local_into(bulk, compute(stop)).value();
    auto another = spawn_local_into(bulk, compute(stop)).value();
    co_await ticking;
    co_await reading;
    stop = true;
    co_await one;
    co_await another;
}

}  // namespace

int main(int argc, char** argv) {
    example::Options options(argc, argv, "three queues, timers, I/O and a preempted task, to be traced");
    auto executor = options.make(LocalExecutorBuilder().name("trace_me").histograms());
    executor->run(run_all());
    std::printf("%s\n", describe(*executor).c_str());
}

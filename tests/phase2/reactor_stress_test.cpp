// For two seconds, everything at once, at random: bytes through pipes and sockets with time limits and
// dropped reads, operations that are dropped at any moment, tasks that are cancelled, executors that end in
// the middle of it. What must hold: bytes arrive once, in order; nothing stays in flight; no buffer, no
// descriptor is left.
//
// The seed is printed; RINGLET_SEED=n replays it, as far as the kernel plays along.
#include "counted_buffer.hpp"
#include "support.hpp"

#include <ringlet/net/stream.hpp>

#include <random>

using namespace support;

namespace {

// Bytes on their way from one task to another.
struct Flow {
    std::uint64_t total;
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    std::string fault;

    static char byte_at(std::uint64_t position) {
        return static_cast<char>(position * 131 + (position >> 8));
    }
    CountedBuffer next(std::size_t size) const {
        CountedBuffer buffer(size);
        for (std::size_t i = 0; i < size; ++i) buffer.data()[i] = byte_at(sent + i);
        return buffer;
    }
    void receive(const void* bytes, std::size_t size) {
        for (std::size_t i = 0; i < size; ++i) {
            if (static_cast<const char*>(bytes)[i] != byte_at(received++))
                fault = "bytes lost or out of order";
        }
    }
};

// One executor's life.
class Episode {
public:
    explicit Episode(unsigned seed) : random_(seed) {
        int pipes = 1 + chance(4);
        int sockets = 1 + chance(4);
        for (int i = 0; i < pipes + sockets; ++i) {
            flows_.push_back(std::make_unique<Flow>());
            flows_.back()->total = static_cast<std::uint64_t>(1 + chance(200'000));
        }
        auto executor =
            make_io_executor({.ring_depth = 8U << chance(4), .buffer_count = 4, .buffer_bytes = 512});
        bool to_the_end = chance(3) > 0;
        executor->run([&]() -> Co<void> {
            for (int i = 0; i < pipes; ++i) start_pipe(*flows_[i]);
            for (int i = pipes; i < pipes + sockets; ++i) start_sockets(*flows_[i]);
            for (int i = 0; i < 10; ++i) noise_.push_back(spawn_local(make_noise()));
            if (to_the_end) {
                co_await end_all();
            } else {
                co_await sleep(std::chrono::microseconds(chance(5000)));
            }
        });
        executor.reset();
        for (auto& flow : flows_) {
            CHECK(flow->fault == "");
            CHECK(flow->received <= flow->sent + unsaid_max);
            if (to_the_end) CHECK(flow->received == flow->total);
            moved += flow->received;
        }
        drops += drops_;
    }

    static inline std::uint64_t moved = 0;
    static inline std::uint64_t drops = 0;

private:
    // A write whose result nobody heard, since its task was gone first.
    static constexpr std::uint64_t unsaid_max = 5000;

    int chance(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }
    Duration moment() { return std::chrono::microseconds(chance(300)); }

    Co<void> pause() {
        int kind = chance(4);
        if (kind == 1) co_await yield_now();
        if (kind == 2) co_await round_trip();
        if (kind == 3) co_await sleep(moment());
    }

    void start_pipe(Flow& flow) {
        Pipe pipe = make_pipe();
        movers_.push_back(spawn_local(write_pipe(flow, SharedFd(std::move(pipe.writer)))));
        if (chance(2)) {
            movers_.push_back(spawn_local(read_pipe(flow, SharedFd(std::move(pipe.reader)))));
        } else {
            movers_.push_back(
                spawn_local(read_async(flow, std::move(*Async<>::adopt(std::move(pipe.reader))))));
        }
    }

    void start_sockets(Flow& flow) {
        auto ends = sys::socket_pair(SOCK_STREAM);
        REQUIRE(ends);
        movers_.push_back(spawn_local(write_stream(flow, std::move(*Stream::adopt(std::move(ends->first))))));
        movers_.push_back(spawn_local(read_stream(flow, std::move(*Stream::adopt(std::move(ends->second))))));
    }

    Co<void> write_pipe(Flow& flow, SharedFd writer) {
        while (flow.sent < flow.total) {
            std::size_t size = std::min<std::uint64_t>(1 + chance(unsaid_max), flow.total - flow.sent);
            Operation write{
                operations::Write(writer, flow.next(size), operations::at_current_position, size, false)};
            auto written = co_await std::move(write).timeout(chance(2) ? moment() : Duration(1h));
            if (written.n) {
                flow.sent += *written.n;
            } else if (written.n.error() != std::errc::timed_out) {
                flow.fault = written.n.error().message();
            }
            co_await pause();
        }
    }

    Co<void> read_pipe(Flow& flow, SharedFd reader) {
        while (flow.received < flow.total) {
            Operation read{
                operations::Read(reader, CountedBuffer(1 + chance(5000)), operations::at_current_position)};
            auto got = co_await std::move(read).timeout(chance(2) ? moment() : Duration(1h));
            if (got.n) {
                flow.receive(got.buffer.data(), *got.n);
            } else if (got.n.error() != std::errc::timed_out) {
                flow.fault = got.n.error().message();
            }
            co_await pause();
        }
    }

    // Here reads are dropped, which loses nothing.
    Co<void> read_async(Flow& flow, Async<> reader) {
        std::array<std::byte, 3000> bytes;
        while (flow.received < flow.total) {
            auto got = co_await timeout(moment(), reader.read(bytes));
            if (!got) continue;
            flow.receive(bytes.data(), got->value_or(0));
            co_await pause();
        }
    }

    Co<void> write_stream(Flow& flow, Stream stream) {
        while (flow.sent < flow.total) {
            std::size_t size = std::min<std::uint64_t>(1 + chance(unsaid_max), flow.total - flow.sent);
            auto written = co_await stream.write_all(flow.next(size));
            if (!written.n) flow.fault = written.n.error().message();
            flow.sent += size;
            co_await pause();
        }
        co_await std::move(stream).close();
    }

    Co<void> read_stream(Flow& flow, Stream stream) {
        std::array<std::byte, 700> bytes;
        std::vector<Lease> held;
        while (flow.received < flow.total) {
            if (held.size() > 2 || chance(3) == 0) held.clear();
            if (chance(2)) {
                auto got = co_await timeout(moment(), stream.read(bytes));
                if (got) flow.receive(bytes.data(), got->value_or(0));
            } else {
                auto got = co_await timeout(moment(), stream.read_lease());
                if (got && *got) {
                    flow.receive((*got)->data(), (*got)->size());
                    if (chance(2)) held.push_back(std::move(**got));
                }
            }
            // Others may wait for the buffers that this one holds.
            if (chance(4) == 0) held.clear();
            co_await pause();
        }
    }

    // Polls what it is given now and then, and drops it.
    template <class F>
    Co<void> drop_sometime(F future) {
        for (int polls = chance(3); polls > 0; --polls) {
            bool is_ready = co_await poll_once(future);
            if (is_ready) break;
            co_await pause();
        }
        ++drops_;
    }

    Co<void> make_noise() {
        Pipe pipe = make_pipe();
        SharedFd reader(UniqueFd(dup(pipe.reader.get())));
        while (!stop_) {
            if (chance(3) == 0) put(pipe.writer.get(), "!");
            co_await drop_sometime(
                Operation(operations::Read(reader, CountedBuffer(8), operations::at_current_position)));
            co_await drop_sometime(
                Operation(operations::PollAdd(pipe.reader.get(), POLLIN)).timeout(moment()));
            co_await drop_sometime(Operation(operations::Open("/dev/null", O_RDONLY, 0)));
            co_await drop_sometime(Operation(operations::Close(UniqueFd(dup(pipe.reader.get())))));
            co_await drop_sometime(timeout(moment(), sleep(moment())));
            // The poll that was dropped may still stand in the queue, and pipe.reader is closed by hand.
            Reactor::current().flush();
            auto cancelled = spawn_local(drop_sometime(sleep(1h)));
            co_await pause();
            cancelled.cancel();
            if (chance(2)) co_await cancelled;
            // The root awaits these handles once all is to stop.
            if (!stop_ && chance(20) == 0) replace_one();
        }
    }

    // Somebody who makes noise is cancelled, perhaps the caller.
    void replace_one() {
        std::size_t victim = random_() % noise_.size();
        noise_[victim].cancel();
        noise_[victim] = spawn_local(make_noise());
    }

    Co<void> end_all() {
        for (auto& mover : movers_) co_await mover;
        stop_ = true;
        for (auto& noise : noise_) co_await noise;
        auto over = [] { return Reactor::current().in_flight() == 0; };
        CHECK(co_await eventually(over));
        CHECK(CountedBuffer::alive == 0);
    }

    std::mt19937 random_;
    std::vector<std::unique_ptr<Flow>> flows_;
    std::vector<JoinHandle<void>> movers_;
    std::vector<JoinHandle<void>> noise_;
    std::uint64_t drops_ = 0;
    bool stop_ = false;
};

}  // namespace

TEST_CASE("two seconds of random drops, limits and cancellations lose no byte, buffer or descriptor") {
    const char* wanted = std::getenv("RINGLET_SEED");
    unsigned seed = wanted ? static_cast<unsigned>(std::stoul(wanted)) : std::random_device()();
    std::printf("seed %u\n", seed);
    std::fflush(stdout);
    // An executor that ends may close a pipe's reader before a write to it has gone.
    std::signal(SIGPIPE, SIG_IGN);
    std::size_t before = open_descriptors();
    int episodes = 0;
    for (Time end = after(Clock::now(), 2s); Clock::now() < end; ++episodes) {
        CAPTURE(seed);
        CAPTURE(episodes);
        Episode episode(seed + static_cast<unsigned>(episodes));
        REQUIRE(open_descriptors() == before);
        REQUIRE(CountedBuffer::alive == 0);
    }
    std::printf("%d episodes, %llu bytes, %llu drops\n", episodes,
                static_cast<unsigned long long>(Episode::moved),
                static_cast<unsigned long long>(Episode::drops));
    CHECK(Episode::moved > 10'000);
    CHECK(Episode::drops > 100);
}

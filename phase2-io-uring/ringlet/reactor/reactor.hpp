// Reactor: the parker of executors that do I/O. It owns the ring, the timers and the table of operations
// in flight, submits in batches (one call to the kernel per turn of the executor's loop) and turns
// completions into wakes.
//
// Threads: made, used and destroyed on the thread of its executor.
#pragma once

#include <ringlet/executor/parker.hpp>
#include <ringlet/reactor/buffer_group.hpp>
#include <ringlet/reactor/ring.hpp>
#include <ringlet/reactor/source.hpp>
#include <ringlet/reactor/timers.hpp>

#include <cstdint>
#include <expected>
#include <memory>
#include <vector>

namespace ringlet {

// Counts since the reactor was made. For tests, and for the curious.
struct ReactorStats {
    std::uint64_t enters = 0;         // calls to io_uring_enter
    std::uint64_t submitted = 0;      // entries filled
    std::uint64_t completions = 0;    // entries reaped
    std::uint64_t stale = 0;          // reaped for an operation that is gone; stays 0
    std::uint64_t overflows = 0;      // times the completion queue was found to have overflowed
    std::uint64_t backlogged = 0;     // operations that found the submission queue full
    std::uint64_t back_pressure = 0;  // enters refused with EAGAIN or EBUSY
    std::uint64_t leaked = 0;         // operations the kernel had not given back when it was torn down
};

class Reactor final : public Parker {
public:
    static std::expected<std::unique_ptr<Reactor>, StartError> make(const ParkerOptions& options);
    ~Reactor() override;

    // Of the executor that runs on this thread. Aborts if there is none, or one without a reactor.
    static Reactor& current();

    void poll() override;
    void park(Recheck recheck) override;
    void drain() noexcept override;
    Reactor* as_reactor() noexcept override { return this; }

    Timers& timers() noexcept { return timers_; }
    Ring& ring() noexcept { return *ring_; }
    const ReactorStats& stats() const noexcept { return stats_; }
    std::size_t in_flight() const noexcept { return in_flight_; }

    // The buffers that the kernel picks from when data arrives; made at first use.
    Result<BufferGroup*> buffers();

    // Hands a source to the kernel: now, if a submission entry is free or can be freed, else as soon as one
    // is. Throws std::bad_alloc with nothing started.
    void submit(Source& source);

    // Asks the kernel to end a source early. Its last completion tells how it really ended: cancelled
    // (-ECANCELED), or with a result that came first.
    void cancel(Source& source) noexcept;

    // Submits what is queued. Before a descriptor that an entry may name is closed by hand.
    void flush() noexcept;

private:
    friend struct AbandonSource;

    Reactor(const ParkerOptions& options, std::unique_ptr<Ring> ring)
        : options_(options), ring_(std::move(ring)) {}

    // User data of a completion: generation << 32 | slot. A slot's generation changes with each operation,
    // so that a late completion cannot be taken for another's.
    struct Slot {
        Source* source = nullptr;
        std::uint32_t generation = 0;
        std::uint32_t next_free = 0;
    };

    std::uint32_t take_slot(Source& source);
    void release_slot(std::uint32_t slot) noexcept;
    bool find_entry(io_uring_sqe*& entry) noexcept;
    bool start(Source& source) noexcept;
    void finish(Source& source, int result, unsigned flags) noexcept;
    void work_off_backlog() noexcept;
    void enter(bool wait, std::optional<Time> deadline) noexcept;
    unsigned reap() noexcept;
    void dispatch(const Completion& completion) noexcept;
    void expire_timers() noexcept;
    void check_memory_alive(const Source& source) noexcept;
    void cancel_all() noexcept;
    void leak() noexcept;

    ParkerOptions options_;
    std::unique_ptr<Ring> ring_;  // null after drain
    std::unique_ptr<BufferGroup, ReleaseBufferGroup> buffers_;
    Timers timers_;
    std::vector<Slot> slots_;
    std::uint32_t first_free_ = no_slot;
    std::size_t in_flight_ = 0;
    bool draining_ = false;          // nothing is started any more
    IntrusiveList<Source> backlog_;  // wait for a submission entry: to start, or to be cancelled
    ReactorStats stats_;

    static constexpr std::uint32_t no_slot = ~0U;
    // Of cancel requests, whose own completions say nothing that the target's does not.
    static constexpr std::uint64_t ignored = ~0ULL;
};

}  // namespace ringlet

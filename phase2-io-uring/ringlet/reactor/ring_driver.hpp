// RingDriver: one ring and the operations in flight on it. It hands sources to the kernel, in batches, and
// completions back to their sources. The reactor (reactor/reactor.hpp) says when.
//
// Threads: made, used and destroyed on the thread of its executor.
#pragma once

#include <ringlet/reactor/buffer_group.hpp>
#include <ringlet/reactor/ring.hpp>
#include <ringlet/reactor/source.hpp>

#include <cstdint>
#include <memory>
#include <vector>

namespace ringlet {

// Counts since the ring was made. For tests, and for the curious.
struct RingStats {
    std::uint64_t enters = 0;          // calls to io_uring_enter
    std::uint64_t submitted = 0;       // entries filled
    std::uint64_t completions = 0;     // entries reaped
    std::uint64_t stale = 0;           // reaped for an operation that is gone; stays 0
    std::uint64_t overflows = 0;       // times the completion queue was found to have overflowed
    std::uint64_t backlogged = 0;      // operations that found the submission queue full
    std::uint64_t back_pressure = 0;   // enters refused with EAGAIN or EBUSY
    std::uint64_t leaked = 0;          // operations the kernel had not given back when it was torn down
    std::uint64_t missed_cancels = 0;  // cancel requests that found nothing, although no completion had come
};

class RingDriver {
public:
    explicit RingDriver(std::unique_ptr<Ring> ring) : ring_(std::move(ring)) {}
    RingDriver(const RingDriver&) = delete;
    RingDriver& operator=(const RingDriver&) = delete;

    Ring& ring() noexcept { return *ring_; }
    const RingStats& stats() const noexcept { return stats_; }
    std::size_t in_flight() const noexcept { return in_flight_; }

    // The buffers that the kernel picks from when data arrives, `count` of `bytes` each; made at first use.
    Result<BufferGroup*> buffers(unsigned count, unsigned bytes);

    // As Reactor's.
    void submit(Source& source);
    void cancel(Source& source) noexcept;
    void flush() noexcept;

    // Some of what was submitted the kernel has not taken yet.
    bool has_unsubmitted() const noexcept { return ring_ && (ring_->queued() > 0 || !backlog_.empty()); }

    // Submits what is queued, and hands completions that are there to their sources. Never sleeps.
    void poll() noexcept;
    // The same, after a sleep until there is a completion, a signal, or `deadline` (nullopt: for ever).
    void wait(std::optional<Time> deadline) noexcept;

    // Cancels all operations, waits for their ends, closes the ring. What has not ended at `give_up` is
    // leaked, with a word on stderr.
    void drain(Time give_up) noexcept;

private:
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
    std::uint64_t user_data_of(const Source& source) const noexcept;
    void finish(Source& source, int result, unsigned flags) noexcept;
    void work_off_backlog() noexcept;
    void enter(bool wait, std::optional<Time> deadline) noexcept;
    unsigned reap() noexcept;
    void dispatch(const Completion& completion) noexcept;
    void cancel_again_if_missed(Source& source, int result) noexcept;
    void check_memory_alive(const Source& source) noexcept;
    void cancel_all() noexcept;
    void leak() noexcept;

    std::unique_ptr<Ring> ring_;  // null after drain
    std::unique_ptr<BufferGroup, ReleaseBufferGroup> buffers_;
    std::vector<Slot> slots_;
    std::uint32_t first_free_ = no_slot;
    std::size_t in_flight_ = 0;
    bool draining_ = false;          // nothing is started any more
    IntrusiveList<Source> backlog_;  // wait for a submission entry: to start, or to be cancelled
    RingStats stats_;

    static constexpr std::uint32_t no_slot = ~0U;
    // In the user data of cancel requests, beside their target's: no slot has so high a number.
    static constexpr std::uint64_t of_cancel = 1ULL << 31;
};

}  // namespace ringlet

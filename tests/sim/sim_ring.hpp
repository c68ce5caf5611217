// SimRing: the memory that one io_uring shares with its program, and the completions on their way there.
//
// As the kernel: a completion of a ring with DEFER_TASKRUN or COOP_TASKRUN first becomes task work, of which
// only a flag tells, and reaches the queue when the program enters; a queue that is full keeps what is over
// aside, flags that, and loses nothing.
#pragma once

#include "open_file.hpp"

#include <ringlet/reactor/ring.hpp>

#include <deque>
#include <liburing.h>
#include <memory>
#include <span>
#include <sys/uio.h>
#include <vector>

namespace sim {

// Laid out as struct io_uring_cqe, which ends in an array without length and so fits no container.
using ringlet::Completion;
using ringlet::Duration;
using ringlet::Time;

class SimRing {
public:
    // `entries` and `completions` are powers of two. `owner` is the shard that made it.
    SimRing(int fd, unsigned entries, unsigned completions, unsigned flags, int owner);
    SimRing(const SimRing&) = delete;
    SimRing& operator=(const SimRing&) = delete;
    ~SimRing();

    // Shows the program where everything is.
    void attach(io_uring& ring) noexcept;

    int fd() const noexcept { return fd_; }
    int owner() const noexcept { return owner_; }
    bool defers() const noexcept { return flags_ & IORING_SETUP_DEFER_TASKRUN; }
    bool cooperates() const noexcept { return flags_ & IORING_SETUP_COOP_TASKRUN; }

    // The next entry that the program has published; null if there is none.
    const io_uring_sqe* take_entry() noexcept;

    // The queue has room for it, or it is kept aside; true if aside.
    bool publish(const Completion& completion);
    void defer(const Completion& completion);
    // Task work and what was kept aside move to the queue, as far as there is room. True: not all had room.
    bool flush();
    // Task work alone.
    bool run_task_work();

    bool is_full() const noexcept {
        return !aside_.empty() || cq_tail_ - cq_head_ + deferred_.size() >= cq_entries_;
    }
    bool has_completions() const noexcept { return cq_head_ != cq_tail_; }
    bool has_aside() const noexcept { return !aside_.empty(); }
    // Something would end a wait.
    bool has_news() const noexcept { return has_completions() || !deferred_.empty() || !aside_.empty(); }

    // Memory that entries may name by number.
    int register_memory(std::span<const iovec> memory);
    bool has_registered(unsigned number, std::span<const std::byte> memory) const noexcept;

    // The one buffer group.
    int register_buffers(const io_uring_buf_reg& group) noexcept;
    bool has_buffers() const noexcept { return buffers_; }
    // The next buffer, if the program has provided one; it is taken only by `use`.
    const io_uring_buf* next_buffer() const noexcept;
    unsigned use_buffer() noexcept;
    // Handed to the kernel and not used.
    unsigned free_buffers() const noexcept;
    unsigned buffer_count() const noexcept { return buffer_mask_ + 1; }

    const FilePtr file;  // for those who poll the ring
    // Its owner sleeps in it.
    bool is_asleep = false;

private:
    void set_flag(unsigned flag, bool on) noexcept { sq_flags_ = on ? sq_flags_ | flag : sq_flags_ & ~flag; }
    bool push(const Completion& completion) noexcept;

    int fd_;
    unsigned flags_;
    int owner_;
    // Shared with the program:
    unsigned sq_head_ = 0, sq_tail_ = 0, sq_flags_ = 0, dropped_ = 0;
    unsigned cq_head_ = 0, cq_tail_ = 0, cq_flags_ = 0, overflow_ = 0;
    unsigned sq_mask_, sq_entries_, cq_mask_, cq_entries_;
    std::vector<unsigned> array_;
    std::vector<io_uring_sqe> entries_;
    std::vector<Completion> completions_;

    std::deque<Completion> deferred_;
    std::deque<Completion> aside_;
    std::vector<iovec> registered_;
    const io_uring_buf_ring* buffers_ = nullptr;
    unsigned buffer_mask_ = 0;
    std::uint16_t buffer_head_ = 0;
};

}  // namespace sim

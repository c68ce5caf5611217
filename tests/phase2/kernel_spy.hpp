// A record of all that Ringlet asks of the kernel and all that it is told, so that a test can see that a
// fault has struck. One file of a test program includes this: its definitions then stand in place of the
// library's reactor/kernel.cpp, and make the same calls.
#pragma once

#include <ringlet/reactor/kernel.hpp>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <map>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

namespace support {

// One entry that the kernel has taken, or one completion that it has given, in the order of both.
struct SpyEvent {
    enum Kind { submitted, completed } kind;
    unsigned opcode;
    int result;      // of completions
    unsigned flags;  // of completions IORING_CQE_F_*, of submissions IOSQE_*
};

class KernelSpy {
public:
    // So many cancel requests look for what does not exist: as if the kernel had missed their target, as
    // Linux 6.1 does while one of its threads is taking it up.
    int cancels_to_miss = 0;
    // So many closes are told to have been called off, although they were not, as a file system's flush may
    // say; and others open files before that is heard.
    int closes_to_deny = 0;
    std::vector<int> opened_meanwhile;

    void forget() { events_.clear(); }
    const std::vector<SpyEvent>& events() const { return events_; }

    template <class Matches>
    int count(Matches matches) const {
        return static_cast<int>(std::count_if(events_.begin(), events_.end(), matches));
    }
    int submitted(unsigned opcode) const {
        return count([=](const SpyEvent& e) { return e.kind == SpyEvent::submitted && e.opcode == opcode; });
    }
    int completed(unsigned opcode, int result) const {
        return count([=](const SpyEvent& e) {
            return e.kind == SpyEvent::completed && e.opcode == opcode && e.result == result;
        });
    }
    // Completions with a good result after which the operation is over, although it was to go on.
    int ended_silently(unsigned opcode) const {
        return count([=](const SpyEvent& e) {
            return e.kind == SpyEvent::completed && e.opcode == opcode && e.result > 0 &&
                   !(e.flags & IORING_CQE_F_MORE);
        });
    }

    // Called around io_uring_enter.
    void before(const io_uring& ring) {
        sq_head_ = *ring.sq.khead;
        for (unsigned at = sq_head_; cancels_to_miss > 0 && at != *ring.sq.ktail; ++at) {
            io_uring_sqe& entry = ring.sq.sqes[at & *ring.sq.kring_mask];
            // One that the kernel did not take comes by again, with an address that is not its own any more.
            bool is_altered = (entry.addr ^ entry.user_data) >> 32 != 0;
            if (entry.opcode != IORING_OP_ASYNC_CANCEL || is_altered) continue;
            entry.addr = ~entry.addr;
            --cancels_to_miss;
        }
    }
    void after(const io_uring& ring) {
        for (unsigned mask = *ring.sq.kring_mask; sq_head_ != *ring.sq.khead; ++sq_head_) {
            const io_uring_sqe& entry = ring.sq.sqes[sq_head_ & mask];
            opcodes_[entry.user_data] = entry.opcode;
            events_.push_back({SpyEvent::submitted, entry.opcode, 0, entry.flags});
        }
        for (unsigned tail = io_uring_smp_load_acquire(ring.cq.ktail); cq_tail_ != tail; ++cq_tail_) {
            io_uring_cqe& entry = ring.cq.cqes[cq_tail_ & *ring.cq.kring_mask];
            if (closes_to_deny > 0 && opcodes_[entry.user_data] == IORING_OP_CLOSE) {
                --closes_to_deny;
                entry.res = -ECANCELED;
                opened_meanwhile.push_back(dup(STDERR_FILENO));
            }
            events_.push_back({SpyEvent::completed, opcodes_[entry.user_data], entry.res, entry.flags});
        }
    }
    void ring_is_new() { *this = KernelSpy(); }

private:
    std::vector<SpyEvent> events_;
    std::map<std::uint64_t, unsigned> opcodes_;
    unsigned sq_head_ = 0;
    unsigned cq_tail_ = 0;  // completions before it have been recorded
};

inline KernelSpy spy;

}  // namespace support

namespace ringlet::kernel {

int setup(unsigned entries, io_uring_params& params, io_uring& ring) noexcept {
    support::spy.ring_is_new();
    if (int error = io_uring_queue_init_params(entries, &ring, &params); error < 0) return error;
    io_uring_ring_dontfork(&ring);
    io_uring_register_ring_fd(&ring);
    return 0;
}

void teardown(io_uring& ring) noexcept { io_uring_queue_exit(&ring); }

int enter(io_uring& ring, unsigned submit, unsigned wait_for, unsigned flags,
          __kernel_timespec* timeout) noexcept {
    if (ring.enter_ring_fd != ring.ring_fd) flags |= IORING_ENTER_REGISTERED_RING;
    io_uring_getevents_arg argument{};
    argument.sigmask_sz = _NSIG / 8;
    argument.ts = reinterpret_cast<__u64>(timeout);
    support::spy.before(ring);
    long result = syscall(__NR_io_uring_enter, ring.enter_ring_fd, submit, wait_for,
                          flags | IORING_ENTER_EXT_ARG, &argument, sizeof argument);
    int error = errno;
    support::spy.after(ring);
    return result < 0 ? -error : static_cast<int>(result);
}

int register_with(io_uring& ring, unsigned opcode, void* argument, unsigned count) noexcept {
    long result = syscall(__NR_io_uring_register, ring.ring_fd, opcode, argument, count);
    return result < 0 ? -errno : static_cast<int>(result);
}

}  // namespace ringlet::kernel

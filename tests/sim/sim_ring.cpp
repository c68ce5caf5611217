#include "sim_ring.hpp"

#include <bit>
#include <cerrno>

namespace sim {

namespace {

// What another ring sees that polls this one; it may outlive it.
class RingFile final : public OpenFile {
public:
    explicit RingFile(const SimRing& ring) : ring_(&ring) {}
    unsigned events() const override {
        return ring_ && (ring_->has_completions() || ring_->has_aside()) ? POLLIN : 0;
    }
    void forget_ring() { ring_ = nullptr; }

private:
    const SimRing* ring_;
};

}  // namespace

SimRing::SimRing(int fd, unsigned entries, unsigned completions, unsigned flags, int owner)
    : file(std::make_shared<RingFile>(*this)),
      fd_(fd),
      flags_(flags),
      owner_(owner),
      sq_mask_(entries - 1),
      sq_entries_(entries),
      cq_mask_(completions - 1),
      cq_entries_(completions),
      array_(entries),
      entries_(entries),
      completions_(completions) {}

SimRing::~SimRing() { static_cast<RingFile&>(*file).forget_ring(); }

void SimRing::attach(io_uring& ring) noexcept {
    static_assert(sizeof(Completion) == sizeof(io_uring_cqe));
    ring = {};
    ring.ring_fd = ring.enter_ring_fd = fd_;
    ring.flags = flags_;
    ring.sq.ring_ptr = this;  // by which the kernel knows it again
    ring.sq.khead = &sq_head_;
    ring.sq.ktail = &sq_tail_;
    ring.sq.kring_mask = &sq_mask_;
    ring.sq.kring_entries = &sq_entries_;
    ring.sq.kflags = &sq_flags_;
    ring.sq.kdropped = &dropped_;
    ring.sq.array = array_.data();
    ring.sq.sqes = entries_.data();
    ring.sq.ring_mask = sq_mask_;
    ring.sq.ring_entries = sq_entries_;
    ring.cq.khead = &cq_head_;
    ring.cq.ktail = &cq_tail_;
    ring.cq.kring_mask = &cq_mask_;
    ring.cq.kring_entries = &cq_entries_;
    ring.cq.kflags = &cq_flags_;
    ring.cq.koverflow = &overflow_;
    ring.cq.cqes = reinterpret_cast<io_uring_cqe*>(completions_.data());
    ring.cq.ring_mask = cq_mask_;
    ring.cq.ring_entries = cq_entries_;
}

const io_uring_sqe* SimRing::take_entry() noexcept {
    if (sq_head_ == sq_tail_) return nullptr;
    return &entries_[array_[sq_head_++ & sq_mask_]];
}

bool SimRing::push(const Completion& completion) noexcept {
    if (cq_tail_ - cq_head_ == cq_entries_) return false;
    completions_[cq_tail_++ & cq_mask_] = completion;
    return true;
}

bool SimRing::publish(const Completion& completion) {
    if (aside_.empty() && push(completion)) return false;
    aside_.push_back(completion);
    set_flag(IORING_SQ_CQ_OVERFLOW, true);
    return true;
}

void SimRing::defer(const Completion& completion) {
    deferred_.push_back(completion);
    set_flag(IORING_SQ_TASKRUN, true);
}

bool SimRing::run_task_work() {
    bool has_overflowed = false;
    for (; !deferred_.empty(); deferred_.pop_front()) has_overflowed |= publish(deferred_.front());
    set_flag(IORING_SQ_TASKRUN, false);
    return has_overflowed;
}

bool SimRing::flush() {
    while (!aside_.empty() && push(aside_.front())) aside_.pop_front();
    set_flag(IORING_SQ_CQ_OVERFLOW, !aside_.empty());
    return run_task_work();
}

int SimRing::register_memory(std::span<const iovec> memory) {
    if (!registered_.empty()) return -EBUSY;
    registered_.assign(memory.begin(), memory.end());
    return 0;
}

bool SimRing::has_registered(unsigned number, std::span<const std::byte> memory) const noexcept {
    if (number >= registered_.size()) return false;
    auto* first = static_cast<const std::byte*>(registered_[number].iov_base);
    return memory.data() >= first && memory.data() + memory.size() <= first + registered_[number].iov_len;
}

int SimRing::register_buffers(const io_uring_buf_reg& group) noexcept {
    if (buffers_) return -EEXIST;
    if (!std::has_single_bit(group.ring_entries)) return -EINVAL;
    buffers_ = reinterpret_cast<const io_uring_buf_ring*>(group.ring_addr);
    buffer_mask_ = group.ring_entries - 1;
    return 0;
}

unsigned SimRing::free_buffers() const noexcept {
    return static_cast<std::uint16_t>(buffers_->tail - buffer_head_);
}

const io_uring_buf* SimRing::next_buffer() const noexcept {
    if (!buffers_ || free_buffers() == 0) return nullptr;
    return &buffers_->bufs[buffer_head_ & buffer_mask_];
}

unsigned SimRing::use_buffer() noexcept { return buffers_->bufs[buffer_head_++ & buffer_mask_].bid; }

}  // namespace sim

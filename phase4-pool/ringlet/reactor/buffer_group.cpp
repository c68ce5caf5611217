#include <ringlet/reactor/buffer_group.hpp>

#include <ringlet/base/check.hpp>

#include <algorithm>
#include <cerrno>
#include <memory>

#if defined(RINGLET_ASAN)
#include <sanitizer/asan_interface.h>
#endif

namespace ringlet {

namespace {

const constinit OperationCategory provide_buffers{"provide buffers"};

// A buffer in the kernel's hands is nobody's to read: sanitizer builds say so.
void set_readable([[maybe_unused]] std::span<std::byte> bytes, [[maybe_unused]] bool readable) {
#if defined(RINGLET_ASAN)
    if (readable) {
        __asan_unpoison_memory_region(bytes.data(), bytes.size());
    } else {
        __asan_poison_memory_region(bytes.data(), bytes.size());
    }
#endif
}

}  // namespace

Lease::~Lease() {
    if (!group_) return;
    group_->give_back(id_);
    budget_->give_back();
    group_->release();
}

Lease Lease::copy() const {
    Lease made;
    made.copy_ = std::make_unique_for_overwrite<std::byte[]>(size_);
    made.data_ = std::copy_n(data_, size_, made.copy_.get()) - size_;
    made.size_ = size_;
    return made;
}

void LeaseQueue::push(Lease lease) noexcept {
    group_ = std::exchange(lease.group_, nullptr);
    group_->links_[lease.id_] = {static_cast<std::uint32_t>(lease.size()), 0};
    (size_ > 0 ? group_->links_[tail_].next : head_) = lease.id_;
    tail_ = lease.id_;
    ++size_;
}

Lease LeaseQueue::pop(LeaseBudget& budget) noexcept {
    std::uint16_t id = head_;
    head_ = group_->links_[id].next;
    --size_;
    return Lease(*group_, budget, id, group_->buffer(id).first(group_->links_[id].size));
}

void ReleaseBufferGroup::operator()(BufferGroup* group) const noexcept { group->release(); }

Result<BufferGroup*> BufferGroup::make(Ring& ring, unsigned count, unsigned bytes) {
    RINGLET_CHECK(bytes > 0, "buffer_bytes: at least 1");
    RINGLET_CHECK(count > 0 && count <= 32768 && (count & (count - 1)) == 0, "buffer_count: a power of two");
    std::size_t ring_bytes = MappedMemory::whole_pages(count * sizeof(io_uring_buf));
    std::size_t all_bytes = ring_bytes + MappedMemory::whole_pages(std::size_t{count} * bytes);
    MappedMemory memory(all_bytes);
    if (!memory) return failure(provide_buffers, errno);
    std::unique_ptr<BufferGroup, ReleaseBufferGroup> group(
        new BufferGroup(std::move(memory), ring_bytes, count, bytes));
    // Last: what the kernel has been told of, it keeps as long as the ring.
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uintptr_t>(group->ring_);
    registration.ring_entries = count;
    registration.bgid = group_id;
    if (int result = ring.register_with(IORING_REGISTER_PBUF_RING, &registration, 1); result < 0) {
        return failure(provide_buffers, -result);
    }
    return group.release();
}

BufferGroup::BufferGroup(MappedMemory memory, std::size_t ring_bytes, unsigned count, unsigned bytes)
    : memory_(std::move(memory)),
      ring_(reinterpret_cast<io_uring_buf_ring*>(memory_.bytes().data())),
      buffers_(memory_.bytes().data() + ring_bytes),
      count_(count),
      bytes_(bytes),
      links_(count) {
    io_uring_buf_ring_init(ring_);
    for (unsigned id = 0; id < count; ++id) hand_to_kernel(static_cast<std::uint16_t>(id));
}

BufferGroup::~BufferGroup() { set_readable({buffers_, std::size_t{count_} * bytes_}, true); }

void BufferGroup::hand_to_kernel(std::uint16_t id) noexcept {
    set_readable(buffer(id), false);
    io_uring_buf_ring_add(ring_, buffer(id).data(), bytes_, id, io_uring_buf_ring_mask(count_), 0);
    io_uring_buf_ring_advance(ring_, 1);
    ++free_;
    RINGLET_CHECK(free_ <= count_, "a provided buffer was given back twice");
}

void BufferGroup::give_back(std::uint16_t id) noexcept {
    hand_to_kernel(id);
    while (!waiters_.empty()) {
        BufferWaiter& waiter = waiters_.front();
        waiter.unlink();
        std::move(waiter.waker).wake();
    }
}

void BufferGroup::give_back_unread(std::uint16_t id) noexcept {
    --free_;
    give_back(id);
}

void BufferGroup::wait(BufferWaiter& waiter, const Waker& waker) noexcept {
    waiter.waker.remember(waker);
    if (!waiter.is_linked()) waiters_.push_back(waiter);
}

Lease BufferGroup::lease(std::uint16_t id, std::size_t size, LeaseBudget& budget) noexcept {
    RINGLET_CHECK(id < count_ && size <= bytes_ && free_ > 0,
                  "the kernel filled a buffer that it did not have");
    --free_;
    ++references_;
    budget.take();
    std::span<std::byte> filled = buffer(id).first(size);
    set_readable(filled, true);
    return Lease(*this, budget, id, filled);
}

}  // namespace ringlet

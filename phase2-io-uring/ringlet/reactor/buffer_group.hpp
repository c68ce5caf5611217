// BufferGroup: the buffers that the kernel picks from when data arrives (a provided buffer ring), so that
// an idle connection holds none. Lease: one such buffer, filled, in the program's hands until it is
// dropped. LeaseBudget: at how many leases a source pauses, so that a slow reader cannot drain the group.
//
// Threads: owner thread only; to cross, copy the bytes. Lifetimes: the group outlives its last lease and
// source, even if the reactor is gone by then.
#pragma once

#include <ringlet/base/error.hpp>
#include <ringlet/base/intrusive_list.hpp>
#include <ringlet/base/mapped_memory.hpp>
#include <ringlet/base/recycle.hpp>
#include <ringlet/future/waker.hpp>
#include <ringlet/reactor/ring.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace ringlet {

class BufferGroup;

// Counted references: the source's own, and one for each lease.
class LeaseBudget {
public:
    // What the kernel fills before the pause has reached it is copied, and its buffers go back at once.
    static constexpr unsigned leases_max = 8;

    bool is_spent() const noexcept { return held_ >= leases_max; }
    bool is_overdrawn() const noexcept { return held_ > leases_max; }
    // Wakes `waker` when a lease comes back.
    void wait(const Waker& waker) noexcept { waiter_.remember(waker); }

    void take() noexcept {
        ++held_;
        ++references_;
    }
    void give_back() noexcept {
        --held_;
        std::move(waiter_).wake();
        release();
    }
    void release() noexcept {
        if (--references_ == 0) delete this;
    }

    static void* operator new(std::size_t bytes) { return recycle::allocate(bytes); }
    static void operator delete(void* budget, std::size_t bytes) noexcept {
        recycle::deallocate(budget, bytes);
    }

private:
    unsigned held_ = 0;
    unsigned references_ = 1;
    Waker waiter_;
};

// Received bytes, in a buffer of the group or in a copy. Empty after a move, and at the end of a stream.
class Lease {
public:
    Lease() noexcept = default;
    Lease(BufferGroup& group, LeaseBudget& budget, std::uint16_t id, std::span<std::byte> bytes) noexcept
        : group_(&group),
          budget_(&budget),
          data_(bytes.data()),
          size_(static_cast<std::uint32_t>(bytes.size())),
          id_(id) {}
    Lease(Lease&& other) noexcept
        : group_(std::exchange(other.group_, nullptr)),
          budget_(other.budget_),
          copy_(std::move(other.copy_)),
          data_(other.data_),
          size_(std::exchange(other.size_, 0)),
          id_(other.id_) {}
    Lease& operator=(Lease&& other) noexcept {
        std::swap(group_, other.group_);
        std::swap(budget_, other.budget_);
        std::swap(copy_, other.copy_);
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(id_, other.id_);
        return *this;
    }
    ~Lease();

    // The same bytes in memory of their own. Throws std::bad_alloc.
    Lease copy() const;

    const std::byte* data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    std::string_view text() const noexcept { return {reinterpret_cast<const char*>(data()), size()}; }

    // Drops the first `count` bytes, which have been dealt with.
    void remove_prefix(std::size_t count) noexcept {
        data_ += count;
        size_ -= static_cast<std::uint32_t>(count);
    }

private:
    friend class LeaseQueue;

    BufferGroup* group_ = nullptr;  // null: a copy
    LeaseBudget* budget_ = nullptr;
    std::unique_ptr<std::byte[]> copy_;
    const std::byte* data_ = nullptr;
    std::uint32_t size_ = 0;
    std::uint16_t id_ = 0;
};

// Leases that nobody has taken yet, first in, first out. The links stand in the group, one a buffer, so
// that queueing never allocates, however much the kernel delivers at once.
class LeaseQueue {
public:
    LeaseQueue() noexcept = default;
    LeaseQueue(const LeaseQueue&) = delete;
    LeaseQueue& operator=(const LeaseQueue&) = delete;

    bool empty() const noexcept { return size_ == 0; }
    // All leases of a queue come from one group and count against one budget, which its owner keeps for it.
    void push(Lease lease) noexcept;
    Lease pop(LeaseBudget& budget) noexcept;

private:
    BufferGroup* group_ = nullptr;
    unsigned size_ = 0;
    std::uint16_t head_ = 0;
    std::uint16_t tail_ = 0;
};

// Someone who waits until the group has a free buffer. Part of whatever waits; leaves the list with it.
struct BufferWaiter : ListNode {
    Waker waker;
    ~BufferWaiter() {
        if (is_linked()) unlink();
    }
};

struct ReleaseBufferGroup {
    void operator()(BufferGroup* group) const noexcept;
};

class BufferGroup {
public:
    // `count`, a power of two, of `bytes` each; registered with the ring under `group_id`.
    static Result<BufferGroup*> make(Ring& ring, unsigned count, unsigned bytes);

    static constexpr std::uint16_t group_id = 1;

    bool has_free() const noexcept { return free_ > 0; }
    unsigned free() const noexcept { return free_; }
    unsigned count() const noexcept { return count_; }
    unsigned buffer_bytes() const noexcept { return bytes_; }

    // A reference more, for a source: to be released.
    BufferGroup* share() noexcept {
        ++references_;
        return this;
    }

    // Wakes `waker` when a buffer comes back.
    void wait(BufferWaiter& waiter, const Waker& waker) noexcept;

    // The kernel has filled the first `size` bytes of buffer `id`.
    Lease lease(std::uint16_t id, std::size_t size, LeaseBudget& budget) noexcept;
    // The same for a buffer that nobody wants: back to the kernel.
    void give_back_unread(std::uint16_t id) noexcept;

private:
    friend class Lease;
    friend class LeaseQueue;
    friend struct ReleaseBufferGroup;

    struct Link {
        std::uint32_t size;  // received bytes
        std::uint16_t next;
    };

    BufferGroup(MappedMemory memory, std::size_t ring_bytes, unsigned count, unsigned bytes);
    ~BufferGroup();

    std::span<std::byte> buffer(std::uint16_t id) const noexcept {
        return {buffers_ + std::size_t{id} * bytes_, bytes_};
    }
    void hand_to_kernel(std::uint16_t id) noexcept;
    void give_back(std::uint16_t id) noexcept;
    void release() noexcept {
        if (--references_ == 0) delete this;
    }

    MappedMemory memory_;
    io_uring_buf_ring* ring_;  // shared with the kernel, at the start of the mapping
    std::byte* buffers_;       // behind it
    unsigned count_;
    unsigned bytes_;
    unsigned free_ = 0;        // in the kernel's hands
    unsigned references_ = 1;  // the reactor's, and one for each lease and each source
    std::vector<Link> links_;  // of buffers that stand in a LeaseQueue
    IntrusiveList<BufferWaiter> waiters_;
};

}  // namespace ringlet

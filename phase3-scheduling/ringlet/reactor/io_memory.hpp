// IoMemory: the memory of direct I/O, aligned as devices want it. It comes from the system once and is
// registered with the rings, which spares the kernel the look-up of its pages at each operation. DmaBuffer: a
// piece of it; when it is used up, or not wanted, a piece of the heap, which does as well, if slower.
//
// Threads: owner thread only. Lifetimes: the memory outlives its last buffer, even if the reactor is gone by
// then.
#pragma once

#include <ringlet/base/mapped_memory.hpp>
#include <ringlet/reactor/buddy_blocks.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace ringlet {

class IoMemory;

// Bytes to be moved into a read or a write of a DmaFile. Their content is arbitrary at first.
class DmaBuffer {
public:
    // Of their address; no device is known to ask for more.
    static constexpr std::size_t alignment = 4096;

    DmaBuffer() noexcept = default;
    // Throws std::bad_alloc.
    DmaBuffer(IoMemory& memory, std::size_t bytes);
    DmaBuffer(DmaBuffer&& other) noexcept
        : memory_(std::exchange(other.memory_, nullptr)),
          data_(std::exchange(other.data_, nullptr)),
          size_(std::exchange(other.size_, 0)),
          capacity_(std::exchange(other.capacity_, 0)) {}
    DmaBuffer& operator=(DmaBuffer&& other) noexcept {
        std::swap(memory_, other.memory_);
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(capacity_, other.capacity_);
        return *this;
    }
    ~DmaBuffer();

    std::byte* data() noexcept { return data_; }
    const std::byte* data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    std::size_t capacity() const noexcept { return capacity_; }
    // Up to the capacity. The bytes stay what they are.
    void resize(std::size_t bytes) noexcept;

    std::span<std::byte> bytes() noexcept { return {data_, size_}; }
    std::string_view text() const noexcept { return {reinterpret_cast<const char*>(data_), size_}; }
    // Not from the heap.
    bool is_pooled() const noexcept { return memory_ != nullptr; }

private:
    IoMemory* memory_ = nullptr;  // null: the heap
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;  // whole pages
};

struct ReleaseIoMemory {
    void operator()(IoMemory* memory) const noexcept;
};

class IoMemory {
public:
    // `bytes` are rounded up to a power of two. None, or more than the system gives: all buffers come from
    // the heap.
    explicit IoMemory(std::size_t bytes);
    IoMemory(const IoMemory&) = delete;
    IoMemory& operator=(const IoMemory&) = delete;

    // All of it; nobody's to read or write but through a buffer.
    std::span<std::byte> bytes() const noexcept { return memory_.bytes(); }

    // How many buffers were made, and how many of them came from the heap.
    std::uint64_t buffers() const noexcept { return buffers_; }
    std::uint64_t heap_buffers() const noexcept { return heap_buffers_; }

private:
    friend class DmaBuffer;
    friend struct ReleaseIoMemory;

    ~IoMemory();
    // `bytes` are whole pages. Null if there are no so many in one place.
    std::byte* take(std::size_t bytes) noexcept;
    void give_back(std::byte* data, std::size_t bytes) noexcept;
    void release() noexcept {
        if (--references_ == 0) delete this;
    }

    MappedMemory memory_;
    BuddyBlocks blocks_;
    std::size_t references_ = 1;  // the reactor's, and one for each buffer
    std::uint64_t buffers_ = 0;
    std::uint64_t heap_buffers_ = 0;
};

}  // namespace ringlet

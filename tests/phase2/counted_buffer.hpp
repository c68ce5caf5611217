// A buffer to be moved into operations, which tells how many of its kind live: what the kernel may still
// touch must, and what nobody needs any more must not.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

namespace support {

// Counts those of its kind that hold memory.
class CountedBuffer {
public:
    explicit CountedBuffer(std::size_t size) : bytes_(std::make_unique<char[]>(size)), size_(size) {
        ++alive;
    }
    CountedBuffer(CountedBuffer&& other) noexcept : bytes_(std::move(other.bytes_)), size_(other.size_) {}
    CountedBuffer& operator=(CountedBuffer&& other) noexcept {
        std::swap(bytes_, other.bytes_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~CountedBuffer() {
        if (bytes_) --alive;
    }
    char* data() noexcept { return bytes_.get(); }
    const char* data() const noexcept { return bytes_.get(); }
    std::size_t size() const noexcept { return size_; }

    static inline int alive = 0;

private:
    std::unique_ptr<char[]> bytes_;
    std::size_t size_;
};

}  // namespace support

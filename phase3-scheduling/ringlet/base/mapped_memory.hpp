// MappedMemory: whole pages of zeroes, from the system and back to it.
#pragma once

#include <cstddef>
#include <span>
#include <sys/mman.h>
#include <utility>

namespace ringlet {

class MappedMemory {
public:
    static constexpr std::size_t whole_pages(std::size_t bytes) noexcept {
        constexpr std::size_t page_bytes = 4096;
        return (bytes + page_bytes - 1) / page_bytes * page_bytes;
    }

    MappedMemory() noexcept = default;
    // Empty if the system refuses; errno then tells why.
    explicit MappedMemory(std::size_t bytes) noexcept {
        void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory != MAP_FAILED) bytes_ = {static_cast<std::byte*>(memory), bytes};
    }
    MappedMemory(MappedMemory&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
    MappedMemory& operator=(MappedMemory&&) = delete;
    ~MappedMemory() {
        if (!bytes_.empty()) munmap(bytes_.data(), bytes_.size());
    }

    explicit operator bool() const noexcept { return !bytes_.empty(); }
    std::span<std::byte> bytes() const noexcept { return bytes_; }

private:
    std::span<std::byte> bytes_;
};

}  // namespace ringlet

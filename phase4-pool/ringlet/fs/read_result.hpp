// ReadResult: bytes that were read, as a view into the buffer that they were read into. Views of one buffer
// share it: it goes with the last of them.
//
// Threads: owner thread only (the count is not atomic).
#pragma once

#include <ringlet/base/recycle.hpp>
#include <ringlet/reactor/io_memory.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace ringlet {

class ReadResult {
public:
    ReadResult() noexcept = default;
    // All of the buffer. Throws std::bad_alloc.
    explicit ReadResult(DmaBuffer buffer) : shared_(new Shared{std::move(buffer), 1}) {
        bytes_ = shared_->buffer.bytes();
    }
    ReadResult(const ReadResult& other) noexcept : shared_(other.shared_), bytes_(other.bytes_) {
        if (shared_) ++shared_->holders;
    }
    ReadResult(ReadResult&& other) noexcept
        : shared_(std::exchange(other.shared_, nullptr)), bytes_(std::exchange(other.bytes_, {})) {}
    ReadResult& operator=(ReadResult other) noexcept {
        std::swap(shared_, other.shared_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~ReadResult() {
        if (shared_ && --shared_->holders == 0) delete shared_;
    }

    const std::byte* data() const noexcept { return bytes_.data(); }
    std::size_t size() const noexcept { return bytes_.size(); }
    bool empty() const noexcept { return bytes_.empty(); }
    std::span<const std::byte> bytes() const noexcept { return bytes_; }
    std::string_view text() const noexcept { return {reinterpret_cast<const char*>(data()), size()}; }

    // A part of these bytes, or as much of it as there is.
    ReadResult part(std::size_t from, std::size_t bytes) const noexcept {
        ReadResult view(*this);
        from = std::min(from, size());
        view.bytes_ = bytes_.subspan(from, std::min(bytes, size() - from));
        return view;
    }

private:
    struct Shared {
        DmaBuffer buffer;
        std::uint32_t holders;

        static void* operator new(std::size_t bytes) { return recycle::allocate(bytes); }
        static void operator delete(void* shared, std::size_t bytes) noexcept {
            recycle::deallocate(shared, bytes);
        }
    };

    Shared* shared_ = nullptr;
    std::span<const std::byte> bytes_;
};

}  // namespace ringlet

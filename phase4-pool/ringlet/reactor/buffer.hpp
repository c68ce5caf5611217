// Buffers that an operation can own while it is in flight. The kernel reads and writes them at any moment
// until the last completion, so a program moves a buffer in and gets it back with the result.
#pragma once

#include <ringlet/base/error.hpp>

#include <concepts>
#include <cstddef>
#include <ranges>
#include <span>
#include <string_view>

namespace ringlet {

// Contiguous bytes that belong to the object: std::string, std::vector<std::byte>, Lease, StaticBytes. A
// span or string_view is refused, since it owns nothing.
template <class B>
concept OwnedBuffer = std::movable<B> && !std::ranges::borrowed_range<B> && requires(const B& buffer) {
    { buffer.data() } -> std::convertible_to<const void*>;
    { buffer.size() } -> std::convertible_to<std::size_t>;
    requires sizeof(*buffer.data()) == 1;
};

template <class B>
concept WritableBuffer = OwnedBuffer<B> && requires(B& buffer) {
    { buffer.data() } -> std::convertible_to<void*>;
};

// Bytes that live as long as the program: constants.
class StaticBytes {
public:
    explicit constexpr StaticBytes(std::string_view bytes) noexcept : bytes_(bytes) {}
    const char* data() const noexcept { return bytes_.data(); }
    std::size_t size() const noexcept { return bytes_.size(); }

private:
    std::string_view bytes_;
};

// How it went, and the buffer back, whichever way it went.
template <class B>
struct IoResult {
    Result<std::size_t> n;  // bytes transferred
    B buffer;
};

template <OwnedBuffer B>
std::span<const std::byte> bytes_of(const B& buffer) noexcept {
    return {reinterpret_cast<const std::byte*>(buffer.data()), buffer.size()};
}

}  // namespace ringlet

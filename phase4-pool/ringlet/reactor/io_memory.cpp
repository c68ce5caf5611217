#include <ringlet/reactor/io_memory.hpp>

#include <ringlet/base/check.hpp>
#include <ringlet/base/recycle.hpp>

#include <bit>
#include <new>

#if defined(RINGLET_ASAN)
#include <sanitizer/asan_interface.h>
#endif

namespace ringlet {

namespace {

constexpr std::size_t page_bytes = DmaBuffer::alignment;
constexpr std::align_val_t page_alignment{page_bytes};

std::size_t pages_of(std::size_t bytes) { return (bytes + page_bytes - 1) / page_bytes; }

unsigned order_of(std::size_t bytes) {
    return static_cast<unsigned>(std::bit_width(std::bit_ceil(pages_of(bytes))) - 1);
}

MappedMemory map_memory(std::size_t bytes) {
    if (bytes == 0) return {};
    return MappedMemory(std::bit_ceil(pages_of(bytes)) * page_bytes);
}

// Memory of no buffer is nobody's to touch: sanitizer builds say so.
void set_accessible([[maybe_unused]] std::span<std::byte> bytes, [[maybe_unused]] bool accessible) {
#if defined(RINGLET_ASAN)
    if (accessible) {
        __asan_unpoison_memory_region(bytes.data(), bytes.size());
    } else {
        __asan_poison_memory_region(bytes.data(), bytes.size());
    }
#endif
}

}  // namespace

DmaBuffer::DmaBuffer(IoMemory& memory, std::size_t bytes) {
    if (bytes > PTRDIFF_MAX) throw std::bad_alloc();
    std::size_t capacity = pages_of(bytes) * page_bytes;
    data_ = memory.take(capacity);
    if (data_) {
        memory_ = &memory;
    } else {
        data_ = static_cast<std::byte*>(::operator new(capacity, page_alignment));
        ++memory.heap_buffers_;
    }
    ++memory.buffers_;
    size_ = bytes;
    capacity_ = capacity;
}

DmaBuffer::~DmaBuffer() {
    if (memory_) {
        memory_->give_back(data_, capacity_);
    } else if (data_) {
        ::operator delete(data_, page_alignment);
    }
}

void DmaBuffer::resize(std::size_t bytes) noexcept {
    RINGLET_CHECK(bytes <= capacity_, "a DmaBuffer was resized beyond its capacity");
    size_ = bytes;
}

void ReleaseIoMemory::operator()(IoMemory* memory) const noexcept { memory->release(); }

IoMemory::IoMemory(std::size_t bytes)
    : memory_(map_memory(bytes)), blocks_(memory_ ? this->bytes().size() / page_bytes : 1) {
    set_accessible(this->bytes(), false);
}

IoMemory::~IoMemory() { set_accessible(bytes(), true); }

std::byte* IoMemory::take(std::size_t bytes) noexcept {
    if (bytes > memory_.bytes().size() || bytes == 0) return nullptr;
    auto page = blocks_.take(order_of(bytes));
    if (!page) return nullptr;
    ++references_;
    std::byte* data = memory_.bytes().data() + *page * page_bytes;
    set_accessible({data, bytes}, true);
    return data;
}

void IoMemory::give_back(std::byte* data, std::size_t bytes) noexcept {
    set_accessible({data, bytes}, false);
    blocks_.give_back(static_cast<std::size_t>(data - memory_.bytes().data()) / page_bytes, order_of(bytes));
    release();
}

}  // namespace ringlet

#include "memory.hpp"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <ringlet/base/recycle.hpp>
#include <sys/mman.h>

#if defined(RINGLET_ASAN)
#include <sanitizer/asan_interface.h>
#endif

namespace sim::memory {

std::size_t rounded(std::size_t bytes, std::size_t step) { return (bytes + step - 1) / step * step; }

#if defined(RINGLET_ASAN)

void begin() noexcept { in_program = true; }
void end() noexcept { in_program = false; }
std::size_t alive() noexcept { return 0; }

bool is_alive(const void* first, std::size_t bytes) noexcept {
    return !__asan_region_is_poisoned(const_cast<void*>(first), bytes);
}

void* map(std::size_t bytes) noexcept { return std::aligned_alloc(4096, rounded(bytes, 4096)); }
bool unmap(void* pages) noexcept {
    std::free(pages);
    return true;
}

AsKernel::AsKernel(std::span<std::byte> memory) noexcept
    : memory_(memory), was_closed_(__asan_region_is_poisoned(memory.data(), memory.size())) {
    __asan_unpoison_memory_region(memory_.data(), memory_.size());
}
AsKernel::~AsKernel() {
    if (was_closed_) __asan_poison_memory_region(memory_.data(), memory_.size());
}

#else

namespace {

constexpr std::size_t grain = 16;
constexpr std::size_t arena_bytes = std::size_t{256} << 20;

// One block: its size stands in front of it. A byte of `live` for each grain tells what is allocated.
std::byte* arena = nullptr;
std::uint8_t* live = nullptr;
std::size_t used = 0;
std::size_t blocks = 0;

bool is_ours(const void* block) noexcept {
    auto* at = static_cast<const std::byte*>(block);
    return arena && at >= arena && at < arena + arena_bytes;
}

void mark(void* block, std::size_t bytes, bool is_live) noexcept {
    std::memset(live + (static_cast<std::byte*>(block) - arena) / grain, is_live,
                rounded(bytes, grain) / grain);
}

void* take(std::size_t bytes, std::size_t alignment) noexcept {
    std::size_t start = rounded(used + grain, alignment);
    if (start + bytes > arena_bytes) return nullptr;
    used = rounded(start + bytes, grain);
    std::byte* block = arena + start;
    std::memcpy(block - sizeof bytes, &bytes, sizeof bytes);
    mark(block, bytes, true);
    ++blocks;
    return block;
}

void give_back(void* block) noexcept {
    std::size_t bytes;
    std::memcpy(&bytes, static_cast<std::byte*>(block) - sizeof bytes, sizeof bytes);
    mark(block, bytes, false);
    std::memset(block, 0xdd, bytes);  // who still reads it shall not find what it looks for
    --blocks;
}

}  // namespace

void begin() noexcept {
    used = blocks = 0;
    // Its lists would keep what belongs to the run before: let them be full.
    ringlet::recycle::free_lists = {.heads = {}, .bytes_left = 0, .registered = true};
    if (!arena) {
        constexpr int rights = PROT_READ | PROT_WRITE;
        constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        arena = static_cast<std::byte*>(::mmap(nullptr, arena_bytes, rights, flags, -1, 0));
        live = static_cast<std::uint8_t*>(::mmap(nullptr, arena_bytes / grain, rights, flags, -1, 0));
    }
    in_program = true;
}

void end() noexcept {
    in_program = false;
    std::memset(live, 0, used / grain + 1);
}

std::size_t alive() noexcept { return blocks; }

bool is_alive(const void* first, std::size_t bytes) noexcept {
    if (!is_ours(first) || bytes == 0) return true;
    std::size_t from = (static_cast<const std::byte*>(first) - arena) / grain;
    std::size_t to = (static_cast<const std::byte*>(first) + bytes - 1 - arena) / grain;
    return !std::memchr(live + from, 0, to - from + 1);
}

void* map(std::size_t bytes) noexcept {
    void* pages = take(rounded(bytes, 4096), 4096);
    if (pages) std::memset(pages, 0, bytes);
    return pages;
}

bool unmap(void* pages) noexcept {
    if (!is_ours(pages)) return false;
    give_back(pages);
    return true;
}

AsKernel::AsKernel(std::span<std::byte> memory) noexcept : memory_(memory) {}
AsKernel::~AsKernel() = default;

#endif

}  // namespace sim::memory

#if !defined(RINGLET_ASAN)

namespace {

void* allocate(std::size_t bytes, std::size_t alignment) {
    void* block = sim::memory::in_program           ? sim::memory::take(bytes, alignment)
                  : alignment <= sim::memory::grain ? std::malloc(bytes)
                                                    : std::aligned_alloc(alignment, bytes);
    if (!block) throw std::bad_alloc();
    return block;
}

void deallocate(void* block) noexcept {
    if (!block) return;
    sim::memory::is_ours(block) ? sim::memory::give_back(block) : std::free(block);
}

}  // namespace

void* operator new(std::size_t bytes) { return allocate(bytes, sim::memory::grain); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
    return allocate(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* block) noexcept { deallocate(block); }
void operator delete(void* block, std::size_t) noexcept { deallocate(block); }
void operator delete(void* block, std::align_val_t) noexcept { deallocate(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { deallocate(block); }

#endif

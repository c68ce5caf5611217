// Memory: where the simulated program allocates. Nothing is used twice within a run, so that the simulated
// kernel can say at each completion whether the memory that it was given still exists, and the end of a run
// whether everything was given back. Under AddressSanitizer, which knows both, it stands aside.
//
// Replaces operator new and delete in the whole test program; only between begin() and end(), and not inside
// of an Outside, do they take from here.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

namespace sim::memory {

// Forgets the run before.
void begin() noexcept;
void end() noexcept;

// Blocks that are alive, of those allocated since begin().
std::size_t alive() noexcept;

// All of it was allocated by the program, or lies outside of what is looked after (a stack), and was not
// freed.
bool is_alive(const void* first, std::size_t bytes) noexcept;

inline bool in_program = false;

// What the kernel and the world allocate is not the program's.
class Outside {
public:
    Outside() noexcept : before_(std::exchange(in_program, false)) {}
    Outside(const Outside&) = delete;
    Outside& operator=(const Outside&) = delete;
    ~Outside() { in_program = before_; }

private:
    bool before_;
};

// Anonymous pages, as from mmap.
void* map(std::size_t bytes) noexcept;
// False: it does not come from here.
bool unmap(void* pages) noexcept;

// While it lives, the kernel writes there, which it may: AddressSanitizer sees the buffers that are in the
// kernel's hands as closed to everybody.
class AsKernel {
public:
    explicit AsKernel(std::span<std::byte> memory) noexcept;
    AsKernel(const AsKernel&) = delete;
    AsKernel& operator=(const AsKernel&) = delete;
    ~AsKernel();

private:
    std::span<std::byte> memory_;
    [[maybe_unused]] bool was_closed_ = false;
};

}  // namespace sim::memory

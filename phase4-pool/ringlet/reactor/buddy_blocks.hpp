// BuddyBlocks: which pages of a stretch of memory are free, in blocks of 1, 2, 4, ... pages. A block that is
// given back joins its buddy, the other half of the next larger block, if that is free too; so large blocks
// form again. IoMemory hands out its buffers by it.
//
// Threads: owner thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace ringlet {

class BuddyBlocks {
public:
    // All of them free; a power of two.
    explicit BuddyBlocks(std::size_t pages);

    // The first page of 2^order pages; empty if there are no so many in one place.
    std::optional<std::size_t> take(unsigned order) noexcept;
    void give_back(std::size_t page, unsigned order) noexcept;

private:
    // Of the blocks of one order: a bit for each, set if it is free as a whole and not part of a larger one.
    struct Order {
        std::vector<std::uint64_t> bits;
        std::size_t free = 0;

        std::size_t first_free() const noexcept;
        bool is_free(std::size_t block) const noexcept;
        void flip(std::size_t block) noexcept;
    };

    std::vector<Order> orders_;
};

}  // namespace ringlet

#include <ringlet/reactor/buddy_blocks.hpp>

#include <ringlet/base/check.hpp>

#include <bit>

namespace ringlet {

namespace {

constexpr std::size_t word_bits = 64;

}  // namespace

BuddyBlocks::BuddyBlocks(std::size_t pages) {
    RINGLET_CHECK(std::has_single_bit(pages), "BuddyBlocks: a power of two");
    for (std::size_t blocks = pages; blocks > 0; blocks /= 2) {
        orders_.push_back({std::vector<std::uint64_t>((blocks + word_bits - 1) / word_bits), 0});
    }
    give_back(0, static_cast<unsigned>(orders_.size() - 1));
}

std::size_t BuddyBlocks::Order::first_free() const noexcept {
    std::size_t word = 0;
    while (bits[word] == 0) ++word;
    return word * word_bits + static_cast<std::size_t>(std::countr_zero(bits[word]));
}

bool BuddyBlocks::Order::is_free(std::size_t block) const noexcept {
    return bits[block / word_bits] >> block % word_bits & 1;
}

void BuddyBlocks::Order::flip(std::size_t block) noexcept {
    bits[block / word_bits] ^= std::uint64_t{1} << block % word_bits;
    is_free(block) ? ++free : --free;
}

std::optional<std::size_t> BuddyBlocks::take(unsigned order) noexcept {
    unsigned found = order;
    while (found < orders_.size() && orders_[found].free == 0) ++found;
    if (found >= orders_.size()) return std::nullopt;
    std::size_t block = orders_[found].first_free();
    orders_[found].flip(block);
    for (; found > order; block *= 2) orders_[--found].flip(block * 2 + 1);  // the upper half stays free
    return block << order;
}

void BuddyBlocks::give_back(std::size_t page, unsigned order) noexcept {
    std::size_t block = page >> order;
    for (; order + 1 < orders_.size() && orders_[order].is_free(block ^ 1); ++order, block /= 2) {
        orders_[order].flip(block ^ 1);
    }
    RINGLET_CHECK(!orders_[order].is_free(block), "a block was given back twice");
    orders_[order].flip(block);
}

}  // namespace ringlet

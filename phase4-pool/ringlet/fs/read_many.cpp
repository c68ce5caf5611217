#include <ringlet/fs/read_many.hpp>

#include <algorithm>
#include <cstdint>
#include <new>

namespace ringlet {

ReadMany::ReadMany(DmaFile file, std::vector<ReadRange> ranges, ReadManyLimits limits)
    : file_(std::move(file)), ranges_(std::move(ranges)), limits_(limits) {
    limits_.merged_bytes_max = operations::length_of(limits.merged_bytes_max);
    merge();
}

// By what is read, which is aligned: ranges within one block share it, whatever the limits.
void ReadMany::merge() {
    for (const ReadRange& range : ranges_) {
        if (range.bytes > PTRDIFF_MAX) throw std::bad_alloc();  // as read_at() does
        std::uint64_t start = file_.align_down(range.position);
        std::uint64_t end = file_.align_up(range.position + range.bytes);
        if (!reads_.empty() && takes_in(reads_.back(), start, end)) {
            MergedRead& read = reads_.back();
            read = {std::min(read.start, start), std::max(read.end, end), read.ranges + 1};
        } else {
            reads_.push_back({start, end, 1});
        }
    }
}

bool ReadMany::takes_in(const MergedRead& read, std::uint64_t start, std::uint64_t end) const noexcept {
    if (start >= read.start && end <= read.end) return true;
    std::uint64_t gap = start > read.end ? start - read.end : read.start > end ? read.start - end : 0;
    std::uint64_t merged = std::max(read.end, end) - std::min(read.start, start);
    return gap <= limits_.gap_bytes_max && merged <= limits_.merged_bytes_max;
}

void ReadMany::start_reads() {
    while (next_start_ < reads_.size()) {
        const MergedRead& read = reads_[next_start_];
        if (!started_.empty() && in_flight_bytes_ + read.bytes() > limits_.in_flight_bytes_max) return;
        started_.push_back(file_.read_at_aligned(file_.alloc_dma_buffer(read.bytes()), read.start));
        in_flight_bytes_ += read.bytes();
        ++next_start_;
        started_.back().start();  // last: it may throw, and then starts when it is awaited
    }
}

Result<ReadResult> ReadMany::whole(IoResult<DmaBuffer> read) noexcept {
    if (!read.n) return std::unexpected(read.n.error());
    read.buffer.resize(*read.n);
    try {
        return ReadResult(std::move(read.buffer));
    } catch (const std::bad_alloc&) {
        return failure(operations::read_category, ENOMEM);
    }
}

Co<std::optional<RangeRead>> ReadMany::next() {
    if (next_range_ == ranges_.size()) co_return std::nullopt;
    start_reads();
    if (left_in_current_ == 0) {
        auto read = co_await started_.front();
        started_.pop_front();
        left_in_current_ = reads_[next_read_++].ranges;
        current_ = whole(std::move(read));
    }
    const MergedRead& merged = reads_[next_read_ - 1];
    ReadRange range = ranges_[next_range_];
    Result<ReadResult> bytes = current_;
    if (bytes) bytes = bytes->part(range.position - merged.start, range.bytes);
    // Cut short: at the end of the file, or where a place cannot be read that may be another range's.
    if (merged.ranges > 1 && bytes && bytes->size() < range.bytes) {
        auto alone = file_.read_at(range.position, range.bytes);
        bytes = co_await alone;
    }
    ++next_range_;  // handed out from here on: a call that was dropped meanwhile has lost nothing
    if (--left_in_current_ == 0) {
        current_ = ReadResult();  // the memory is now the views'
        in_flight_bytes_ -= merged.bytes();
    }
    co_return RangeRead{range, std::move(bytes)};
}

}  // namespace ringlet

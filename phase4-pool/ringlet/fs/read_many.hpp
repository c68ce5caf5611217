// read_many: scattered ranges of a DmaFile, read with fewer and larger reads: ranges that overlap, touch or
// lie near each other share one. An index hands out such ranges, and a device takes little longer for 64 KiB
// than for 4.
//
//     ReadMany many = read_many(file, ranges);
//     while (auto next = co_await many.next()) use(next->range, next->bytes);
//
// Threads: owner thread only.
#pragma once

#include <ringlet/fs/dma_file.hpp>

#include <deque>
#include <optional>
#include <vector>

namespace ringlet {

struct ReadRange {
    std::uint64_t position;
    std::size_t bytes;
};

struct ReadManyLimits {
    // No read becomes larger by merging; at most 1 GiB, more than that is not read at once.
    std::size_t merged_bytes_max = 128 << 10;
    // Bytes between two ranges that are read for nothing if they are merged.
    std::size_t gap_bytes_max = 4096;
    // Memory of reads that are under way, or not yet handed out. One read at least is always under way.
    std::size_t in_flight_bytes_max = 1 << 20;
};

// One of the ranges, and its bytes: fewer where DmaFile::read_at would give fewer, which is asked if the read
// that it shares ends before it. An error of a read is that of each range in it.
struct RangeRead {
    ReadRange range;
    Result<ReadResult> bytes;
};

class ReadMany {
public:
    ReadMany(DmaFile file, std::vector<ReadRange> ranges, ReadManyLimits limits);

    // The next range, in the order in which they were given; empty after the last. Starts the reads that
    // `limits` allow.
    Co<std::optional<RangeRead>> next();

    // How many reads the ranges were merged to.
    std::size_t reads() const noexcept { return reads_.size(); }

private:
    // From `start` to `end`, aligned, for the next `ranges` ranges.
    struct MergedRead {
        std::uint64_t start;
        std::uint64_t end;
        std::size_t ranges;

        std::size_t bytes() const noexcept { return end - start; }
    };

    void merge();
    bool takes_in(const MergedRead& read, std::uint64_t start, std::uint64_t end) const noexcept;
    void start_reads();
    static Result<ReadResult> whole(IoResult<DmaBuffer> read) noexcept;

    DmaFile file_;
    std::vector<ReadRange> ranges_;
    ReadManyLimits limits_;
    std::vector<MergedRead> reads_;
    std::deque<Operation<operations::DirectRead>> started_;
    std::size_t in_flight_bytes_ = 0;
    std::size_t next_start_ = 0;  // in reads_: the first that is not started
    std::size_t next_read_ = 0;   // in reads_: the first that is not finished
    std::size_t next_range_ = 0;  // in ranges_: the first that is not handed out
    Result<ReadResult> current_;  // of the read before next_read_
    std::size_t left_in_current_ = 0;
};

// Ranges are merged with their neighbours in the order given, so sort them by position if you can.
inline ReadMany read_many(DmaFile file, std::vector<ReadRange> ranges, ReadManyLimits limits = {}) {
    return ReadMany(std::move(file), std::move(ranges), limits);
}

}  // namespace ringlet

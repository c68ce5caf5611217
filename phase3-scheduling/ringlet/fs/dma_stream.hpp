// DmaStreamReader, DmaStreamWriter: a DmaFile from one end to the other. The page cache would read ahead and
// write behind; here the streams do it, with a few large buffers each.
//
// Threads: owner thread only. One call at a time. Dropping the future of a read loses no bytes; of a write
// that was dropped, position() tells how much was taken.
#pragma once

#include <ringlet/fs/dma_file.hpp>

#include <deque>
#include <span>

namespace ringlet {

struct DmaStreamOptions {
    std::size_t buffer_bytes = 128 << 10;  // rounded up to the file's alignment
    unsigned buffers = 4;                  // read ahead, or written behind
};

class DmaStreamReader {
public:
    explicit DmaStreamReader(DmaFile file, std::uint64_t position = 0, DmaStreamOptions options = {});

    // Of the next byte to be handed out.
    std::uint64_t position() const noexcept { return position_; }

    // Copies what is there, at least one byte and at most target.size(); 0 only at the end of the file. After
    // an error the next call tries again. The target is the caller's and must live as long as the future; the
    // kernel does not see it.
    Co<Result<std::size_t>> read(std::span<std::byte> target);

    // The same without a copy: what the stream has at hand, up to a buffer. Empty at the end of the file.
    Co<Result<ReadResult>> next_buffer();

    Co<Result<void>> close() && { return close(std::move(*this)); }

private:
    struct Ahead {
        std::uint64_t position;
        Operation<operations::DirectRead> read;
    };

    static Co<Result<void>> close(DmaStreamReader self);
    void read_ahead();
    Co<Result<void>> fill();
    ReadResult take(std::size_t bytes) noexcept;

    DmaFile file_;
    std::uint64_t position_;
    DmaStreamOptions options_;
    std::deque<Ahead> ahead_;
    bool was_short_ = false;  // the last read: perhaps the end of the file
    ReadResult current_;      // read, and not handed out
};

class DmaStreamWriter {
public:
    // From the start of the file. Pass one that is empty: what it holds beyond the bytes written, close()
    // cuts.
    explicit DmaStreamWriter(DmaFile file, DmaStreamOptions options = {});

    // Bytes taken so far.
    std::uint64_t position() const noexcept { return position_; }

    // Takes all bytes, into buffers that are written when full. Waits if all buffers are under way. An error
    // of an earlier buffer surfaces here; the stream then takes no more. `bytes` must live as long as the
    // future.
    Co<Result<void>> write(std::span<const std::byte> bytes);

    // Writes what is left, cuts the file to its true length (that call blocks the executor), brings it to the
    // device and closes it. The first error of all this; the file is closed in any case. Without it the last
    // bytes are lost.
    Co<Result<void>> close() && { return close(std::move(*this)); }

private:
    static Co<Result<void>> close(DmaStreamWriter self);
    void start_write();
    Co<void> finish_oldest();

    DmaFile file_;
    DmaStreamOptions options_;
    std::uint64_t position_ = 0;
    DmaBuffer filling_;  // of which `filled_` bytes are
    std::size_t filled_ = 0;
    std::deque<Operation<operations::DirectWrite>> behind_;
    Result<void> outcome_;  // of the writes that have ended
};

}  // namespace ringlet

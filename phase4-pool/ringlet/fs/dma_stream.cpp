#include <ringlet/fs/dma_stream.hpp>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace ringlet {

namespace {

DmaStreamOptions checked(DmaStreamOptions options, const DmaFile& file) {
    RINGLET_CHECK(options.buffers > 0 && options.buffer_bytes > 0, "a stream needs a buffer");
    options.buffer_bytes =
        std::max(options.buffer_bytes, file.align_up(options.buffer_bytes));  // if it wraps
    return options;
}

}  // namespace

// Reading.

DmaStreamReader::DmaStreamReader(DmaFile file, std::uint64_t position, DmaStreamOptions options)
    : file_(std::move(file)), position_(position), options_(checked(options, file_)) {}

void DmaStreamReader::read_ahead() {
    // One may have been lost, for want of memory: those after it do not join on.
    if (!ahead_.empty() && ahead_.front().position > position_) ahead_.clear();
    unsigned wanted = was_short_ ? 1 : options_.buffers;
    while (ahead_.size() < wanted) {
        std::uint64_t at =
            ahead_.empty() ? file_.align_down(position_) : ahead_.back().position + options_.buffer_bytes;
        ahead_.push_back({at, file_.read_at_aligned(file_.alloc_dma_buffer(options_.buffer_bytes), at)});
        ahead_.back().read.start();
    }
}

// Leaves `current_` empty at the end of the file.
Co<Result<void>> DmaStreamReader::fill() {
    read_ahead();
    auto read = co_await ahead_.front().read;
    std::uint64_t skipped = position_ - ahead_.front().position;
    ahead_.pop_front();
    was_short_ = read.n.value_or(0) < options_.buffer_bytes;
    if (was_short_) ahead_.clear();  // they do not join on
    if (!read.n) co_return std::unexpected(read.n.error());
    read.buffer.resize(*read.n);
    current_ = ReadResult(std::move(read.buffer)).part(skipped, options_.buffer_bytes);
    co_return Result<void>();
}

ReadResult DmaStreamReader::take(std::size_t bytes) noexcept {
    ReadResult taken = current_.part(0, bytes);
    current_ = current_.part(taken.size(), current_.size());
    if (current_.empty()) current_ = ReadResult();
    position_ += taken.size();
    return taken;
}

Co<Result<std::size_t>> DmaStreamReader::read(std::span<std::byte> target) {
    if (current_.empty() && !target.empty()) {
        if (auto filled = co_await fill(); !filled) co_return std::unexpected(filled.error());
    }
    ReadResult bytes = take(target.size());
    if (!bytes.empty()) std::memcpy(target.data(), bytes.data(), bytes.size());
    co_return bytes.size();
}

Co<Result<ReadResult>> DmaStreamReader::next_buffer() {
    if (current_.empty()) {
        if (auto filled = co_await fill(); !filled) co_return std::unexpected(filled.error());
    }
    co_return take(current_.size());
}

Co<Result<void>> DmaStreamReader::close(DmaStreamReader self) {
    self.ahead_.clear();
    co_return co_await std::move(self.file_).close();
}

// Writing.

DmaStreamWriter::DmaStreamWriter(DmaFile file, DmaStreamOptions options)
    : file_(std::move(file)), options_(checked(options, file_)) {}

void DmaStreamWriter::start_write() {
    std::uint64_t at = position_ - std::exchange(filled_, 0);
    try {
        behind_.push_back(file_.write_all_at(std::exchange(filling_, DmaBuffer()), at));
        behind_.back().start();
    } catch (const std::bad_alloc&) {
        outcome_ = failure(operations::write_category, ENOMEM);
    }
}

Co<void> DmaStreamWriter::finish_oldest() {
    auto written = co_await behind_.front();
    behind_.pop_front();
    if (!written.n && outcome_) outcome_ = std::unexpected(written.n.error());
}

Co<Result<void>> DmaStreamWriter::write(std::span<const std::byte> bytes) {
    while (outcome_ && !bytes.empty()) {
        if (filled_ == 0) {
            while (behind_.size() >= options_.buffers) co_await finish_oldest();
            filling_ = file_.alloc_dma_buffer(options_.buffer_bytes);
        }
        std::size_t count = std::min(bytes.size(), filling_.size() - filled_);
        std::memcpy(filling_.data() + filled_, bytes.data(), count);
        bytes = bytes.subspan(count);
        filled_ += count;
        position_ += count;
        if (filled_ == filling_.size()) start_write();
    }
    co_return outcome_;
}

Co<Result<void>> DmaStreamWriter::close(DmaStreamWriter self) {
    if (self.filled_ > 0 && self.outcome_) {
        std::size_t whole = self.file_.align_up(self.filled_);
        self.filling_.resize(whole);
        std::memset(self.filling_.data() + self.filled_, 0, whole - self.filled_);
        self.start_write();
    }
    while (!self.behind_.empty()) co_await self.finish_oldest();
    if (self.outcome_ && !self.file_.is_device()) self.outcome_ = self.file_.truncate(self.position_);
    if (self.outcome_) self.outcome_ = co_await self.file_.fdatasync();
    auto closed = co_await std::move(self.file_).close();
    co_return self.outcome_ ? closed : self.outcome_;
}

}  // namespace ringlet

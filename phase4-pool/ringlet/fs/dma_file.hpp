// DmaFile: a file read and written directly (O_DIRECT): between the device and buffers of the program,
// without the page cache and its copy. What is read often had better go through the cache
// (fs/buffered_file.hpp), or through one of the program's own.
//
// The device wants positions and lengths that are multiples of `alignment()`. read_at() takes any; for all
// bytes in order there are streams (fs/dma_stream.hpp), for scattered ranges read_many (fs/read_many.hpp).
//
// Where the device can be polled (IoPath::polled), reads go through the reactor's poll ring, and so do writes
// to a device itself: small ones, within one aligned block of, as a rule, 128 KiB. They cannot be cancelled
// there: a timeout waits for their end, which is near.
//
// Threads: owner thread only. A copy is another handle of the same open file.
#pragma once

#include <ringlet/fs/buffered_file.hpp>
#include <ringlet/fs/read_result.hpp>

#include <algorithm>
#include <cerrno>
#include <memory>

namespace ringlet {

namespace operations {

inline const constinit OperationCategory allocate_category{"allocate"};

// A read or write of a file opened with O_DIRECT; polled for if `may_poll` and the device can. What cannot
// after all is submitted again, to wait for an interrupt: the file can not (EOPNOTSUPP), or the device's
// queue had no room (EAGAIN).
template <class Op>
struct Direct : Op {
    std::shared_ptr<DirectDevice> device;
    bool may_poll;
    bool polled = false;

    Direct(Op op, std::shared_ptr<DirectDevice> device, bool may_poll) noexcept
        : Op(std::move(op)), device(std::move(device)), may_poll(may_poll) {}
    void submit(Reactor& reactor, Source& source) {
        bool fits = device->polls(this->position, this->buffer.size());
        polled = reactor.submit_direct(source, may_poll && fits);
    }
    bool again(int result) noexcept {
        if (!polled || (result != -EOPNOTSUPP && result != -EAGAIN)) return Op::again(result);
        if (result == -EOPNOTSUPP) device->refuse("the file system, or the kernel, does not poll it");
        may_poll = false;
        return true;
    }
};

// The ring would take ~0 for the place where the last read or write ended. Here it is a place that no file
// has, like others: "Invalid argument".
inline std::uint64_t place_of(std::uint64_t position) noexcept {
    return std::min(position, at_current_position - 1);
}

struct Allocate : OpDefaults {
    using Output = Result<void>;
    SharedFd file;
    std::uint64_t bytes;

    Allocate(SharedFd fd, std::uint64_t bytes) noexcept : file(std::move(fd)), bytes(bytes) {}
    void prepare(io_uring_sqe& entry) noexcept {
        io_uring_prep_fallocate(&entry, file.get(), 0, 0, static_cast<off_t>(bytes));
    }
    Output finish(int result, unsigned) noexcept { return success_or_error(allocate_category, result); }
};

using DirectRead = Direct<Read<DmaBuffer>>;
using DirectWrite = Direct<Write<DmaBuffer>>;

}  // namespace operations

// How completions of direct I/O arrive.
enum class IoPath {
    polled,     // the executor asks the device; it does not sleep meanwhile
    interrupt,  // the device interrupts
};

class DmaFile {
public:
    // `flags` as in open(2); O_DIRECT and O_CLOEXEC are added. What has no direct I/O (some file systems,
    // pipes, /proc) fails with "open for direct I/O: Operation not supported". If the device cannot be
    // polled, a notice says so once (base/notice.hpp).
    static Co<Result<DmaFile>> open(std::string path, int flags = O_RDONLY, mode_t mode = 0644);
    // For reading and writing, empty, made if need be.
    static Co<Result<DmaFile>> create(std::string path, mode_t mode = 0644) {
        return open(std::move(path), O_RDWR | O_CREAT | O_TRUNC, mode);
    }

    // Of positions and lengths: as the file says (statx, kernel 6.1), else 4096.
    std::size_t alignment() const noexcept { return alignment_; }
    std::uint64_t align_down(std::uint64_t position) const noexcept { return position & ~(alignment_ - 1); }
    std::uint64_t align_up(std::uint64_t position) const noexcept {
        return align_down(position + alignment_ - 1);
    }

    // What its next small reads do. Those of queues with Latency::Matters take the interrupt in any
    // case.
    IoPath io_path() const noexcept {
        return may_poll_ && device_->polls() ? IoPath::polled : IoPath::interrupt;
    }
    // From now on, through this handle: for a program that had rather sleep than be served sooner.
    void wait_for_interrupts() noexcept { may_poll_ = false; }

    // A buffer of `bytes`, rounded up to the alignment. Throws std::bad_alloc.
    DmaBuffer alloc_dma_buffer(std::size_t bytes) const {
        return DmaBuffer(Reactor::current().io_memory(), std::max(bytes, align_up(bytes)));
    }

    // One read of buffer.size() bytes from `position`, both aligned ("read: Invalid argument" otherwise).
    // Fewer at the end of the file, 0 past it; fewer also before a place that cannot be read.
    auto read_at_aligned(DmaBuffer buffer, std::uint64_t position) const {
        return Operation(operations::DirectRead({file_, std::move(buffer), operations::place_of(position)},
                                                device_, may_poll_));
    }

    // The same of any bytes: reads the aligned stretch around them, up to 1 GiB.
    auto read_at(std::uint64_t position, std::size_t bytes) const {
        std::uint64_t start = align_down(position);
        DmaBuffer buffer = alloc_dma_buffer(std::max(bytes, position - start + bytes));  // if it wraps
        return map(read_at_aligned(std::move(buffer), start), PartOf{position - start, bytes});
    }

    // One write of the whole buffer at `position`, both aligned; may be short (a full disk).
    auto write_at(DmaBuffer buffer, std::uint64_t position) {
        return write(std::move(buffer), position, false);
    }
    // As many writes as it takes, or an error, after which a part may have been written.
    auto write_all_at(DmaBuffer buffer, std::uint64_t position) {
        return write(std::move(buffer), position, true);
    }

    // Until the data is on the device, and what is needed to find it there. A direct write without it may be
    // in the device's cache.
    auto fdatasync() { return Operation(operations::Sync(file_, IORING_FSYNC_DATASYNC)); }

    // A device itself, and not a file in a file system: its size is fixed.
    bool is_device() const noexcept { return is_device_; }

    auto stat() const { return Operation(operations::Stat(file_)); }
    // Of a device: 0, as stat(2) says.
    auto size() const { return map(stat(), &DmaFile::size_of); }

    // Gets room for a file of that size, which it then has. Writes that make a file longer wait for each
    // other; those within it do not.
    auto pre_allocate(std::uint64_t bytes) { return Operation(operations::Allocate(file_, bytes)); }

    // Blocks the executor: the ring has no such operation before kernel 6.9.
    Result<void> truncate(std::uint64_t bytes) { return sys::truncate(file_.get(), bytes); }

    // As BufferedFile's; waits for copies of the handle, too, and for streams that have one.
    Co<Result<void>> close() && { return close(std::move(file_)); }

private:
    // The bytes that were asked for, out of those that were read.
    struct PartOf {
        std::size_t from;
        std::size_t bytes;
        Result<ReadResult> operator()(IoResult<DmaBuffer> read) const;
    };

    DmaFile(SharedFd file, std::shared_ptr<DirectDevice> device, std::size_t alignment,
            bool is_device) noexcept
        : file_(std::move(file)), device_(std::move(device)), alignment_(alignment), is_device_(is_device) {}

    static Co<Result<void>> close(SharedFd file);

    static Result<std::uint64_t> size_of(const Result<struct statx>& status) {
        if (!status) return std::unexpected(status.error());
        return status->stx_size;
    }
    // To a file, a write may have to wait inside the file system for itself, if it makes the file longer;
    // Linux 6.1 then waits for ever for a polled one.
    Operation<operations::DirectWrite> write(DmaBuffer buffer, std::uint64_t position, bool all) {
        std::size_t bytes = buffer.size();
        operations::Write<DmaBuffer> write(file_, std::move(buffer), operations::place_of(position), bytes,
                                           all);
        return Operation(operations::DirectWrite(std::move(write), device_, may_poll_ && is_device_));
    }

    SharedFd file_;
    std::shared_ptr<DirectDevice> device_;
    std::size_t alignment_;  // a power of two
    bool is_device_;         // and not a file in a file system
    bool may_poll_ = true;
};

}  // namespace ringlet

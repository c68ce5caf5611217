#include <ringlet/fs/dma_file.hpp>

#include <bit>
#include <sys/sysmacros.h>

namespace ringlet {

namespace {

const constinit OperationCategory open_direct_category{"open for direct I/O"};

constexpr std::size_t alignment_if_unknown = 4096;

// 0: the file has no direct I/O.
std::size_t alignment_of(const struct statx& status) {
    return status.stx_mask & STATX_DIOALIGN ? status.stx_dio_offset_align : alignment_if_unknown;
}

// Where the bytes are: a block device is one, a file lies on one.
dev_t device_of(const struct statx& status) {
    if (S_ISBLK(status.stx_mode)) return makedev(status.stx_rdev_major, status.stx_rdev_minor);
    return makedev(status.stx_dev_major, status.stx_dev_minor);
}

}  // namespace

Co<Result<DmaFile>> DmaFile::open(std::string path, int flags, mode_t mode) {
    auto opened = co_await Operation(operations::Open(path, flags | O_DIRECT, mode));
    if (!opened && opened.error().value() == EINVAL) co_return failure(open_direct_category, EOPNOTSUPP);
    if (!opened) co_return std::unexpected(opened.error());
    SharedFd file(std::move(*opened));
    auto status = co_await Operation(operations::Stat(file, STATX_BASIC_STATS | STATX_DIOALIGN));
    if (!status) co_return std::unexpected(status.error());
    std::size_t alignment = alignment_of(*status);
    // Not a power of two, as XFS may say of files on a realtime device, is more than align_down() can.
    if (!std::has_single_bit(alignment)) co_return failure(open_direct_category, EOPNOTSUPP);
    std::shared_ptr<DirectDevice> device = Reactor::current().direct_device(device_of(*status), path);
    co_return DmaFile(std::move(file), std::move(device), alignment, S_ISBLK(status->stx_mode));
}

Result<ReadResult> DmaFile::PartOf::operator()(IoResult<DmaBuffer> read) const {
    if (!read.n) return std::unexpected(read.n.error());
    read.buffer.resize(*read.n);
    return ReadResult(std::move(read.buffer)).part(from, bytes);
}

Co<Result<void>> DmaFile::close(SharedFd file) {
    co_await operations::sole_holder_of(file);
    co_return co_await Operation(operations::Close(file.take()));
}

}  // namespace ringlet

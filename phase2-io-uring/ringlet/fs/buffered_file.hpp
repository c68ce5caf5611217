// BufferedFile: a file read and written through the page cache, and what can be done with paths.
//
// Threads: owner thread only. Buffers are moved in and handed back with the result. Every operation but
// truncate goes through the ring; the kernel works on those that would block with threads of its own.
#pragma once

#include <ringlet/future/co.hpp>
#include <ringlet/reactor/operations.hpp>
#include <ringlet/reactor/sys.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <sys/stat.h>

namespace ringlet {

namespace operations {

inline const constinit OperationCategory stat_category{"stat"};
inline const constinit OperationCategory rename_category{"rename"};
inline const constinit OperationCategory remove_category{"remove"};

struct Stat : OpDefaults {
    using Output = Result<struct statx>;
    SharedFd file;  // empty: `path` names the file
    std::string path;
    struct statx status{};

    explicit Stat(SharedFd fd) noexcept : file(std::move(fd)) {}
    explicit Stat(std::string path) noexcept : path(whole_path(std::move(path))) {}
    void prepare(io_uring_sqe& entry) noexcept {
        int directory = file ? file.get() : AT_FDCWD;
        int flags = file ? AT_EMPTY_PATH : 0;
        io_uring_prep_statx(&entry, directory, path.c_str(), flags, STATX_BASIC_STATS, &status);
    }
    Output finish(int result, unsigned) noexcept {
        if (result < 0) return failure(stat_category, -result);
        return status;
    }
};

struct Rename : OpDefaults {
    using Output = Result<void>;
    std::string from;
    std::string to;

    Rename(std::string from, std::string to) noexcept
        : from(whole_path(std::move(from))), to(whole_path(std::move(to))) {}
    void prepare(io_uring_sqe& entry) noexcept {
        io_uring_prep_renameat(&entry, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), 0);
    }
    Output finish(int result, unsigned) noexcept { return success_or_error(rename_category, result); }
};

struct Remove : OpDefaults {
    using Output = Result<void>;
    std::string path;

    explicit Remove(std::string path) noexcept : path(whole_path(std::move(path))) {}
    void prepare(io_uring_sqe& entry) noexcept { io_uring_prep_unlinkat(&entry, AT_FDCWD, path.c_str(), 0); }
    Output finish(int result, unsigned) noexcept { return success_or_error(remove_category, result); }
};

}  // namespace operations

class BufferedFile {
public:
    // `flags` as in open(2). O_CLOEXEC is added.
    static auto open(std::string path, int flags = O_RDONLY, mode_t mode = 0644) {
        return map(Operation(operations::Open(std::move(path), flags, mode)), &BufferedFile::from);
    }
    // For writing, empty, made if need be.
    static auto create(std::string path, mode_t mode = 0644) {
        return open(std::move(path), O_WRONLY | O_CREAT | O_TRUNC, mode);
    }
    // Takes over a descriptor that was opened elsewhere; throws std::bad_alloc.
    explicit BufferedFile(UniqueFd fd) : file_(std::move(fd)) {}
    BufferedFile(BufferedFile&&) noexcept = default;
    BufferedFile& operator=(BufferedFile&&) noexcept = default;

    // Reads up to buffer.size() bytes from `position` (bytes from the start). Fewer are business as usual, 0
    // mean the end.
    template <WritableBuffer B>
    auto read_at(B buffer, std::uint64_t position) {
        return Operation(operations::Read<B>(file_, std::move(buffer), position));
    }

    // One write of the buffer's first `bytes`; may be short (a full disk).
    template <OwnedBuffer B>
    auto write_at(B buffer, std::uint64_t position, std::size_t bytes) {
        return Operation(operations::Write<B>(file_, std::move(buffer), position, bytes, false));
    }
    template <OwnedBuffer B>
    auto write_at(B buffer, std::uint64_t position) {
        std::size_t bytes = buffer.size();
        return write_at(std::move(buffer), position, bytes);
    }

    // As many writes as it takes, or an error, after which a part may have been written.
    template <OwnedBuffer B>
    auto write_all_at(B buffer, std::uint64_t position, std::size_t bytes) {
        return Operation(operations::Write<B>(file_, std::move(buffer), position, bytes, true));
    }
    template <OwnedBuffer B>
    auto write_all_at(B buffer, std::uint64_t position) {
        std::size_t bytes = buffer.size();
        return write_all_at(std::move(buffer), position, bytes);
    }

    // Until the data (and with fsync all metadata) is on the device.
    auto fdatasync() { return Operation(operations::Sync(file_, IORING_FSYNC_DATASYNC)); }
    auto fsync() { return Operation(operations::Sync(file_, 0)); }

    auto stat() { return Operation(operations::Stat(file_)); }

    // Blocks the executor: the ring has no such operation before kernel 6.9.
    Result<void> truncate(std::size_t bytes) { return sys::truncate(file_.get(), bytes); }

    // Waits for operations in flight, and for those that were made and not awaited, closes, and tells how
    // that went. Dropping the file closes it too, once its operations have ended.
    Co<Result<void>> close() && { return close(std::move(file_)); }

private:
    static Co<Result<void>> close(SharedFd file);

    static Result<BufferedFile> from(Result<UniqueFd> opened) {
        if (!opened) return std::unexpected(opened.error());
        return BufferedFile(std::move(*opened));
    }

    SharedFd file_;
};

inline auto rename(std::string from, std::string to) {
    return Operation(operations::Rename(std::move(from), std::move(to)));
}
inline auto remove(std::string path) { return Operation(operations::Remove(std::move(path))); }
inline auto stat(std::string path) { return Operation(operations::Stat(std::move(path))); }

}  // namespace ringlet

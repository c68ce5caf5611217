// The operations of io_uring that Ringlet uses, each as a future. All are at home on kernel 6.1. Sockets
// and files (net/, fs/) are made of them; programs may use them with descriptors of their own.
//
// Descriptors that a socket operation is given must not be O_NONBLOCK: whether io_uring then waits, or
// fails with EAGAIN, differs between kernels (6.18 waits).
#pragma once

#include <ringlet/base/check.hpp>
#include <ringlet/base/unique_fd.hpp>
#include <ringlet/reactor/buffer.hpp>
#include <ringlet/reactor/operation.hpp>
#include <ringlet/reactor/shared_fd.hpp>

#include <algorithm>
#include <fcntl.h>
#include <poll.h>
#include <string>
#include <sys/socket.h>

namespace ringlet::operations {

inline const constinit OperationCategory nop_category{"nop"};
inline const constinit OperationCategory poll_category{"poll"};
inline const constinit OperationCategory accept_category{"accept"};
inline const constinit OperationCategory connect_category{"connect"};
inline const constinit OperationCategory receive_category{"receive"};
inline const constinit OperationCategory send_category{"send"};
inline const constinit OperationCategory read_category{"read"};
inline const constinit OperationCategory write_category{"write"};
inline const constinit OperationCategory open_category{"open"};
inline const constinit OperationCategory sync_category{"sync"};
inline const constinit OperationCategory close_category{"close"};

// The kernel takes lengths of 32 bits, and a result must fit an int.
inline unsigned length_of(std::size_t bytes) noexcept {
    return static_cast<unsigned>(std::min<std::size_t>(bytes, 1U << 30));
}

// The kernel would take what stands before a zero for the whole. Nothing has an empty name: ENOENT. Inlined,
// GCC 12 would warn of a string that is not initialised.
[[gnu::noinline]] inline std::string whole_path(std::string path) {
    return path.find('\0') == std::string::npos ? std::move(path) : std::string();
}

// Does nothing, by way of the kernel.
struct Nop : OpDefaults {
    using Output = Result<void>;
    void prepare(io_uring_sqe& entry) noexcept { io_uring_prep_nop(&entry); }
    Output finish(int result, unsigned) noexcept { return success_or_error(nop_category, result); }
};

// Waits until the descriptor is ready for `events` (POLLIN, POLLOUT); gives those that struck. The caller
// keeps the descriptor open.
struct PollAdd : OpDefaults {
    using Output = Result<unsigned>;
    int fd;
    unsigned events;

    PollAdd(int fd, unsigned events) noexcept : fd(fd), events(events) {}
    void prepare(io_uring_sqe& entry) noexcept { io_uring_prep_poll_add(&entry, fd, events); }
    Output finish(int result, unsigned) noexcept {
        if (result < 0) return failure(poll_category, -result);
        return static_cast<unsigned>(result);
    }
};

// A connection that arrives after the future was dropped is closed.
struct Accept : OpDefaults {
    using Output = Result<UniqueFd>;
    SharedFd listener;

    explicit Accept(SharedFd fd) noexcept : listener(std::move(fd)) {}
    void prepare(io_uring_sqe& entry) noexcept {
        io_uring_prep_accept(&entry, listener.get(), nullptr, nullptr, SOCK_CLOEXEC);
    }
    Output finish(int result, unsigned) noexcept {
        if (result < 0) return failure(accept_category, -result);
        return UniqueFd(result);
    }
    void discard(int result, unsigned) noexcept { UniqueFd unwanted(result); }
};

struct Connect : OpDefaults {
    using Output = Result<void>;
    SharedFd socket;
    sockaddr_storage address;
    socklen_t address_bytes;

    Connect(SharedFd fd, const sockaddr_storage& address, socklen_t bytes) noexcept
        : socket(std::move(fd)), address(address), address_bytes(bytes) {}
    void prepare(io_uring_sqe& entry) noexcept {
        io_uring_prep_connect(&entry, socket.get(), reinterpret_cast<sockaddr*>(&address), address_bytes);
    }
    Output finish(int result, unsigned) noexcept { return success_or_error(connect_category, result); }
};

// One receive into a buffer of the caller's; 0 bytes mean the peer has ended the stream.
template <WritableBuffer B>
struct Receive : OpDefaults {
    using Output = IoResult<B>;
    SharedFd socket;
    B buffer;

    Receive(SharedFd fd, B target) noexcept : socket(std::move(fd)), buffer(std::move(target)) {}
    void prepare(io_uring_sqe& entry) noexcept {
        io_uring_prep_recv(&entry, socket.get(), buffer.data(), length_of(buffer.size()), 0);
    }
    Output finish(int result, unsigned) noexcept {
        return {count_or_error(receive_category, result), std::move(buffer)};
    }
    std::span<const std::byte> kernel_memory() const noexcept { return bytes_of(buffer); }
};

// Sends the whole buffer; fewer bytes only with an error. A peer that is gone is EPIPE, never a signal.
template <OwnedBuffer B>
struct SendAll : OpDefaults {
    using Output = IoResult<B>;
    SharedFd socket;
    B buffer;
    std::size_t sent = 0;

    SendAll(SharedFd fd, B source) noexcept : socket(std::move(fd)), buffer(std::move(source)) {}
    void prepare(io_uring_sqe& entry) noexcept {
        // MSG_WAITALL: the kernel goes on after a short send (5.19); again() catches what it does not.
        io_uring_prep_send(&entry, socket.get(), buffer.data() + sent, length_of(buffer.size() - sent),
                           MSG_NOSIGNAL | MSG_WAITALL);
    }
    bool again(int result) noexcept {
        if (result <= 0) return false;
        sent += static_cast<std::size_t>(result);
        return sent < buffer.size();
    }
    Output finish(int result, unsigned) noexcept {
        if (result < 0) return {failure(send_category, -result), std::move(buffer)};
        return {sent, std::move(buffer)};
    }
    std::span<const std::byte> kernel_memory() const noexcept { return bytes_of(buffer); }
};

// For pipes, terminals and the like. Before kernel 6.4 a pipe that is not O_NONBLOCK is left to a thread of
// the kernel, which does not write less than it was given.
inline constexpr std::uint64_t at_current_position = ~0ULL;

// One read; fewer bytes than asked for are business as usual, 0 mean the end of the file.
template <WritableBuffer B>
struct Read : OpDefaults {
    using Output = IoResult<B>;
    SharedFd file;
    B buffer;
    std::uint64_t position;

    Read(SharedFd fd, B target, std::uint64_t at) noexcept
        : file(std::move(fd)), buffer(std::move(target)), position(at) {}
    void prepare(io_uring_sqe& entry) noexcept {
        io_uring_prep_read(&entry, file.get(), buffer.data(), length_of(buffer.size()), position);
    }
    Output finish(int result, unsigned) noexcept {
        return {count_or_error(read_category, result), std::move(buffer)};
    }
    std::span<const std::byte> kernel_memory() const noexcept { return bytes_of(buffer); }
};

// One write, which may be short, or, with `all`, as many as it takes. On pipes whose reader is gone the
// kernel also raises SIGPIPE.
template <OwnedBuffer B>
struct Write : OpDefaults {
    using Output = IoResult<B>;
    SharedFd file;
    B buffer;
    std::uint64_t position;
    std::size_t bytes;  // of the buffer, from its start
    bool all;
    std::size_t written = 0;

    Write(SharedFd fd, B source, std::uint64_t at, std::size_t bytes, bool all) noexcept
        : file(std::move(fd)), buffer(std::move(source)), position(at), bytes(bytes), all(all) {
        RINGLET_CHECK(bytes <= buffer.size(), "a write of more bytes than its buffer has");
    }
    void prepare(io_uring_sqe& entry) noexcept {
        bool moves = position != at_current_position;
        io_uring_prep_write(&entry, file.get(), buffer.data() + written, length_of(bytes - written),
                            moves ? position + written : position);
    }
    bool again(int result) noexcept {
        if (result <= 0) return false;
        written += static_cast<std::size_t>(result);
        return all && written < bytes;
    }
    Output finish(int result, unsigned) noexcept {
        if (result < 0) return {failure(write_category, -result), std::move(buffer)};
        return {written, std::move(buffer)};
    }
    std::span<const std::byte> kernel_memory() const noexcept { return bytes_of(buffer); }
};

// A file that opens after the future was dropped is closed.
struct Open : OpDefaults {
    using Output = Result<UniqueFd>;
    std::string path;
    int flags;
    mode_t mode;

    Open(std::string path, int flags, mode_t mode)
        : path(whole_path(std::move(path))), flags(flags), mode(mode) {}
    void prepare(io_uring_sqe& entry) noexcept {
        io_uring_prep_openat(&entry, AT_FDCWD, path.c_str(), flags | O_CLOEXEC, mode);
    }
    Output finish(int result, unsigned) noexcept {
        if (result < 0) return failure(open_category, -result);
        return UniqueFd(result);
    }
    void discard(int result, unsigned) noexcept { UniqueFd unwanted(result); }
};

// fsync, or with IORING_FSYNC_DATASYNC fdatasync.
struct Sync : OpDefaults {
    using Output = Result<void>;
    SharedFd file;
    unsigned flags;

    Sync(SharedFd fd, unsigned flags) noexcept : file(std::move(fd)), flags(flags) {}
    void prepare(io_uring_sqe& entry) noexcept { io_uring_prep_fsync(&entry, file.get(), flags); }
    Output finish(int result, unsigned) noexcept { return success_or_error(sync_category, result); }
};

// Ready when no operation is in flight on `fd` any more.
inline auto sole_holder_of(const SharedFd& fd) {
    return poll_fn([&fd, waiter = SharedFd::Waiter()](Context& context) mutable -> Poll<void> {
        if (fd.is_sole_holder()) return Unit{};
        fd.wait_for_sole_holder(waiter, context.waker());
        return pending;
    });
}

// Closes, and tells what close says. Dropped before its first poll it closes all the same; once submitted
// it cannot be called back: the number is free as soon as the kernel has seen it.
struct Close : OpDefaults {
    using Output = Result<void>;
    UniqueFd fd;
    bool handed_over = false;

    explicit Close(UniqueFd descriptor) noexcept : fd(std::move(descriptor)) {}
    void prepare(io_uring_sqe& entry) noexcept {
        io_uring_prep_close(&entry, fd.get());
        handed_over = true;
    }
    bool again(int) noexcept {
        settle();
        return false;
    }
    Output finish(int result, unsigned) noexcept { return success_or_error(close_category, result); }
    void discard(int, unsigned) noexcept { settle(); }

private:
    // Not handed to the kernel, it is ours to close. Else the number is gone, whatever the error, which may
    // be that of a file system's flush; and no request to cancel was sent (RingDriver::start).
    void settle() noexcept {
        if (handed_over) static_cast<void>(fd.release());
    }
};

}  // namespace ringlet::operations

// Every system call that does not go through the ring: what no ring operation of kernel 6.1 does (socket
// set-up, ftruncate), and non-blocking reads and writes on descriptors that only offer readiness. All but
// truncate return at once; truncate may block the executor on a slow file system.
#pragma once

#include <ringlet/base/error.hpp>
#include <ringlet/base/unique_fd.hpp>

#include <csignal>
#include <cstddef>
#include <span>
#include <sys/socket.h>
#include <utility>

namespace ringlet::sys {

Result<UniqueFd> socket(int family, int type);
Result<std::pair<UniqueFd, UniqueFd>> socket_pair(int type);  // of family AF_UNIX
Result<void> bind(int fd, const sockaddr* address, socklen_t bytes);
Result<void> listen(int fd, int backlog);
Result<void> shutdown(int fd, int how);
Result<void> set_option(int fd, int level, int option, int value);
Result<socklen_t> local_address(int fd, sockaddr_storage& address);
Result<socklen_t> peer_address(int fd, sockaddr_storage& address);

// Sets or clears O_NONBLOCK and leaves the other flags alone.
Result<void> set_nonblocking(int fd, bool nonblocking);

Result<std::size_t> read(int fd, std::span<std::byte> target);
Result<std::size_t> write(int fd, std::span<const std::byte> source);

// Readable when one of the signals arrives; they must be blocked in every thread.
Result<UniqueFd> signal_fd(const sigset_t& signals);

Result<void> truncate(int fd, std::size_t bytes);

}  // namespace ringlet::sys

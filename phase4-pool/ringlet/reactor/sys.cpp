#include <ringlet/reactor/sys.hpp>

#include <cerrno>
#include <fcntl.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace ringlet::sys {

namespace {

const constinit OperationCategory socket_category{"socket"};
const constinit OperationCategory bind_category{"bind"};
const constinit OperationCategory listen_category{"listen"};
const constinit OperationCategory shutdown_category{"shutdown"};
const constinit OperationCategory option_category{"set socket option"};
const constinit OperationCategory address_category{"socket address"};
const constinit OperationCategory flags_category{"descriptor flags"};
const constinit OperationCategory read_category{"read"};
const constinit OperationCategory write_category{"write"};
const constinit OperationCategory signalfd_category{"signalfd"};
const constinit OperationCategory truncate_category{"truncate"};

Result<void> check(const OperationCategory& category, long returned) {
    if (returned < 0) return failure(category, errno);
    return {};
}

Result<std::size_t> count(const OperationCategory& category, long returned) {
    if (returned < 0) return failure(category, errno);
    return static_cast<std::size_t>(returned);
}

template <class Call>
Result<socklen_t> ask_address(Call call, int fd, sockaddr_storage& address) {
    socklen_t bytes = sizeof address;
    if (call(fd, reinterpret_cast<sockaddr*>(&address), &bytes) < 0) return failure(address_category, errno);
    return bytes;
}

}  // namespace

Result<UniqueFd> socket(int family, int type) {
    int fd = ::socket(family, type | SOCK_CLOEXEC, 0);
    if (fd < 0) return failure(socket_category, errno);
    return UniqueFd(fd);
}

Result<std::pair<UniqueFd, UniqueFd>> socket_pair(int type) {
    int ends[2];
    if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) < 0) return failure(socket_category, errno);
    return std::pair(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

Result<void> bind(int fd, const sockaddr* address, socklen_t bytes) {
    return check(bind_category, ::bind(fd, address, bytes));
}

Result<void> listen(int fd, int backlog) { return check(listen_category, ::listen(fd, backlog)); }

Result<void> shutdown(int fd, int how) { return check(shutdown_category, ::shutdown(fd, how)); }

Result<void> set_option(int fd, int level, int option, int value) {
    return check(option_category, ::setsockopt(fd, level, option, &value, sizeof value));
}

Result<socklen_t> local_address(int fd, sockaddr_storage& address) {
    return ask_address(::getsockname, fd, address);
}

Result<socklen_t> peer_address(int fd, sockaddr_storage& address) {
    return ask_address(::getpeername, fd, address);
}

Result<void> set_nonblocking(int fd, bool nonblocking) {
    int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0) return failure(flags_category, errno);
    int wanted = nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    if (wanted == flags) return {};
    return check(flags_category, ::fcntl(fd, F_SETFL, wanted));
}

Result<std::size_t> read(int fd, std::span<std::byte> target) {
    return count(read_category, ::read(fd, target.data(), target.size()));
}

Result<std::size_t> write(int fd, std::span<const std::byte> source) {
    return count(write_category, ::write(fd, source.data(), source.size()));
}

Result<UniqueFd> signal_fd(const sigset_t& signals) {
    UniqueFd fd(::signalfd(-1, &signals, SFD_CLOEXEC));
    if (!fd) return failure(signalfd_category, errno);
    return fd;
}

Result<void> truncate(int fd, std::size_t bytes) {
    return check(truncate_category, ::ftruncate(fd, static_cast<off_t>(bytes)));
}

}  // namespace ringlet::sys

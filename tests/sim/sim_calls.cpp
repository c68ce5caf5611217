// Where the runtime meets the kernel and the clock: these definitions take the place of reactor/kernel.cpp,
// reactor/sys.cpp, base/clock.cpp and base/cycle_clock.cpp, and, for descriptors of the simulation, of libc's
// calls.
#include "memory.hpp"
#include "sim_kernel.hpp"

#include <ringlet/reactor/kernel.hpp>
#include <ringlet/reactor/sys.hpp>

#if __has_include(<ringlet/base/cycle_clock.hpp>)
#include <ringlet/base/cycle_clock.hpp>
#endif

#include <cerrno>
#include <csignal>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

namespace {

using sim::SimKernel;

// To read the clock takes time, and what is due meanwhile happens.
sim::Time read_clock() {
    SimKernel& kernel = *SimKernel::current;
    kernel.run_on(std::chrono::nanoseconds(20));
    return kernel.now();
}

}  // namespace

namespace ringlet {

Time Clock::now() noexcept { return read_clock(); }

#if __has_include(<ringlet/base/cycle_clock.hpp>)
CycleTime CycleClock::now() noexcept { return CycleTime(read_clock().time_since_epoch()); }
#endif

namespace kernel {

int setup(unsigned entries, io_uring_params& params, io_uring& ring) noexcept {
    return SimKernel::current->setup(entries, params, ring);
}
void teardown(io_uring& ring) noexcept { SimKernel::current->teardown(ring); }
int enter(io_uring& ring, unsigned submit, unsigned wait_for, unsigned flags,
          __kernel_timespec* timeout) noexcept {
    return SimKernel::current->enter(ring, submit, wait_for, flags, timeout);
}
int register_with(io_uring& ring, unsigned opcode, void* argument, unsigned count) noexcept {
    return SimKernel::current->register_with(ring, opcode, argument, count);
}

}  // namespace kernel

namespace sys {

namespace {

const constinit OperationCategory category{"simulated call"};

Result<void> check(int error) {
    if (error != 0) return failure(category, error);
    return {};
}

sim::Socket* socket_of(int fd) { return dynamic_cast<sim::Socket*>(SimKernel::current->find(fd)); }

Result<std::size_t> count(int fd, sim::Attempt moved) {
    if (!moved) return failure(category, SimKernel::current->find(fd)->is_nonblocking ? EAGAIN : EDEADLK);
    if (*moved < 0) return failure(category, -*moved);
    return static_cast<std::size_t>(*moved);
}

socklen_t put_address(const sim::Socket& socket, std::uint16_t port, sockaddr_storage& address) {
    sockaddr_in loopback{};
    loopback.sin_family = static_cast<sa_family_t>(socket.family);
    loopback.sin_port = htons(port);
    loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    reinterpret_cast<sockaddr_in&>(address) = loopback;
    return sizeof loopback;
}

}  // namespace

Result<UniqueFd> socket(int family, int) {
    sim::memory::Outside outside;
    auto made = std::make_shared<sim::Socket>();
    made->family = family;
    return UniqueFd(SimKernel::current->open(made));
}

Result<std::pair<UniqueFd, UniqueFd>> socket_pair(int) {
    sim::memory::Outside outside;
    auto one = std::make_shared<sim::Socket>();
    auto other = std::make_shared<sim::Socket>();
    sim::Socket::connect(*one, *other);
    UniqueFd first(SimKernel::current->open(one));
    return std::pair(std::move(first), UniqueFd(SimKernel::current->open(other)));
}

Result<void> bind(int fd, const sockaddr* address, socklen_t) {
    return check(
        SimKernel::current->bind(fd, ntohs(reinterpret_cast<const sockaddr_in*>(address)->sin_port)));
}

Result<void> listen(int fd, int backlog) {
    sim::Socket* socket = socket_of(fd);
    if (!socket) return check(ENOTSOCK);
    socket->listen(backlog);
    return {};
}

Result<void> shutdown(int fd, int how) {
    sim::memory::Outside outside;
    sim::Socket* socket = socket_of(fd);
    return check(socket ? -*socket->shutdown(how) : ENOTSOCK);
}

Result<void> set_option(int fd, int, int, int) { return check(socket_of(fd) ? 0 : ENOTSOCK); }

Result<socklen_t> local_address(int fd, sockaddr_storage& address) {
    sim::Socket* socket = socket_of(fd);
    if (!socket) return failure(category, ENOTSOCK);
    return put_address(*socket, socket->port, address);
}

Result<socklen_t> peer_address(int fd, sockaddr_storage& address) {
    sim::Socket* socket = socket_of(fd);
    if (!socket) return failure(category, ENOTSOCK);
    if (!socket->is_connected()) return failure(category, ENOTCONN);
    return put_address(*socket, socket->peer_port, address);
}

Result<void> set_nonblocking(int fd, bool nonblocking) {
    sim::OpenFile* file = SimKernel::current->find(fd);
    if (!file) return check(EBADF);
    file->is_nonblocking = nonblocking;
    return {};
}

Result<std::size_t> read(int fd, std::span<std::byte> target) {
    sim::memory::Outside outside;
    sim::OpenFile* file = SimKernel::current->find(fd);
    return file ? count(fd, file->read(target, ~0ULL)) : failure(category, EBADF);
}

Result<std::size_t> write(int fd, std::span<const std::byte> source) {
    sim::memory::Outside outside;
    sim::OpenFile* file = SimKernel::current->find(fd);
    return file ? count(fd, file->write(source, ~0ULL)) : failure(category, EBADF);
}

// From phase 4 on; nothing here sends signals.
Result<UniqueFd> signal_fd(const sigset_t&) { return failure(category, ENOSYS); }

Result<void> truncate(int fd, std::size_t bytes) {
    sim::memory::Outside outside;
    auto* file = dynamic_cast<sim::DiskFile*>(SimKernel::current->find(fd));
    if (!file) return check(EINVAL);
    file->truncate(bytes);
    return {};
}

}  // namespace sys

}  // namespace ringlet

// libc's, which the program's own definitions replace.
extern "C" {

int close(int fd) {
    if (!SimKernel::is_ours(fd)) return static_cast<int>(syscall(SYS_close, fd));
    errno = SimKernel::current->close(fd);
    return errno == 0 ? 0 : -1;
}

ssize_t write(int fd, const void* data, size_t bytes) {
    if (!SimKernel::is_ours(fd)) return syscall(SYS_write, fd, data, bytes);
    sim::memory::Outside outside;
    sim::Attempt moved = SimKernel::current->find(fd)->write({static_cast<const std::byte*>(data), bytes}, 0);
    return moved.value_or(-1);
}

int eventfd(unsigned, int) noexcept {
    sim::memory::Outside outside;
    return SimKernel::current->open(std::make_shared<sim::EventCounter>());
}

void* mmap(void* where, size_t bytes, int rights, int flags, int fd, off_t offset) noexcept {
    if (!sim::memory::in_program || fd >= 0) {
        return reinterpret_cast<void*>(syscall(SYS_mmap, where, bytes, rights, flags, fd, offset));
    }
    void* pages = sim::memory::map(bytes);
    return pages ? pages : MAP_FAILED;
}

int munmap(void* pages, size_t bytes) noexcept {
    if (sim::memory::in_program && sim::memory::unmap(pages)) return 0;
    return static_cast<int>(syscall(SYS_munmap, pages, bytes));
}
}

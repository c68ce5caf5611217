// What each operation does, once it is its turn; and the descriptors that they name.
#include "memory.hpp"
#include "sim_kernel.hpp"

#include <ringlet/base/recycle.hpp>

#include <algorithm>
#include <cerrno>
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sim {

using namespace std::chrono_literals;

namespace {

// The memory that the kernel reads or writes while the operation is in flight.
std::span<std::byte> memory_of(const io_uring_sqe& entry) {
    if (entry.flags & IOSQE_BUFFER_SELECT) return {};
    return {reinterpret_cast<std::byte*>(entry.addr), entry.len};
}

std::string path_at(std::uint64_t address) { return reinterpret_cast<const char*>(address); }

bool is_fixed(const io_uring_sqe& entry) {
    return entry.opcode == IORING_OP_READ_FIXED || entry.opcode == IORING_OP_WRITE_FIXED;
}

bool moves_bytes(const io_uring_sqe& entry) {
    switch (entry.opcode) {
        case IORING_OP_RECV:
        case IORING_OP_SEND:
        case IORING_OP_READ:
        case IORING_OP_WRITE:
        case IORING_OP_READ_FIXED:
        case IORING_OP_WRITE_FIXED: return true;
        default: return false;
    }
}

}  // namespace

void SimKernel::check_memory(const Operation& operation) {
    if (!moves_bytes(operation.entry)) return;
    std::span<std::byte> memory = memory_of(operation.entry);
    if (!memory::is_alive(memory.data(), memory.size())) {
        violated("buffers live until the last completion", "freed meanwhile; the user data follows",
                 operation.entry.user_data);
    }
}

Attempt SimKernel::perform(Operation& operation) {
    const io_uring_sqe& entry = operation.entry;
    switch (entry.opcode) {
        case IORING_OP_NOP: return 0;
        case IORING_OP_TIMEOUT: return -ETIME;
        case IORING_OP_POLL_ADD: return poll(operation);
        case IORING_OP_ACCEPT: return accept(operation);
        case IORING_OP_CONNECT: return connect(operation);
        case IORING_OP_RECV:
            return entry.flags & IOSQE_BUFFER_SELECT ? receive_selected(operation) : move_bytes(operation);
        case IORING_OP_SEND:
        case IORING_OP_READ:
        case IORING_OP_WRITE:
        case IORING_OP_READ_FIXED:
        case IORING_OP_WRITE_FIXED: return move_bytes(operation);
        case IORING_OP_FSYNC: return faults.strikes(Fault::io_error) ? -EIO : 0;
        case IORING_OP_OPENAT: return open_path(entry);
        case IORING_OP_STATX: return stat(operation);
        case IORING_OP_RENAMEAT: return rename(entry);
        case IORING_OP_UNLINKAT: return disk_.erase(path_at(entry.addr)) > 0 ? 0 : -ENOENT;
        case IORING_OP_CLOSE: return -close(entry.fd);
        case IORING_OP_ASYNC_CANCEL: return cancel(*operation.ring, entry.addr);
        case IORING_OP_TIMEOUT_REMOVE: return update_timeout(*operation.ring, entry);
        case IORING_OP_MSG_RING: return send_message(entry);
        default: return -EINVAL;
    }
}

Attempt SimKernel::poll(Operation& operation) {
    unsigned wanted = operation.entry.poll32_events | POLLERR | POLLHUP;
    unsigned events = operation.file->events() & wanted;
    return events == 0 ? Attempt() : Attempt(static_cast<int>(events));
}

unsigned SimKernel::shortened(unsigned bytes) {
    return bytes > 1 && faults.strikes(Fault::shortened) ? chance.between(1, bytes - 1) : bytes;
}

Attempt SimKernel::move_bytes(Operation& operation) {
    const io_uring_sqe& entry = operation.entry;
    if (is_fixed(entry) && !operation.ring->has_registered(entry.buf_index, memory_of(entry))) return -EFAULT;
    check_memory(operation);
    auto* socket = dynamic_cast<Socket*>(operation.file.get());
    auto* disk = dynamic_cast<DiskFile*>(operation.file.get());
    if (socket && faults.strikes(Fault::reset)) socket->reset();
    if (disk && faults.strikes(Fault::io_error)) return -EIO;
    std::span<std::byte> rest = memory_of(entry).subspan(operation.moved);
    rest = rest.first(shortened(static_cast<unsigned>(rest.size())));
    bool writes = entry.opcode == IORING_OP_WRITE || entry.opcode == IORING_OP_WRITE_FIXED;
    if (disk && writes && faults.strikes(Fault::full_disk)) return -ENOSPC;
    Attempt moved = entry.opcode == IORING_OP_RECV   ? operation.file->receive(rest)
                    : entry.opcode == IORING_OP_SEND ? operation.file->send(rest)
                    : writes                         ? operation.file->write(rest, entry.off)
                                                     : operation.file->read(rest, entry.off);
    if (entry.opcode != IORING_OP_SEND || !(entry.msg_flags & MSG_WAITALL)) return moved;
    // It goes on until all is sent; what has been sent before an error counts.
    if (!moved) return std::nullopt;
    if (*moved < 0) return operation.moved > 0 ? Attempt(static_cast<int>(operation.moved)) : moved;
    operation.moved += static_cast<std::size_t>(*moved);
    bool is_cut = faults.strikes(Fault::shortened);
    if (operation.moved == entry.len || is_cut) return static_cast<int>(operation.moved);
    schedule(operation, now_ + delay());
    return std::nullopt;
}

Attempt SimKernel::receive_selected(Operation& operation) {
    const io_uring_buf* buffer = operation.ring->next_buffer();
    if (!buffer || faults.strikes(Fault::no_buffer)) return -ENOBUFS;
    std::span<std::byte> target(reinterpret_cast<std::byte*>(buffer->addr), buffer->len);
#if !defined(RINGLET_ASAN)  // under it they are closed as if they were freed
    if (!memory::is_alive(target.data(), target.size())) {
        violated("buffers live until the last completion", "a provided buffer was freed; its number follows",
                 buffer->bid);
    }
#endif
    memory::AsKernel writes(target);
    auto* socket = dynamic_cast<Socket*>(operation.file.get());
    if (socket && faults.strikes(Fault::reset)) socket->reset();
    Attempt received = operation.file->receive(target.first(shortened(static_cast<unsigned>(target.size()))));
    if (received && *received > 0) {
        flags_of_next_ = IORING_CQE_F_BUFFER | operation.ring->use_buffer() << IORING_CQE_BUFFER_SHIFT;
    }
    return received;
}

Attempt SimKernel::accept(Operation& operation) {
    auto* listener = dynamic_cast<Socket*>(operation.file.get());
    if (!listener || !listener->is_listening()) return -EINVAL;
    if (listener->events() == 0) return std::nullopt;
    if (faults.strikes(Fault::no_descriptor)) return -EMFILE;
    return open(listener->take_pending());
}

Attempt SimKernel::connect(Operation& operation) {
    auto* socket = dynamic_cast<Socket*>(operation.file.get());
    if (!socket || socket->is_connected()) return -EISCONN;
    auto* address = reinterpret_cast<const sockaddr_in*>(operation.entry.addr);
    if (!memory::is_alive(address, sizeof *address)) {
        violated("buffers live until the last completion", "the address of a connect was freed");
    }
    auto found = ports_.find(ntohs(address->sin_port));
    if (found == ports_.end() || !found->second->is_listening()) {
        faults.note(Fault::refused);
        return -ECONNREFUSED;
    }
    Socket& listener = *found->second;
    if (listener.is_full()) {
        schedule(operation, now_ + 1ms);
        return std::nullopt;
    }
    auto accepted = std::make_shared<Socket>();
    accepted->family = socket->family;
    accepted->port = socket->peer_port = listener.port;
    accepted->peer_port = socket->port = free_port();
    Socket::connect(*socket, *accepted);
    listener.add_pending(std::move(accepted));
    return 0;
}

Attempt SimKernel::open_path(const io_uring_sqe& entry) {
    std::string path = path_at(entry.addr);
    auto flags = static_cast<int>(entry.open_flags);
    if (faults.strikes(Fault::no_descriptor)) return -EMFILE;
    auto found = disk_.find(path);
    if (found == disk_.end()) {
        // Folders are the machine's own.
        std::size_t slash = path.rfind('/');
        bool has_folder = slash == std::string::npos || ::access(path.substr(0, slash).c_str(), F_OK) == 0;
        if (!(flags & O_CREAT) || !has_folder) return -ENOENT;
        found = disk_.emplace(path, std::make_shared<Inode>()).first;
        found->second->capacity = disk_capacity;
    } else if (flags & O_EXCL) {
        return -EEXIST;
    }
    if (flags & O_TRUNC) found->second->bytes.clear();
    return open(std::make_shared<DiskFile>(found->second, flags));
}

// Of a path, or with AT_EMPTY_PATH of a descriptor.
Attempt SimKernel::stat(Operation& operation) {
    const io_uring_sqe& entry = operation.entry;
    auto found = disk_.find(path_at(entry.addr));
    auto* open = dynamic_cast<DiskFile*>(find(entry.fd));
    if (!open && found == disk_.end()) return -ENOENT;
    const Inode& inode = open ? open->inode() : *found->second;
    auto& status = *reinterpret_cast<struct statx*>(entry.off);
    if (!memory::is_alive(&status, sizeof status)) {
        violated("buffers live until the last completion", "where a stat is to be written");
    }
    status.stx_size = inode.bytes.size();
    status.stx_mode = S_IFREG | 0644;
    return 0;
}

Attempt SimKernel::rename(const io_uring_sqe& entry) {
    auto found = disk_.find(path_at(entry.addr));
    if (found == disk_.end()) return -ENOENT;
    disk_[path_at(entry.addr2)] = found->second;
    disk_.erase(path_at(entry.addr));
    return 0;
}

Attempt SimKernel::cancel(SimRing& ring, std::uint64_t user_data) {
    Operation* target = find_operation(ring, user_data);
    if (!target || faults.strikes(Fault::cancel_missed)) return -ENOENT;
    if (target->decided || (stuck_opcode != 0 && target->entry.opcode == stuck_opcode)) return -EALREADY;
    if (target->is_due && target->entry.opcode != IORING_OP_TIMEOUT && faults.strikes(Fault::cancel_lost)) {
        attempt(*target);
        if (!target->active) return -ENOENT;
    }
    complete(*target, target->moved > 0 ? static_cast<int>(target->moved) : -ECANCELED);
    return 0;
}

Attempt SimKernel::update_timeout(SimRing& ring, const io_uring_sqe& entry) {
    Operation* target = find_operation(ring, entry.addr);
    if (!target || target->entry.opcode != IORING_OP_TIMEOUT) return -ENOENT;
    if (!(entry.timeout_flags & IORING_TIMEOUT_UPDATE)) {
        complete(*target, -ECANCELED);
        return 0;
    }
    target->deadline = now_ + duration_of(*reinterpret_cast<const __kernel_timespec*>(entry.addr2));
    schedule(*target, target->deadline + delay());
    return 0;
}

Attempt SimKernel::send_message(const io_uring_sqe& entry) {
    auto found = std::ranges::find_if(rings_, [&entry](const auto& ring) { return ring->fd() == entry.fd; });
    if (found == rings_.end()) return find(entry.fd) ? -EBADFD : -EBADF;
    post(**found, entry.off, static_cast<int>(entry.len), 0);
    return 0;
}

// --- Descriptors -------------------------------------------------------------------------------------

int SimKernel::open(FilePtr file) {
    memory::Outside outside;
    if (file) file->changed = [this](OpenFile& changed) { wake_waiting(changed); };
    auto slot = std::ranges::find(taken_, false);
    if (slot == taken_.end()) {
        taken_.push_back(false);
        files_.emplace_back();
        slot = taken_.end() - 1;
    }
    *slot = true;
    auto index = slot - taken_.begin();
    files_[static_cast<std::size_t>(index)] = std::move(file);
    ++descriptors_in_use_;
    return fd_first + static_cast<int>(index);
}

// 0 or an errno.
int SimKernel::close(int fd) {
    memory::Outside outside;
    auto index = static_cast<std::size_t>(fd - fd_first);
    if (!is_ours(fd) || index >= files_.size() || !taken_[index]) return EBADF;
    log.add(now_, shard, "close", static_cast<std::uint64_t>(fd - fd_first), 0);
    taken_[index] = false;
    --descriptors_in_use_;
    FilePtr last_holder = std::move(files_[index]);
    files_[index] = nullptr;
    auto* socket = dynamic_cast<Socket*>(last_holder.get());
    if (socket && socket->is_listening() && last_holder.use_count() == 1) ports_.erase(socket->port);
    return 0;
}

OpenFile* SimKernel::find(int fd) {
    auto index = static_cast<std::size_t>(fd - fd_first);
    return is_ours(fd) && index < files_.size() ? files_[index].get() : nullptr;
}

std::pair<int, int> SimKernel::pipe() {
    memory::Outside outside;
    auto bytes = std::make_shared<PipeBytes>();
    int reader = open(std::make_shared<PipeEnd>(bytes, false));
    return {reader, open(std::make_shared<PipeEnd>(bytes, true))};
}

std::uint16_t SimKernel::free_port() { return ++last_port_; }

int SimKernel::bind(int fd, std::uint16_t port) {
    memory::Outside outside;
    auto* socket = dynamic_cast<Socket*>(find(fd));
    if (!socket) return EBADF;
    socket->port = port == 0 ? free_port() : port;
    return ports_.try_emplace(socket->port, socket).second ? 0 : EADDRINUSE;
}

}  // namespace sim

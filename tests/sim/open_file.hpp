// What descriptors of the simulated kernel name: byte-stream sockets and listeners, files on a disk, event
// counters. Each call moves what it can at once; nothing (std::nullopt) means that it would have to wait. A
// file tells the kernel when something about it has changed, which then lets those try again that wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <optional>
#include <poll.h>
#include <span>
#include <string>
#include <sys/socket.h>
#include <vector>

namespace sim {

// A count or -errno; nothing: not now.
using Attempt = std::optional<int>;

class OpenFile {
public:
    virtual ~OpenFile() = default;

    virtual unsigned events() const { return POLLIN | POLLOUT; }
    virtual Attempt read(std::span<std::byte>, std::uint64_t) { return -EINVAL; }
    virtual Attempt write(std::span<const std::byte>, std::uint64_t) { return -EINVAL; }
    virtual Attempt receive(std::span<std::byte>) { return -ENOTSOCK; }
    virtual Attempt send(std::span<const std::byte>) { return -ENOTSOCK; }

    bool is_nonblocking = false;
    // By the kernel: operations that wait for a change.
    std::vector<std::uint32_t> waiting;
    // Set by the kernel: to be called after each change.
    std::function<void(OpenFile&)> changed;

protected:
    void has_changed() {
        if (changed) changed(*this);
    }
};

using FilePtr = std::shared_ptr<OpenFile>;

// A stream socket in all its states.
class Socket final : public OpenFile {
public:
    ~Socket() override { disconnect(); }

    static void connect(Socket& a, Socket& b) {
        a.peer_ = &b;
        b.peer_ = &a;
        a.has_changed();
    }
    bool is_connected() const { return peer_ || ended_ || error_ != 0; }
    // What the peer has sent and nobody read is lost; the peer learns of it.
    void disconnect();
    // Both sides see ECONNRESET.
    void reset();
    Attempt shutdown(int how);

    // As a listener:
    void listen(int backlog) { backlog_ = backlog; }
    bool is_listening() const { return backlog_ > 0; }
    bool is_full() const { return pending_.size() >= static_cast<std::size_t>(backlog_); }
    void add_pending(std::shared_ptr<Socket> accepted);
    // Null: nobody waits.
    std::shared_ptr<Socket> take_pending();

    unsigned events() const override;
    Attempt receive(std::span<std::byte> target) override;
    Attempt send(std::span<const std::byte> source) override;
    Attempt read(std::span<std::byte> target, std::uint64_t) override { return receive(target); }
    Attempt write(std::span<const std::byte> source, std::uint64_t) override { return send(source); }

    // Of each direction, and of pipes.
    static inline std::size_t capacity = 64 << 10;

    int family = 0;          // 0: a pair
    std::uint16_t port = 0;  // once bound
    std::uint16_t peer_port = 0;

private:
    Socket* peer_ = nullptr;
    std::deque<std::byte> inbox_;
    bool ended_ = false;       // the peer will send no more
    bool has_learnt_ = false;  // that the peer is gone
    bool may_send_ = true;     // no shutdown yet
    int error_ = 0;            // to be told once
    int backlog_ = 0;
    std::deque<std::shared_ptr<Socket>> pending_;
};

// The bytes of a file, which stay when it is closed.
struct Inode {
    std::vector<std::byte> bytes;
    std::size_t capacity = SIZE_MAX;
};

class DiskFile final : public OpenFile {
public:
    DiskFile(std::shared_ptr<Inode> inode, int flags) : inode_(std::move(inode)), flags_(flags) {}

    Attempt read(std::span<std::byte> target, std::uint64_t at) override;
    Attempt write(std::span<const std::byte> source, std::uint64_t at) override;
    void truncate(std::size_t bytes) { inode_->bytes.resize(bytes); }
    const Inode& inode() const { return *inode_; }

private:
    int moved(std::uint64_t at, std::size_t count);

    std::shared_ptr<Inode> inode_;
    int flags_;
    std::uint64_t position_ = 0;
};

// One direction of a pipe.
struct PipeBytes {
    std::deque<std::byte> bytes;
    OpenFile* reader = nullptr;
    OpenFile* writer = nullptr;
};
class PipeEnd final : public OpenFile {
public:
    PipeEnd(std::shared_ptr<PipeBytes> pipe, bool is_writer) : pipe_(std::move(pipe)), is_writer_(is_writer) {
        (is_writer_ ? pipe_->writer : pipe_->reader) = this;
    }
    ~PipeEnd() override;

    unsigned events() const override;
    Attempt read(std::span<std::byte> target, std::uint64_t) override;
    Attempt write(std::span<const std::byte> source, std::uint64_t) override;

private:
    static void tell(OpenFile* other) {
        if (other && other->changed) other->changed(*other);
    }

    std::shared_ptr<PipeBytes> pipe_;
    bool is_writer_;
};

class EventCounter final : public OpenFile {
public:
    unsigned events() const override { return count_ > 0 ? POLLIN | POLLOUT : POLLOUT; }
    Attempt write(std::span<const std::byte> source, std::uint64_t) override;
    Attempt read(std::span<std::byte> target, std::uint64_t) override;

private:
    std::uint64_t count_ = 0;
};

}  // namespace sim

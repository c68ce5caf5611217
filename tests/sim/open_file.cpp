#include "open_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sim {

namespace {

int move_out(std::deque<std::byte>& from, std::span<std::byte> target) {
    std::size_t count = std::min(from.size(), target.size());
    std::copy_n(from.begin(), count, target.begin());
    from.erase(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(count));
    return static_cast<int>(count);
}

}  // namespace

// Sockets.

void Socket::disconnect() {
    for (auto& accepted : pending_) accepted->disconnect();
    pending_.clear();
    if (!peer_) return;
    Socket& peer = *std::exchange(peer_, nullptr);
    peer.peer_ = nullptr;
    peer.ended_ = true;
    if (!inbox_.empty()) peer.error_ = ECONNRESET;
    peer.has_changed();
}

void Socket::reset() {
    if (!peer_) return;
    Socket& peer = *std::exchange(peer_, nullptr);
    peer.peer_ = nullptr;
    for (Socket* side : {this, &peer}) {
        side->inbox_.clear();
        side->error_ = ECONNRESET;
        side->ended_ = side->has_learnt_ = true;
        side->has_changed();
    }
}

Attempt Socket::shutdown(int how) {
    if (is_listening()) return 0;
    if (!is_connected()) return -ENOTCONN;
    if (how == SHUT_RD || how == SHUT_RDWR) ended_ = true;
    if (how == SHUT_WR || how == SHUT_RDWR) {
        may_send_ = false;
        if (peer_) {
            peer_->ended_ = true;
            peer_->has_changed();
        }
    }
    has_changed();
    return 0;
}

void Socket::add_pending(std::shared_ptr<Socket> accepted) {
    pending_.push_back(std::move(accepted));
    has_changed();
}

std::shared_ptr<Socket> Socket::take_pending() {
    if (pending_.empty()) return nullptr;
    auto accepted = std::move(pending_.front());
    pending_.pop_front();
    has_changed();  // one who connects may have waited for room
    return accepted;
}

unsigned Socket::events() const {
    if (is_listening()) return pending_.empty() ? 0 : POLLIN;
    unsigned events = 0;
    if (!inbox_.empty() || ended_ || error_ != 0) events |= POLLIN;
    if (!peer_ || peer_->inbox_.size() < capacity) events |= POLLOUT;
    if (error_ != 0) events |= POLLERR;
    if (!peer_ && ended_) events |= POLLHUP;
    return events;
}

Attempt Socket::receive(std::span<std::byte> target) {
    if (!inbox_.empty()) {
        int count = move_out(inbox_, target);
        if (peer_) peer_->has_changed();
        return count;
    }
    if (error_ != 0) return -std::exchange(error_, 0);
    if (ended_) return 0;
    if (!peer_) return -ENOTCONN;
    return std::nullopt;
}

Attempt Socket::send(std::span<const std::byte> source) {
    if (error_ != 0 && !peer_) return -std::exchange(error_, 0);
    // TCP learns that the peer is gone from its answer to what was sent.
    bool learns = family != 0 && ended_ && !peer_ && !std::exchange(has_learnt_, true);
    if (learns && may_send_) return static_cast<int>(source.size());
    if (!may_send_ || (!peer_ && is_connected())) return -EPIPE;
    if (!peer_) return -ENOTCONN;
    std::size_t room = capacity - peer_->inbox_.size();
    std::size_t count = std::min(room, source.size());
    if (count == 0 && !source.empty()) return std::nullopt;
    peer_->inbox_.insert(peer_->inbox_.end(), source.begin(),
                         source.begin() + static_cast<std::ptrdiff_t>(count));
    peer_->has_changed();
    return static_cast<int>(count);
}

// Files.

constexpr std::uint64_t current_position = ~0ULL;

int DiskFile::moved(std::uint64_t at, std::size_t count) {
    if (at == current_position) position_ += count;
    return static_cast<int>(count);
}

Attempt DiskFile::read(std::span<std::byte> target, std::uint64_t at) {
    if ((flags_ & O_ACCMODE) == O_WRONLY) return -EBADF;
    const auto& bytes = inode_->bytes;
    std::uint64_t from = at == current_position ? position_ : at;
    if (from >= bytes.size()) return 0;
    std::size_t count = std::min(target.size(), bytes.size() - static_cast<std::size_t>(from));
    std::memcpy(target.data(), bytes.data() + from, count);
    return moved(at, count);
}

Attempt DiskFile::write(std::span<const std::byte> source, std::uint64_t at) {
    if ((flags_ & O_ACCMODE) == O_RDONLY) return -EBADF;
    auto& bytes = inode_->bytes;
    std::uint64_t from = at == current_position ? position_ : at;
    if (source.empty()) return 0;
    if (from >= inode_->capacity) return -ENOSPC;
    std::size_t count = std::min(source.size(), inode_->capacity - static_cast<std::size_t>(from));
    bytes.resize(std::max<std::size_t>(bytes.size(), from + count));
    std::memcpy(bytes.data() + from, source.data(), count);
    return moved(at, count);
}

// Pipes and counters.

PipeEnd::~PipeEnd() {
    (is_writer_ ? pipe_->writer : pipe_->reader) = nullptr;
    tell(is_writer_ ? pipe_->reader : pipe_->writer);
}

unsigned PipeEnd::events() const {
    if (is_writer_) {
        if (!pipe_->reader) return POLLOUT | POLLERR;
        return pipe_->bytes.size() < Socket::capacity ? POLLOUT : 0;
    }
    return (pipe_->bytes.empty() ? 0U : POLLIN) | (pipe_->writer ? 0U : POLLHUP);
}

Attempt PipeEnd::read(std::span<std::byte> target, std::uint64_t) {
    if (is_writer_) return -EBADF;
    if (pipe_->bytes.empty()) return pipe_->writer ? Attempt() : Attempt(0);
    int count = move_out(pipe_->bytes, target);
    tell(pipe_->writer);
    return count;
}

Attempt PipeEnd::write(std::span<const std::byte> source, std::uint64_t) {
    if (!is_writer_) return -EBADF;
    if (!pipe_->reader) return -EPIPE;
    std::size_t count = std::min(source.size(), Socket::capacity - pipe_->bytes.size());
    if (count == 0) return std::nullopt;
    pipe_->bytes.insert(pipe_->bytes.end(), source.begin(),
                        source.begin() + static_cast<std::ptrdiff_t>(count));
    tell(pipe_->reader);
    return static_cast<int>(count);
}

Attempt EventCounter::write(std::span<const std::byte> source, std::uint64_t) {
    std::uint64_t more;
    if (source.size() < sizeof more) return -EINVAL;
    std::memcpy(&more, source.data(), sizeof more);
    count_ += more;
    has_changed();
    return sizeof more;
}

Attempt EventCounter::read(std::span<std::byte> target, std::uint64_t) {
    if (count_ == 0) return std::nullopt;
    std::uint64_t all = std::exchange(count_, 0);
    std::memcpy(target.data(), &all, sizeof all);
    return sizeof all;
}

}  // namespace sim

// What the suites of sockets and files need beyond support.hpp: bytes that betray a gap, connected pairs,
// and peers that know nothing of Ringlet, only system calls.
#pragma once

#include "support.hpp"

#include <ringlet/fs/buffered_file.hpp>
#include <ringlet/net/tcp.hpp>
#include <ringlet/net/udp.hpp>
#include <ringlet/net/unix.hpp>

#include <arpa/inet.h>
#include <cstdint>
#include <netinet/in.h>
#include <optional>
#include <random>
#include <utility>

namespace support {

// --- Values and bytes ---------------------------------------------------------------------------

// The value; an error ends the test with its text.
template <class T>
T value_of(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message());
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

template <class T>
std::string error_text(const Result<T>& result) {
    return result ? "no error" : result.error().message();
}
template <class T>
bool failed_with(const Result<T>& result, int error) {
    return !result && result.error().value() == error;
}

// Bytes of which no stretch looks like another: lost, repeated or exchanged ones do not go unnoticed.
inline std::string pattern(std::size_t bytes, std::uint64_t seed = 1) {
    std::mt19937_64 random(seed);
    std::string text(bytes, '\0');
    for (std::size_t at = 0; at < bytes; at += sizeof(std::uint64_t)) {
        std::uint64_t word = random();
        std::memcpy(text.data() + at, &word, std::min(sizeof word, bytes - at));
    }
    return text;
}

inline std::span<std::byte> bytes_in(std::string& text) {
    return {reinterpret_cast<std::byte*>(text.data()), text.size()};
}

// --- Futures ------------------------------------------------------------------------------------

// Polls `future` once, with the waker of the task that awaits this; empty if it is pending.
template <class F>
auto polled(F& future) {
    using Answer = std::optional<Stored<OutputOf<F>>>;
    return poll_fn([&future](Context& context) -> Poll<Answer> {
        auto answer = future.poll(context);
        if (answer.is_pending()) return Answer();
        return Answer(answer.take_stored());
    });
}

// Lets the other tasks and the kernel go on until `done()`.
template <class Done>
Co<void> until(Done done) {
    bool came_true = co_await eventually(std::move(done));
    if (!came_true) throw std::runtime_error("until: it has not come true in ten seconds");
}

// Until no operation is in the kernel's hands: abandoned ones have ended, their descriptors are closed.
inline Co<void> all_ended() {
    return until([] { return Reactor::current().in_flight() == 0; });
}

// Goes to the kernel and back, several times, with whatever was queued: what was about to happen has
// happened.
inline Co<void> settled() {
    for (int round = 0; round < 4; ++round) co_await round_trip();
}

// --- Streams ------------------------------------------------------------------------------------

inline Co<std::pair<TcpStream, TcpStream>> tcp_pair() {
    auto listener = value_of(TcpListener::bind(SocketAddress::loopback(0)));
    auto address = value_of(listener.local_address());
    auto client = value_of(co_await TcpStream::connect(address));
    auto server = value_of(co_await listener.accept());
    co_return std::pair(std::move(client), std::move(server));
}

inline Co<void> send_text(Stream& stream, std::string text) {
    auto sent = co_await stream.write_all(std::move(text));
    if (value_of(std::move(sent.n)) != sent.buffer.size()) throw std::runtime_error("not all was sent");
}

inline Co<std::string> read_to_end(Stream& stream) {
    std::string text;
    while (true) {
        Lease lease = value_of(co_await stream.read_lease());
        if (lease.empty()) co_return text;
        text += lease.text();
    }
}

// Fewer only at the end of the stream.
inline Co<std::string> read_exactly(Stream& stream, std::size_t bytes) {
    std::string text(bytes, '\0');
    std::size_t filled = 0;
    while (filled < bytes) {
        std::size_t count = value_of(co_await stream.read(bytes_in(text).subspan(filled)));
        if (count == 0) break;
        filled += count;
    }
    text.resize(filled);
    co_return text;
}

// --- Peers of system calls only -----------------------------------------------------------------

inline std::pair<UniqueFd, UniqueFd> raw_pair(int type = SOCK_STREAM) {
    return value_of(sys::socket_pair(type));
}

// One end for Ringlet, one for the test.
inline std::pair<Stream, UniqueFd> half_raw_pair() {
    auto [ours, theirs] = raw_pair();
    return {value_of(Stream::adopt(std::move(ours))), std::move(theirs)};
}

inline UniqueFd raw_tcp_socket() { return value_of(sys::socket(AF_INET, SOCK_STREAM)); }

// The kernel completes a connection to a listening socket by itself, before anybody accepts.
inline bool raw_connect(int socket, std::uint16_t port) {
    SocketAddress address = SocketAddress::loopback(port);
    return connect(socket, address.get(), address.bytes()) == 0;
}

inline UniqueFd raw_connection(std::uint16_t port) {
    UniqueFd socket = raw_tcp_socket();
    if (!raw_connect(socket.get(), port)) throw std::runtime_error("connect");
    return socket;
}

template <class S>
std::uint16_t port_of(const S& listener) {
    return value_of(listener.local_address()).port();
}

// A reset instead of an end, when the socket is closed.
inline void reset_on_close(int socket) {
    linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

// Blocks until all is written, or the peer is gone.
inline bool put_all(int fd, std::string_view text) {
    while (!text.empty()) {
        ssize_t count = send(fd, text.data(), text.size(), MSG_NOSIGNAL);
        if (count <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
}

// Blocks until the other end has ended.
inline std::string get_to_end(int fd) {
    std::string text;
    for (std::string piece; !(piece = get(fd, 65536)).empty();) text += piece;
    return text;
}

// Without waiting: -1 and errno as recv has them.
inline ssize_t peek_one(int socket) {
    char byte;
    return recv(socket, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
}

inline bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

// --- Folders ------------------------------------------------------------------------------------

// An empty one, removed with all that is in it.
class TemporaryFolder {
public:
    TemporaryFolder() {
        if (!mkdtemp(path_)) throw std::runtime_error("mkdtemp");
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder() {
        DIR* folder = opendir(path_);
        while (dirent* entry = readdir(folder)) unlinkat(dirfd(folder), entry->d_name, 0);
        closedir(folder);
        rmdir(path_);
    }

    std::string operator/(std::string_view name) const {
        return std::string(path_) + "/" + std::string(name);
    }

private:
    char path_[32] = "/tmp/ringlet-test-XXXXXX";
};

}  // namespace support

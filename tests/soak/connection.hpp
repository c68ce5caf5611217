// What the modes of soak_client share: connections that block, what a client does badly on purpose, and
// counts of it all. Of Ringlet it knows nothing. Threads: a connection belongs to one; the counts to all.
#pragma once

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <span>
#include <thread>
#include <utility>
#include <vector>

namespace soak {

using Random = std::mt19937_64;
using Bytes = std::span<const char>;

constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();
constexpr int patience_ms = 20'000;  // for a byte that should come
constexpr int stall_ms = 20;         // a server that takes nothing for so long is waiting for us to read
constexpr std::size_t chunk_bytes_max = 64 << 10;

// What the server did is wrong: the program ends.
[[noreturn, gnu::format(printf, 1, 2)]] inline void fail(const char* format, ...) {
    va_list words;
    va_start(words, format);
    std::vfprintf(stderr, format, words);
    std::fputc('\n', stderr);
    std::_Exit(1);
}

struct Counts {
    std::atomic<std::uint64_t> connections, bytes, requests, resets, cut, half_closed, slow;
};
inline Counts counts{};

inline std::uint64_t below(Random& random, std::uint64_t limit) { return random() % limit; }
inline bool one_in(Random& random, std::uint64_t odds) { return random() % odds == 0; }

class Connection {
public:
    // With a small receive buffer the server is soon the one who cannot send.
    explicit Connection(std::uint16_t port, bool small_buffer = false) {
        if (fd_ < 0) fail("socket: %s", std::strerror(errno));
        int on = 1, bytes = 16 << 10;
        if (small_buffer) setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
        setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        while (connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
            // The machine's ports are all in use, or wait for their last packet: some come back each second.
            if (errno != EADDRNOTAVAIL) fail("connect: %s", std::strerror(errno));
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
        }
        ++counts.connections;
    }
    Connection(Connection&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    ~Connection() {
        if (fd_ >= 0) close(fd_);
    }

    // What it can take or give at once, at most.
    std::size_t send_some(Bytes bytes) {
        return passed(send(fd_, bytes.data(), bytes.size(), flags), "send");
    }
    std::size_t receive_some(std::span<char> into) {
        return passed(recv(fd_, into.data(), into.size(), flags), "receive");
    }

    // Waits for one of the events; none within the time: 0.
    short wait(short events, int longest_ms = patience_ms) {
        pollfd waits{fd_, events, 0};
        if (poll(&waits, 1, longest_ms) < 0) fail("poll: %s", std::strerror(errno));
        return waits.revents;
    }

    void half_close() {
        ++counts.half_closed;
        if (shutdown(fd_, SHUT_WR) != 0) fail("shutdown: %s", std::strerror(errno));
    }

    // When it is closed, the server gets a reset.
    void reset_at_close() {
        ++counts.resets;
        linger now{1, 0};
        setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }

    void expect_end() {
        char byte;
        if (!wait(POLLIN)) fail("the server does not close a connection that is over");
        if (recv(fd_, &byte, 1, 0) != 0)
            fail("something came behind the last byte: %s", std::strerror(errno));
    }

private:
    static constexpr int flags = MSG_DONTWAIT | MSG_NOSIGNAL;

    static std::size_t passed(ssize_t bytes, const char* what) {
        if (bytes >= 0) return static_cast<std::size_t>(bytes);
        if (errno != EAGAIN) fail("%s: %s", what, std::strerror(errno));
        return 0;
    }

    int fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
};

// How a client goes about one exchange.
struct Manner {
    std::uint64_t leave_after = never;  // sent so many bytes: it is gone, in the middle
    bool resets = false;                // how it leaves
    std::uint64_t stop_at = never;      // sent so many bytes: it does nothing for a while
    bool is_slow = false;               // reads nothing until the server takes nothing any more
    bool half_closes = false;           // says after its last byte that it was the last
};

// For the last exchange of a connection, which sends so many bytes.
inline Manner draw_last_manner(Random& random, std::uint64_t bytes, bool is_slow) {
    Manner manner;
    manner.is_slow = is_slow;
    manner.half_closes = one_in(random, 4);
    if (!is_slow && one_in(random, 4)) manner.stop_at = below(random, bytes);
    if (!is_slow && one_in(random, 3)) {
        manner.leave_after = below(random, bytes);
        manner.resets = one_in(random, 2);
    }
    return manner;
}

// A client that sends and one that checks what comes, in one thread. Source: Bytes at(position, most), not
// empty while position < size(). Sink: take(Bytes) checks, is_done() knows when all has come.
template <class Source, class Sink>
class Exchange {
public:
    Exchange(Connection& connection, Source& source, Sink& sink, const Manner& manner, Random& random)
        : connection_(connection), source_(source), sink_(sink), manner_(manner), random_(random) {}

    // False: the client has left, as its manner is.
    bool run() {
        counts.slow += manner_.is_slow;
        while (true) {
            bool sends = sent_ < source_.size();
            bool reads = !sink_.is_done() && !(manner_.is_slow && sends && !stalled_);
            if (!sends && !reads) break;
            short events = static_cast<short>((sends ? POLLOUT : 0) | (reads ? POLLIN : 0));
            bool may_stall = sends && !reads;
            short ready = connection_.wait(events, may_stall ? stall_ms : patience_ms);
            if (!ready && !may_stall)
                fail("nothing came for %d s, and not all is here: a byte is lost", patience_ms / 1000);
            stalled_ = stalled_ || !ready;
            if (ready & ~POLLOUT && reads) read();
            if (ready & POLLOUT && !write()) return false;
        }
        if (manner_.half_closes) connection_.expect_end();
        return true;
    }

private:
    bool write() {
        if (sent_ >= manner_.leave_after) {
            if (manner_.resets) connection_.reset_at_close();
            ++counts.cut;
            return false;
        }
        std::uint64_t end = std::min(source_.size(), manner_.leave_after);
        if (sent_ < manner_.stop_at) end = std::min(end, manner_.stop_at);
        std::uint64_t most = 1 + below(random_, one_in(random_, 4) ? 16 : chunk_bytes_max);
        sent_ += connection_.send_some(source_.at(sent_, std::min(end - sent_, most)));
        if (sent_ == manner_.stop_at) pause();
        if (sent_ == source_.size() && manner_.half_closes) connection_.half_close();
        return true;
    }

    void pause() {
        manner_.stop_at = never;
        std::this_thread::sleep_for(std::chrono::milliseconds(1 + below(random_, 50)));
    }

    void read() {
        std::size_t most = 1 + below(random_, one_in(random_, 4) ? 16 : sizeof into_);
        std::size_t came = connection_.receive_some({into_, most});
        if (came == 0) fail("the server has ended a connection that was not over");
        sink_.take({into_, came});
    }

    Connection& connection_;
    Source& source_;
    Sink& sink_;
    Manner manner_;
    Random& random_;
    std::uint64_t sent_ = 0;
    bool stalled_ = false;
    char into_[chunk_bytes_max];
};

template <class Source, class Sink>
bool exchange(Connection& connection, Source&& source, Sink&& sink, const Manner& manner, Random& random) {
    return Exchange(connection, source, sink, manner, random).run();
}

// --- Bytes that tell where they belong -------------------------------------------------------------------

// An endless stream in which no place is like another; each seed has its own.
class Pattern {
public:
    explicit Pattern(std::uint64_t seed) : seed_(seed) {}

    // Up to chunk_bytes_max bytes of it; good until the next call.
    Bytes at(std::uint64_t position, std::uint64_t bytes) {
        std::uint64_t first = position / 8, count = (position % 8 + bytes + 7) / 8;
        for (std::uint64_t i = 0; i < count; ++i) words_[i] = mixed(seed_ + first + i);
        return Bytes(reinterpret_cast<const char*>(words_) + position % 8, bytes);
    }

private:
    // The finisher of SplitMix64: each bit of the result hangs on each bit of the number.
    static std::uint64_t mixed(std::uint64_t number) {
        number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9;
        number = (number ^ number >> 27) * 0x94d049bb133111eb;
        return number ^ number >> 31;
    }

    std::uint64_t seed_;
    std::uint64_t words_[chunk_bytes_max / 8 + 2];
};

// The part of a pattern from `begin`, as a Source.
class PatternSource {
public:
    PatternSource(std::uint64_t seed, std::uint64_t begin, std::uint64_t size)
        : pattern_(seed), begin_(begin), size_(size) {}
    std::uint64_t size() const { return size_; }
    Bytes at(std::uint64_t position, std::uint64_t most) {
        return pattern_.at(begin_ + position,
                           std::min<std::uint64_t>({most, size_ - position, chunk_bytes_max}));
    }

private:
    Pattern pattern_;
    std::uint64_t begin_, size_;
};

// The same as a Sink: that part, whole and in order, and nothing else.
class PatternSink {
public:
    PatternSink(std::uint64_t seed, std::uint64_t begin, std::uint64_t size)
        : pattern_(seed), position_(begin), end_(begin + size) {}
    bool is_done() const { return position_ == end_; }
    void take(Bytes bytes) {
        if (bytes.size() > end_ - position_) fail("more bytes came back than were sent");
        Bytes expected = pattern_.at(position_, bytes.size());
        if (std::memcmp(bytes.data(), expected.data(), bytes.size()) != 0) {
            auto where = std::ranges::mismatch(bytes, expected).in1 - bytes.begin();
            fail("byte %llu came back changed", static_cast<unsigned long long>(position_ + where));
        }
        position_ += bytes.size();
        counts.bytes += bytes.size();
    }

private:
    Pattern pattern_;
    std::uint64_t position_, end_;
};

}  // namespace soak

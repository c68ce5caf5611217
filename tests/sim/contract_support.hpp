// What the contract's cases share. The contract is what Ringlet rests on in the kernel, one fact a case. Its
// suites are built twice: with the library as it ships, so that the kernel answers, and with the simulated
// kernel in its place. Both must pass.
//
// Therefore a case uses nothing but a Ring, liburing's functions that fill entries, ringlet::sys, eventfd(),
// write(), close() and Clock: no threads, no sleeps, no other system calls.
#pragma once

#include <ringlet/base/clock.hpp>
#include <ringlet/base/error.hpp>
#include <ringlet/base/unique_fd.hpp>
#include <ringlet/net/socket_address.hpp>
#include <ringlet/reactor/ring.hpp>
#include <ringlet/reactor/sys.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <filesystem>
#include <liburing.h>
#include <memory>
#include <poll.h>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/eventfd.h>
#include <utility>
#include <vector>

// Phase 2 has one ring, and sends no messages.
#if __has_include(<ringlet/reactor/preempt_timer.hpp>)
#define SIM_CONTRACT_HAS_LATENCY_RING
#endif
#if __has_include(<ringlet/reactor/ring_message.hpp>)
#define SIM_CONTRACT_HAS_MESSAGES
#endif

namespace sim_contract {

using namespace ringlet;
using namespace std::chrono_literals;

// Longer than anything takes that is to happen; what waits that long has failed.
constexpr Duration far = 10s;

template <class T>
T value_of(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message());
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

inline bool goes_on(const Completion& completion) { return completion.flags & IORING_CQE_F_MORE; }

// Looks again and again, without entering the kernel; false if it does not come true.
template <class Done>
bool spin_until(Done done) {
    Time give_up = after(Clock::now(), far);
    while (!done()) {
        if (Clock::now() > give_up) return false;
    }
    return true;
}

inline __kernel_timespec timespec_of(Duration duration) {
    auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration);
    return {.tv_sec = seconds.count(), .tv_nsec = (duration - seconds).count()};
}

inline std::unique_ptr<Ring> make_ring(unsigned depth = 8, unsigned flags = Ring::main_flags) {
    auto made = Ring::make(depth, flags);
    if (!made) throw std::runtime_error(made.error().text);
    return std::move(*made);
}

// A ring that keeps book of what is in flight: in every case each operation has exactly one last completion.
// What is in flight in the end is cancelled, so that the kernel writes to nobody's memory.
class TestRing {
public:
    explicit TestRing(unsigned depth = 8, unsigned flags = Ring::main_flags)
        : ring_(make_ring(depth, flags)) {}
    TestRing(const TestRing&) = delete;
    TestRing& operator=(const TestRing&) = delete;
    ~TestRing() {
        for (std::uint64_t id : std::set(in_flight_)) queue(next_id_++, io_uring_prep_cancel64, id, 0);
        Time give_up = after(Clock::now(), far);
        while (!in_flight_.empty() && Clock::now() < give_up) {
            ring_->enter_and_wait(give_up);
            absorb();
        }
        CHECK(in_flight_.empty());
    }

    Ring& ring() { return *ring_; }

    // Fills an entry with one of liburing's functions. `id`, its user data, is less than 1000 and belongs to
    // no operation in flight.
    template <class Prepare, class... Arguments>
    io_uring_sqe& queue(std::uint64_t id, Prepare prepare, Arguments... arguments) {
        if (ring_->queued() == ring_->depth()) ring_->enter();
        io_uring_sqe* entry = ring_->next_sqe();
        if (!entry) throw std::runtime_error("the kernel takes no entries");
        prepare(entry, arguments...);
        entry->user_data = id;
        expect(id);
        return *entry;
    }
    // The same, and enters.
    template <class Prepare, class... Arguments>
    void start(std::uint64_t id, Prepare prepare, Arguments... arguments) {
        queue(id, prepare, arguments...);
        ring_->enter();
    }
    // The same, and waits for the result.
    template <class Prepare, class... Arguments>
    int run(Prepare prepare, Arguments... arguments) {
        std::uint64_t id = next_id_++;
        queue(id, prepare, arguments...);
        return wait_for(id).result;
    }

    int cancel(std::uint64_t id) { return run(io_uring_prep_cancel64, id, 0); }
    int send(const UniqueFd& socket, std::string_view text) {
        return run(io_uring_prep_send, socket.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_WAITALL);
    }
    // One receive of up to `longest` bytes; an error is thrown.
    std::string receive(const UniqueFd& socket, std::size_t longest = 4096) {
        std::string text(longest, '\0');
        int count = run(io_uring_prep_recv, socket.get(), text.data(), longest, 0);
        if (count < 0) throw std::runtime_error("receive: " + std::to_string(count));
        return text.substr(0, static_cast<std::size_t>(count));
    }

    // The oldest completion of operation `id` that nobody has seen yet; sleeps until there is one.
    Completion wait_for(std::uint64_t id) {
        Time give_up = after(Clock::now(), far);
        while (true) {
            absorb();
            auto found = find(id);
            if (found != arrived_.end()) {
                Completion completion = *found;
                arrived_.erase(found);
                return completion;
            }
            if (Clock::now() >= give_up) throw std::runtime_error("no completion of " + std::to_string(id));
            ring_->enter_and_wait(give_up);
        }
    }
    int result_of(std::uint64_t id) { return wait_for(id).result; }

    // Enters: the kernel has nothing to tell of operation `id`, and has not ended it.
    bool still_waits(std::uint64_t id) {
        ring_->enter();
        absorb();
        return in_flight_.contains(id) && find(id) == arrived_.end();
    }

    // A completion with user data `id` is to come.
    void expect(std::uint64_t id) { CHECK(in_flight_.insert(id).second); }

private:
    std::deque<Completion>::iterator find(std::uint64_t id) {
        return std::find_if(arrived_.begin(), arrived_.end(),
                            [id](const Completion& completion) { return completion.user_data == id; });
    }
    void absorb() {
        Completion completion;
        while (ring_->pop(completion)) {
            CHECK(in_flight_.contains(completion.user_data));
            if (!goes_on(completion)) in_flight_.erase(completion.user_data);
            arrived_.push_back(completion);
        }
    }

    std::unique_ptr<Ring> ring_;
    std::set<std::uint64_t> in_flight_;
    std::deque<Completion> arrived_;
    std::uint64_t next_id_ = 1000;
};

// --- Descriptors --------------------------------------------------------------------------------

struct Pair {
    UniqueFd ours;
    UniqueFd theirs;
};

inline Pair unix_pair() {
    auto [ours, theirs] = value_of(sys::socket_pair(SOCK_STREAM));
    return {std::move(ours), std::move(theirs)};
}

struct TcpSocket {
    UniqueFd fd;
    SocketAddress address;

    // A client that is not connected yet.
    static UniqueFd client() { return value_of(sys::socket(AF_INET, SOCK_STREAM)); }
    // At a free port of this machine.
    static TcpSocket bound() {
        UniqueFd fd = client();
        SocketAddress any = SocketAddress::loopback(0);
        value_of(sys::bind(fd.get(), any.get(), any.bytes()));
        sockaddr_storage address{};
        socklen_t bytes = value_of(sys::local_address(fd.get(), address));
        return {std::move(fd), SocketAddress(address, bytes)};
    }
    static TcpSocket listening() {
        TcpSocket socket = bound();
        value_of(sys::listen(socket.fd.get(), 64));
        return socket;
    }
};

inline int connect(TestRing& ring, const UniqueFd& client, const TcpSocket& server) {
    return ring.run(io_uring_prep_connect, client.get(), server.address.get(), server.address.bytes());
}
inline UniqueFd connected(TestRing& ring, const TcpSocket& server) {
    UniqueFd client = TcpSocket::client();
    if (connect(ring, client, server) != 0) throw std::runtime_error("connect");
    return client;
}
inline UniqueFd accepted(TestRing& ring, const TcpSocket& server) {
    return UniqueFd(ring.run(io_uring_prep_accept, server.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
}
inline Pair tcp_pair(TestRing& ring) {
    TcpSocket server = TcpSocket::listening();
    UniqueFd client = connected(ring, server);
    return {std::move(client), accepted(ring, server)};
}

inline UniqueFd make_event() { return UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }
inline void notify(const UniqueFd& event) {
    std::uint64_t one = 1;
    CHECK(write(event.get(), &one, sizeof one) == sizeof one);
}

// --- Bytes --------------------------------------------------------------------------------------

// Bytes of which no two stretches of a few bytes are alike, up to some 16 MiB.
inline std::string pattern(std::size_t bytes) {
    std::string text;
    for (std::uint32_t number = 0; text.size() < bytes; ++number) {
        std::uint32_t mixed = number * 2654435761U;
        text.append(reinterpret_cast<const char*>(&mixed), sizeof mixed);
    }
    text.resize(bytes);
    return text;
}

// Buffers that the kernel picks from. They outlive the ring.
class Buffers {
public:
    Buffers(unsigned count, unsigned bytes) : memory_(count * bytes), count_(count), bytes_(bytes) {}
    Buffers(const Buffers&) = delete;
    Buffers& operator=(const Buffers&) = delete;

    void give_to(TestRing& ring) {
        io_uring_buf_reg registration{};
        registration.ring_addr = reinterpret_cast<std::uintptr_t>(table());
        registration.ring_entries = count_;
        registration.bgid = group_id;
        if (ring.ring().register_with(IORING_REGISTER_PBUF_RING, &registration, 1) < 0)
            throw std::runtime_error("register buffers");
        io_uring_buf_ring_init(table());
        for (unsigned id = 0; id < count_; ++id) provide(id);
    }

    // A receive from `socket` that goes on.
    void start_receive(TestRing& ring, std::uint64_t id, const UniqueFd& socket) {
        io_uring_sqe& entry = ring.queue(id, io_uring_prep_recv_multishot, socket.get(), nullptr, 0, 0);
        entry.flags |= IOSQE_BUFFER_SELECT;
        entry.buf_group = group_id;
        ring.ring().enter();
    }

    static bool is_in(const Completion& completion) { return completion.flags & IORING_CQE_F_BUFFER; }
    // What the completion has brought; its buffer stays with us until it is provided again.
    std::string_view text(const Completion& completion) const {
        unsigned id = id_of(completion);
        CHECK(completion.result > 0);
        CHECK(is_in(completion));
        REQUIRE(id < count_);
        return {&memory_[id * bytes_], static_cast<std::size_t>(completion.result)};
    }
    static unsigned id_of(const Completion& completion) {
        return completion.flags >> IORING_CQE_BUFFER_SHIFT;
    }
    // The same, and the buffer goes back.
    std::string take(const Completion& completion) {
        std::string bytes(text(completion));
        provide(id_of(completion));
        return bytes;
    }
    void provide(unsigned id) {
        io_uring_buf_ring_add(table(), &memory_[id * bytes_], bytes_, static_cast<unsigned short>(id),
                              io_uring_buf_ring_mask(count_), 0);
        io_uring_buf_ring_advance(table(), 1);
    }

private:
    static constexpr unsigned short group_id = 1;
    static constexpr std::size_t page_bytes = 4096;
    struct alignas(page_bytes) Page {
        std::byte bytes[page_bytes];
    };

    io_uring_buf_ring* table() { return reinterpret_cast<io_uring_buf_ring*>(page_.get()); }

    std::unique_ptr<Page> page_ = std::make_unique<Page>();  // shared with the kernel
    std::vector<char> memory_;
    unsigned count_;
    unsigned bytes_;
};

// --- Paths --------------------------------------------------------------------------------------

// In a folder that is there as long as the program runs.
inline std::string path(std::string_view name) {
    struct Folder {
        Folder() {
            const char* parent = std::getenv("TMPDIR");
            name = std::string(parent ? parent : "/tmp") + "/ringlet-contract-XXXXXX";
            if (!mkdtemp(name.data())) throw std::runtime_error("mkdtemp");
        }
        ~Folder() {
            std::error_code ignored;
            std::filesystem::remove_all(name, ignored);
        }
        std::string name;
    };
    static const Folder folder;
    return folder.name + "/" + std::string(name);
}

}  // namespace sim_contract

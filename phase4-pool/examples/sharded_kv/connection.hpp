// A connection of the key-value server: read, ask the shards, reply. Used by sharded_kv.cpp; not part of the
// library.
#pragma once

#include "service.hpp"

#include "resp/dialogue.hpp"

#include <ringlet/time/timeout.hpp>

namespace kv {

// How long we read on behind a last reply.
inline constexpr auto part_max = std::chrono::seconds(2);

// Sends the replies to a round. While the client does not read them nothing else is read from it either.
// False: it is gone, or we are about to end.
inline ringlet::Co<bool> reply_to(Service& service, ringlet::TcpStream& stream, resp::Round& round) {
    do {
        if (!round.is_local() && !co_await ask_others(service, round)) co_return false;
        round.collect();
        if (round.replies().empty()) continue;
        auto sent = co_await stream.write_all(std::move(round.replies()));
        if (!sent.n) co_return false;
        round.replies() = std::move(sent.buffer);
        round.replies().clear();
    } while (!round.is_over());
    co_return true;
}

// Until the last reply has been given. False: there is nobody left to speak to.
inline ringlet::Co<bool> converse(Service& service, ringlet::TcpStream& stream) {
    resp::Dialogue dialogue(service.settings());
    while (!dialogue.is_over()) {
        // The lease is dropped before anything is waited for, so that the kernel has its buffer back.
        ringlet::Lease lease;
        if (!dialogue.has_more()) {
            ringlet::Result<ringlet::Lease> received = co_await stream.read_lease();
            if (!received || received->empty()) co_return false;
            lease = std::move(*received);
        }
        auto round = service.take_round();
        dialogue.take(lease.text(), now_ms(), *round);
        lease = {};
        if (!co_await reply_to(service, stream, *round)) co_return false;
        service.give_back(std::move(round));
    }
    co_return true;
}

inline ringlet::Co<void> read_to_end(ringlet::TcpStream& stream) {
    while (true) {
        ringlet::Result<ringlet::Lease> received = co_await stream.read_lease();
        if (!received || received->empty()) co_return;
    }
}

// A connection among those of its service, for as long as it may be shut down by wind_up().
class Entry {
public:
    Entry(Service& service, ringlet::TcpStream& stream) : service_(service), place_(service.enter(stream)) {}
    ~Entry() { service_.leave(place_); }
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

private:
    Service& service_;
    Service::Place place_;
};

inline ringlet::Co<void> converse_to_the_end(Service& service, ringlet::TcpStream& stream) {
    Entry entry(service, stream);
    static_cast<void>(stream.set_nodelay(true));
    if (!co_await converse(service, stream)) co_return;
    // The client may not have read the last reply yet. To close now, with bytes of the client unread, would
    // reset the connection and destroy that reply: wait until the client closes.
    static_cast<void>(stream.shutdown_write());
    co_await ringlet::timeout(part_max, read_to_end(stream));
}

inline ringlet::Co<void> serve(Service& service, ringlet::TcpStream stream) {
    co_await converse_to_the_end(service, stream);
    static_cast<void>(co_await std::move(stream).close());
}

// A connection on its way from the shard that has accepted it to the one that will serve it.
class Arrival {
public:
    Arrival(Service& service, ringlet::UniqueFd socket) : service_(&service), socket_(std::move(socket)) {}

    void operator()() {
        if (!service_->takes_connections()) return;
        ringlet::TcpStream stream(ringlet::Stream(ringlet::SharedFd(std::move(socket_))));
        ringlet::spawn_local(serve(*service_, std::move(stream))).detach();
    }

private:
    Service* service_;
    ringlet::UniqueFd socket_;
};

}  // namespace kv

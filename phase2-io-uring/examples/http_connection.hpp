// The HTTP servers' connections: one task for each, from the first byte to a clean end. Not part of the
// library.
//
// Requests are parsed in the buffer that the kernel filled; pipelined ones are answered in one send, from a
// string that comes back with the result and is used again.
//
// Threads: a Server and its connections belong to one executor.
#pragma once

#include "http_dialogue.hpp"

#include <ringlet/net/tcp.hpp>
#include <ringlet/runtime.hpp>
#include <ringlet/time/timeout.hpp>

#include <ctime>
#include <vector>

namespace http {

using namespace ringlet;
using namespace std::chrono_literals;

// How long requests that have begun may still take when the server is stopped.
inline constexpr auto stop_max = 5s;
// How long we read on behind a last answer.
inline constexpr auto part_max = 2s;
// Longer ones, after a long pipeline, are not kept, nor are more than so many, after a rush.
inline constexpr std::size_t buffer_bytes_max = 16 << 10;
inline constexpr std::size_t buffers_max = 1024;
// The idle time is counted in ticks of one timer for all connections: no timer is touched for a request. A
// connection is idle for 8 to 9 ticks when it is closed.
inline constexpr unsigned idle_ticks_max = 8;

class Connection;

// What the connections share. Outlives the executor, and so their tasks.
struct Server {
    std::vector<Connection*> connections;
    Waker waits_for_last;
    DateCache dates;
    std::vector<std::string> buffers;  // for answers: in use only while one is written and sent
    std::uint64_t accepted = 0;
    std::uint64_t answers_given = 0;  // on connections that are gone

    std::string_view date() { return dates.at(std::time(nullptr)); }

    // The one that was used last is still in the processor's cache.
    std::string take_buffer() {
        if (buffers.empty()) return {};
        std::string buffer = std::move(buffers.back());
        buffers.pop_back();
        return buffer;
    }
    void give_back(std::string buffer) {
        if (buffer.capacity() > buffer_bytes_max || buffers.size() == buffers_max) return;
        buffer.clear();
        buffers.push_back(std::move(buffer));
    }
};

// What a connection is about to do, and why it ends. Lives in the frame of its task, beside the stream.
class Connection {
public:
    Connection(Server& server, TcpStream& stream)
        : server_(server), stream_(stream), place_(server.connections.size()) {
        server_.connections.push_back(this);
        ++server_.accepted;
        static_cast<void>(stream_.set_nodelay(true));
    }
    ~Connection() {
        server_.answers_given += dialogue_.answers_given();
        Connection* last = server_.connections.back();
        server_.connections[last->place_ = place_] = last;
        server_.connections.pop_back();
        if (server_.connections.empty()) std::move(server_.waits_for_last).wake();
    }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    bool goes_on() const { return !ended_ && !dialogue_.is_over(); }
    // By the client, or it is broken: there is nobody left to speak to.
    bool has_ended() const { return ended_; }

    // What to send; may be empty. The lease is dropped here, so that the kernel has its buffer back before
    // we wait for anything.
    std::string hear(Result<Lease> received) {
        std::string answers = server_.take_buffer();
        if (received && !received->empty()) {
            dialogue_.take(received->text(), server_.date(), answers);
        } else {
            ended_ = true;
            if (timed_out_) dialogue_.time_out(server_.date(), answers);
        }
        sending_ = !answers.empty();
        end_between_requests();
        return answers;
    }

    void note_sent(const Result<std::size_t>& bytes) {
        sending_ = false;
        idle_ticks_ = 0;
        if (!bytes) ended_ = true;
    }

    void wind_up() {
        winding_up_ = true;
        end_between_requests();
    }

    // A tick of the idle timer. A client that does not read its answers leaves us sending: that ends too.
    void tick() {
        if (++idle_ticks_ <= idle_ticks_max) return;
        timed_out_ = true;
        shut(sending_ ? SHUT_RDWR : SHUT_RD);
    }

    std::uint64_t answers_given() const { return dialogue_.answers_given(); }

private:
    // When the server is being stopped: a request that has begun may end. To shut the reading side ends the
    // stream behind the bytes that have already arrived, so that requests among them get their answers too.
    void end_between_requests() {
        if (winding_up_ && !dialogue_.is_mid_request() && !dialogue_.is_over()) shut(SHUT_RD);
    }
    void shut(int how) { static_cast<void>(sys::shutdown(stream_.fd(), how)); }

    Server& server_;
    TcpStream& stream_;
    unsigned idle_ticks_ = 0;  // since the last answer
    bool sending_ = false;
    bool timed_out_ = false;
    bool winding_up_ = false;
    bool ended_ = false;
    Dialogue dialogue_;
    std::size_t place_;  // among the server's
};

// Gives the string back.
inline Co<std::string> send(Connection& connection, TcpStream& stream, std::string answers) {
    auto sent = co_await stream.write_all(std::move(answers));
    connection.note_sent(sent.n);
    co_return std::move(sent.buffer);
}

inline Co<void> read_to_end(TcpStream& stream) {
    while (true) {
        Result<Lease> received = co_await stream.read_lease();
        if (!received || received->empty()) co_return;
    }
}

// We have said the last word, and the client may not have read it yet. To close now, with bytes of the client
// unread, would reset the connection and destroy that answer: wait until the client closes.
inline Co<void> part(TcpStream& stream) {
    static_cast<void>(stream.shutdown_write());
    co_await timeout(part_max, read_to_end(stream));
}

// The task of a connection. What it does seldom has a frame of its own, which an idle connection does not
// pay.
inline Co<void> serve(Server& server, TcpStream stream) {
    {
        // Gone before the stream is closed: nobody may shut a socket down that is not there.
        Connection connection(server, stream);
        while (connection.goes_on()) {
            std::string answers = connection.hear(co_await stream.read_lease());
            if (!answers.empty()) answers = co_await send(connection, stream, std::move(answers));
            server.give_back(std::move(answers));
        }
        if (!connection.has_ended()) co_await part(stream);
    }
    static_cast<void>(co_await std::move(stream).close());
}

// Ready when the last connection has ended.
inline auto all_gone(Server& server) {
    return poll_fn([&server](Context& context) -> Poll<void> {
        if (server.connections.empty()) return Unit{};
        server.waits_for_last.remember(context.waker());
        return pending;
    });
}

}  // namespace http

// An HTTP/1.1 server on one thread: GET and HEAD of /, /plaintext and /json.
//
// Shows: a task for each connection; requests parsed in the buffer that the kernel filled; pipelined requests
// answered in one send, from a string that comes back with the result and is used again; one timer for all
// idle connections; a clean stop on SIGINT and SIGTERM. Phase 2's server, and what this phase adds: it can
// look for work before it goes to sleep.
//
//     http_server                      # on http://127.0.0.1:8080/, until Ctrl-C
//     http_server --port 0             # the kernel picks a free port
//     http_server 0.0.0.0:80 --idle-ms 5000
//     http_server --cpu 0 --spin-us 200   # bound to CPU 0; spins for 200 us before each sleep
//     curl -i http://127.0.0.1:8080/json
//     wrk -t1 -c100 -d5s http://127.0.0.1:8080/plaintext
//
// Prints: http_server listens on http://127.0.0.1:8080/
// and when it is stopped: http_server: SIGTERM, stopped after 412345 answers on 100 connections
#include "arguments.hpp"
#include "http_dialogue.hpp"
#include "signals.hpp"

#include <ringlet/future/select.hpp>
#include <ringlet/net/tcp.hpp>
#include <ringlet/runtime.hpp>
#include <ringlet/time/timeout.hpp>
#include <ringlet/time/timer_action.hpp>

#include <ctime>
#include <list>

using namespace ringlet;
using namespace std::chrono_literals;

namespace {

constexpr unsigned any_cpu = ~0U;

// How long requests that have begun may still take when the server is stopped.
constexpr auto stop_max = 5s;
// How long we read on behind a last answer.
constexpr auto part_max = 2s;
// Longer ones, after a long pipeline, are not kept.
constexpr std::size_t buffer_bytes_max = 16 << 10;
// The idle time is counted in ticks of one timer for all connections: no timer is touched for a request. A
// connection is idle for 8 to 9 ticks when it is closed.
constexpr unsigned idle_ticks_max = 8;

class Connection;

// What the connections share. Outlives the executor, and so their tasks.
struct Server {
    std::list<Connection*> connections;
    Waker waits_for_last;
    http::DateCache dates;
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
        if (buffer.capacity() > buffer_bytes_max) return;
        buffer.clear();
        buffers.push_back(std::move(buffer));
    }
};

// What a connection is about to do, and why it ends. Lives in the frame of its task, beside the stream.
class Connection {
public:
    Connection(Server& server, TcpStream& stream)
        : server_(server),
          stream_(stream),
          place_(server.connections.insert(server.connections.end(), this)) {
        ++server_.accepted;
        static_cast<void>(stream_.set_nodelay(true));
    }
    ~Connection() {
        server_.answers_given += dialogue_.answers_given();
        server_.connections.erase(place_);
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
    http::Dialogue dialogue_;
    std::list<Connection*>::iterator place_;
};

Co<void> read_to_end(TcpStream& stream) {
    while (true) {
        Result<Lease> received = co_await stream.read_lease();
        if (!received || received->empty()) co_return;
    }
}

// Until neither side has more to say.
Co<void> converse(Server& server, TcpStream& stream) {
    Connection connection(server, stream);
    while (connection.goes_on()) {
        Result<Lease> received = co_await stream.read_lease();
        std::string answers = connection.hear(std::move(received));
        if (!answers.empty()) {
            auto sent = co_await stream.write_all(std::move(answers));
            connection.note_sent(sent.n);
            answers = std::move(sent.buffer);
        }
        server.give_back(std::move(answers));
    }
    if (connection.has_ended()) co_return;
    // We have said the last word, and the client may not have read it yet. To close now, with bytes of the
    // client unread, would reset the connection and destroy that answer: wait until the client closes.
    static_cast<void>(stream.shutdown_write());
    co_await timeout(part_max, read_to_end(stream));
}

// The Connection is gone before the stream is closed: nobody may shut a socket down that is not there.
Co<void> serve(Server& server, TcpStream stream) {
    co_await converse(server, stream);
    static_cast<void>(co_await std::move(stream).close());
}

// Returns only if accepting fails for good; when descriptors run out, the listener waits and goes on.
Co<std::error_code> accept_all(Server& server, TcpListener& listener) {
    while (true) {
        Result<TcpStream> accepted = co_await listener.accept();
        if (!accepted) co_return accepted.error();
        spawn_local(serve(server, std::move(*accepted))).detach();
    }
}

// Until a signal arrives: gives its name. The listener is closed at the end.
Co<Result<const char*>> accept_until_stopped(Server& server, SocketAddress address) {
    auto signals = StopSignals::catch_them();
    if (!signals) co_return std::unexpected(signals.error());
    auto listener = TcpListener::bind(address);
    if (!listener) co_return std::unexpected(listener.error());
    std::printf("http_server listens on http://%s/\n", listener->local_address()->to_string().c_str());
    std::fflush(stdout);
    auto end = co_await select(accept_all(server, *listener), signals->next());
    if (auto* error = std::get_if<std::error_code>(&end)) co_return std::unexpected(*error);
    co_return std::get<const char*>(end);
}

auto all_gone(Server& server) {
    return poll_fn([&server](Context& context) -> Poll<void> {
        if (server.connections.empty()) return Unit{};
        server.waits_for_last.remember(context.waker());
        return pending;
    });
}

Co<int> run(Server& server, SocketAddress address, Duration idle_max) {
    auto tick = [&server, idle_max]() -> std::optional<Duration> {
        for (Connection* connection : server.connections) connection->tick();
        return idle_max / idle_ticks_max;
    };
    auto ticking = do_repeatedly(tick);
    Result<const char*> signal = co_await accept_until_stopped(server, address);
    if (!signal) {
        std::fprintf(stderr, "http_server: %s: %s\n", address.to_string().c_str(),
                     signal.error().message().c_str());
        co_return 1;
    }
    for (Connection* connection : server.connections) connection->wind_up();
    if (!co_await timeout(stop_max, all_gone(server))) {
        std::printf("http_server: %zu connections were cut off\n", server.connections.size());
    }
    for (Connection* connection : server.connections) server.answers_given += connection->answers_given();
    ticking.cancel();
    co_await ticking;
    std::printf("http_server: %s, stopped after %llu answers on %llu connections\n", *signal,
                static_cast<unsigned long long>(server.answers_given),
                static_cast<unsigned long long>(server.accepted));
    co_return 0;
}

}  // namespace

int main(int argc, char** argv) {
    Arguments arguments(argc, argv, "http_server [ADDRESS] [--port N] [--idle-ms N] [--cpu N] [--spin-us N]");
    std::chrono::milliseconds idle_max(arguments.number("--idle-ms", 60000, 10, 3600000));
    unsigned cpu = arguments.number("--cpu", any_cpu, 0, 4095);
    std::chrono::microseconds spin(arguments.number("--spin-us", 0, 0, 1'000'000));
    SocketAddress address = arguments.address(8080);
    Server server;
    // A receive buffer for each of a thousand connections that speak at once; a request is small.
    auto builder = LocalExecutorBuilder().name("http_server").receive_buffers(1024, 4096);
    if (cpu != any_cpu) builder.placement(Placement::Fixed{cpu});
    builder.spin_before_park(spin);
    auto executor = builder.make();
    if (!executor) {
        std::fprintf(stderr, "http_server: %s\n", executor.error().text.c_str());
        return 1;
    }
    return (*executor)->run(run(server, address, idle_max));
}

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
#include "http_connection.hpp"
#include "signals.hpp"

#include <ringlet/future/select.hpp>
#include <ringlet/time/timer_action.hpp>

using namespace ringlet;
using http::Connection;
using http::Server;

namespace {

constexpr unsigned any_cpu = ~0U;

// Returns only if accepting fails for good; when descriptors run out, the listener waits and goes on.
Co<std::error_code> accept_all(Server& server, TcpListener& listener) {
    while (true) {
        Result<TcpStream> accepted = co_await listener.accept();
        if (!accepted) co_return accepted.error();
        spawn_local(http::serve(server, std::move(*accepted))).detach();
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

Co<int> run(Server& server, SocketAddress address, Duration idle_max) {
    auto tick = [&server, idle_max]() -> std::optional<Duration> {
        for (Connection* connection : server.connections) connection->tick();
        return idle_max / http::idle_ticks_max;
    };
    auto ticking = do_repeatedly(tick);
    Result<const char*> signal = co_await accept_until_stopped(server, address);
    if (!signal) {
        std::fprintf(stderr, "http_server: %s: %s\n", address.to_string().c_str(),
                     signal.error().message().c_str());
        co_return 1;
    }
    co_await yield_now();  // who was accepted last begins, and is among them
    for (Connection* connection : server.connections) connection->wind_up();
    if (!co_await timeout(http::stop_max, http::all_gone(server))) {
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

// Both ends of an echo over a loopback TCP connection, for the benches that time its round trip.
#pragma once

#include <ringlet/net/tcp.hpp>
#include <ringlet/runtime.hpp>

#include <benchmark/benchmark.h>

#include <array>
#include <cstdlib>
#include <future>
#include <string>

namespace echo {

using namespace ringlet;

inline constexpr std::size_t message_bytes = 64;

inline void require(bool holds) {
    if (!holds) std::abort();
}

inline Co<void> echo_until_closed(TcpListener listener) {
    auto stream = co_await listener.accept();
    require(stream.has_value() && stream->set_nodelay(true).has_value());
    while (true) {
        Result<Lease> message = co_await stream->read_lease();
        require(message.has_value());
        if (message->empty()) break;
        auto sent = co_await stream->write_all(std::move(*message));
        require(sent.n.has_value());
    }
}

inline Co<void> make_round_trips(SocketAddress server, benchmark::State& state) {
    auto stream = co_await TcpStream::connect(server);
    require(stream.has_value() && stream->set_nodelay(true).has_value());
    std::string message(message_bytes, 'm');
    std::array<std::byte, message_bytes> answer;
    for (auto _ : state) {
        auto sent = co_await stream->write_all(std::move(message));
        require(sent.n == message_bytes);
        message = std::move(sent.buffer);
        for (std::size_t received = 0; received < message_bytes;) {
            auto count = co_await stream->read(std::span(answer).subspan(received));
            require(count.has_value() && *count > 0);
            received += *count;
        }
    }
}

inline TcpListener listen() {
    auto listener = TcpListener::bind(SocketAddress::loopback(0));
    require(listener.has_value());
    return std::move(*listener);
}

// Both ends get a thread of their own, so that the pinning ends with them.
inline void run_two_executors(benchmark::State& state, LocalExecutorBuilder server_builder,
                              LocalExecutorBuilder client_builder) {
    std::promise<SocketAddress> tell;
    auto server = server_builder.spawn([&tell]() -> Co<void> {
        auto listener = listen();
        tell.set_value(*listener.local_address());
        co_await echo_until_closed(std::move(listener));
    });
    require(server.has_value());
    SocketAddress address = tell.get_future().get();
    auto client = client_builder.spawn([&state, address] { return make_round_trips(address, state); });
    require(client.has_value());
    client->join();
    server->join();
}

// Each end on a core of its own; `on` makes the builder for a CPU.
template <class On>
void run_on_two_cores(benchmark::State& state, On on) {
    if (allowed_cpus().size() < 2) {
        state.SkipWithError("this process may use one CPU only");
        return;
    }
    run_two_executors(state, on(allowed_cpus().front()), on(allowed_cpus().back()));
}

}  // namespace echo

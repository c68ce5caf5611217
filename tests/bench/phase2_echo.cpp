// The round trip of one small message over a loopback TCP connection (benchmark row B8): server and client on
// one executor, on two executors of one CPU, and on two CPUs. The figure is the time of a round trip.
#include <ringlet/net/tcp.hpp>
#include <ringlet/runtime.hpp>

#include <benchmark/benchmark.h>

#include <array>
#include <cstdlib>
#include <future>
#include <string>

namespace {

using namespace ringlet;

constexpr std::size_t message_bytes = 64;

void require(bool holds) {
    if (!holds) std::abort();
}

Co<void> echo_until_closed(TcpListener listener) {
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

Co<void> make_round_trips(SocketAddress server, benchmark::State& state) {
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

TcpListener listen() {
    auto listener = TcpListener::bind(SocketAddress::loopback(0));
    require(listener.has_value());
    return std::move(*listener);
}

void echo_same_executor(benchmark::State& state) {
    auto executor = LocalExecutorBuilder().make();
    require(executor.has_value());
    (*executor)->run([&state]() -> Co<void> {
        auto listener = listen();
        auto address = listener.local_address();
        auto server = spawn_local(echo_until_closed(std::move(listener)));
        co_await make_round_trips(*address, state);
        co_await server;
    });
}
BENCHMARK(echo_same_executor);

// Both ends get a thread of their own, so that the pinning ends with them.
void run_two_executors(benchmark::State& state, unsigned server_cpu, unsigned client_cpu) {
    std::promise<SocketAddress> tell;
    auto server = LocalExecutorBuilder().placement(Placement::Fixed{server_cpu}).spawn([&tell]() -> Co<void> {
        auto listener = listen();
        tell.set_value(*listener.local_address());
        co_await echo_until_closed(std::move(listener));
    });
    require(server.has_value());
    SocketAddress address = tell.get_future().get();
    auto client = LocalExecutorBuilder().placement(Placement::Fixed{client_cpu}).spawn([&state, address] {
        return make_round_trips(address, state);
    });
    require(client.has_value());
    client->join();
    server->join();
}

void echo_two_executors_one_core(benchmark::State& state) {
    run_two_executors(state, allowed_cpus().back(), allowed_cpus().back());
}
BENCHMARK(echo_two_executors_one_core)->UseRealTime();

void echo_two_cores(benchmark::State& state) {
    if (allowed_cpus().size() < 2) {
        state.SkipWithError("this process may use one CPU only");
        return;
    }
    run_two_executors(state, allowed_cpus().front(), allowed_cpus().back());
}
BENCHMARK(echo_two_cores)->UseRealTime();

}  // namespace

// A key-value server that speaks the Redis protocol, on every core.
//
// Shows: a pool of shards, each with its part of the keys and its connections, which share nothing; requests
// for keys of another shard, which go there in one message per received buffer and come back as replies;
// replies in the order of the requests, whatever shards they come from; back-pressure on a client that does
// not read; a clean stop on SIGINT and SIGTERM. Shard 0 accepts, and hands connections to all in turn: so
// each has as many, which SO_REUSEPORT leaves to chance.
//
//     sharded_kv                         # on 127.0.0.1:6379, a shard for each CPU, until Ctrl-C
//     sharded_kv --port 0 --shards 2     # the kernel picks a free port
//     sharded_kv --cpu 0-3 --spin-us 50  # shards on these CPUs; each spins for 50 us before it sleeps
//     sharded_kv --maxmemory 100000000   # refuses to grow beyond 100 MB, an equal part of it for each shard
//     sharded_kv --trace kv.json         # what shard 0 did; shard 1: kv-2.json, and so on
//     redis-cli set greeting hello
//     redis-benchmark -q -t get,set -P 16
//
// Prints: sharded_kv listens on 127.0.0.1:6379, 2 shards
// and when it is stopped: sharded_kv: stopped after 51 connections
// Read on in sharded_kv/connection.hpp and common/resp/round.hpp.
#include "sharded_kv/connection.hpp"

#include "example/options.hpp"

#include <ringlet/pool/executor_pool.hpp>
#include <ringlet/time/timeout.hpp>
#include <ringlet/time/timer_action.hpp>

#include <charconv>
#include <cstdio>

using namespace ringlet;
using namespace std::chrono_literals;

namespace {

// How long replies may still take to be sent when the server is stopped.
constexpr auto stop_max = 3s;
// What has expired is looked for this often; at once again while there is much of it.
constexpr auto expire_pause = 100ms;
constexpr std::size_t expired_many = 250;

struct Wishes {
    std::uint16_t port = 0;
    CpuSet cpus;
    unsigned shards = 0;
    resp::Settings settings;
    std::chrono::microseconds spin{};
};

// --- What each shard runs ------------------------------------------------------------------------------

JoinHandle<void> expire_keys(resp::Store& store) {
    return do_repeatedly([&store]() -> std::optional<Duration> {
        return store.expire_some(kv::now_ms()) > expired_many ? Duration::zero() : expire_pause;
    });
}

// A task of its own, since the shard may be busy and others not. What throws there, for want of memory, goes
// to stderr, and the connection is closed.
Co<void> hand_over(ShardId to, kv::Arrival arrival) {
    auto call = submit_to(to, std::move(arrival));
    static_cast<void>(co_await call);
}

// Returns only if accepting fails for good; when descriptors run out, the listener waits and goes on.
Co<std::error_code> accept_all(kv::Services& services, TcpListener& listener) {
    for (ShardId next = 0;; next = (next + 1) % static_cast<ShardId>(services.size())) {
        Result<UniqueFd> accepted = co_await listener.accept_descriptor();
        if (!accepted) co_return accepted.error();
        try {
            spawn_local(hand_over(next, kv::Arrival(*services[next], std::move(*accepted)))).detach();
        } catch (const std::bad_alloc&) {
            // One client fewer; the others stay.
        }
    }
}

// Until the pool is asked to stop.
Co<Result<void>> accept_until_stopped(kv::Services& services, std::uint16_t port) {
    auto listener = TcpListener::bind(SocketAddress::loopback(port));
    if (!listener) co_return std::unexpected(listener.error());
    auto address = listener->local_address();
    if (!address) co_return std::unexpected(address.error());
    std::printf("sharded_kv listens on %s, %zu shards\n", address->to_string().c_str(), services.size());
    std::fflush(stdout);
    auto end = co_await select(accept_all(services, *listener), Shard::current().stop_requested());
    if (auto* error = std::get_if<std::error_code>(&end)) co_return std::unexpected(*error);
    co_return Result<void>();
}

// Gives the exit code.
Co<int> run(Shard& shard, const Wishes& wishes, kv::Services& services) {
    // Made here, so that its memory is this CPU's.
    services[shard.id()] = std::make_unique<kv::Service>(services, shard.id(), wishes.settings);
    kv::Service& service = *services[shard.id()];
    auto expiring = expire_keys(service.store());
    co_await shard.everyone();
    Result<void> end;
    if (shard.id() == 0) end = co_await accept_until_stopped(services, wishes.port);
    if (!end) {
        std::fprintf(stderr, "sharded_kv: port %u: %s\n", wishes.port, end.error().message().c_str());
        shard.pool().request_stop();
    }
    co_await shard.stop_requested();
    service.shut_the_door();
    co_await yield_now();  // who was let in last begins, and is seen by wind_up()
    service.wind_up();
    if (!co_await timeout(stop_max, service.all_gone()))
        std::printf("sharded_kv: %zu connections were cut off\n", service.connections());
    expiring.cancel();
    co_await expiring;
    co_return end ? 0 : 1;
}

// --- The command line ----------------------------------------------------------------------------------

[[noreturn]] void refuse(const std::string& why) {
    std::fprintf(stderr, "sharded_kv: %s\n", why.c_str());
    std::exit(2);
}

std::size_t memory_limit(const std::string& text) {
    std::size_t bytes = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
    if (error != std::errc() || end != text.data() + text.size())
        refuse("--maxmemory wants bytes, not " + text);
    return bytes == 0 ? resp::unlimited : bytes;
}

Wishes read_wishes(const example::Options& options) {
    Wishes wishes;
    unsigned port = options.number("--port", 6379);
    if (port > 65535) refuse("there is no port " + std::to_string(port));
    wishes.port = static_cast<std::uint16_t>(port);
    auto cpus = options.has("--cpu") ? CpuSet::parse(options.text("--cpu", "")) : CpuSet(allowed_cpus());
    if (!cpus || cpus->empty()) refuse("--cpu wants a list of CPUs, as 0-3,8");
    wishes.cpus = std::move(*cpus);
    wishes.shards = options.number("--shards", static_cast<unsigned>(wishes.cpus.size()));
    if (wishes.shards == 0 || wishes.shards > 1024) refuse("--shards wants a number from 1 to 1024");
    wishes.settings.memory_bytes_max = memory_limit(options.text("--maxmemory", "0"));
    wishes.spin = std::chrono::microseconds(options.number("--spin-us", 0));
    return wishes;
}

// A CPU for each shard; if they are too few, the shards share them.
PoolPlacement placement_of(const Wishes& wishes) {
    if (wishes.shards > wishes.cpus.size()) return PoolPlacement::Fenced{wishes.shards, wishes.cpus};
    return PoolPlacement::MaxSpread{wishes.shards, wishes.cpus};
}

}  // namespace

int main(int argc, char** argv) {
    example::Options options(argc, argv, "a key-value server that speaks the Redis protocol, on every core",
                             {"--port N", "--shards N", "--cpu LIST", "--maxmemory BYTES", "--spin-us N"});
    const Wishes wishes = read_wishes(options);
    kv::Services services(wishes.shards);  // outlive the pool
    auto builder_of = [&wishes, &options](ShardId) {
        auto builder = LocalExecutorBuilder().receive_buffers(256, 16 << 10).spin_before_park(wishes.spin);
        return options.apply(builder);
    };
    auto pool =
        LocalExecutorPoolBuilder(placement_of(wishes))
            .name("kv")
            .executors(builder_of)
            .stop_on_signals()
            .on_all_shards([&wishes, &services](Shard& shard) { return run(shard, wishes, services); });
    if (!pool) {
        std::fprintf(stderr, "sharded_kv: %s\n", pool.error().text.c_str());
        return 1;
    }
    auto codes = pool->join_all();
    std::uint64_t connections = 0;
    for (const auto& service : services) connections += service->accepted();
    std::printf("sharded_kv: stopped after %llu connections\n", static_cast<unsigned long long>(connections));
    return codes[0].value_or(0);
}

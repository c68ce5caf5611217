// An HTTP/1.1 server on several cores: phase 2's server, once on each shard of a pool.
//
// Shows: a pool with a placement that explains itself; two ways to spread connections: each shard listens on
// the same port and the kernel chooses (SO_REUSEPORT), or shard 0 accepts and hands the descriptors over in
// turn; a graceful stop of all shards on SIGINT or SIGTERM.
//
//     sharded_http                          # a shard on each CPU, on http://127.0.0.1:8080/, until Ctrl-C
//     sharded_http --shards 2 --port 0 --hand-over
//     wrk -t1 -c100 -d5s http://127.0.0.1:8080/plaintext
//
// Prints where each shard runs, then: sharded_http listens on http://127.0.0.1:8080/
// and when it is stopped, how many connections and answers each shard had.
#include "arguments.hpp"
#include "http_connection.hpp"

#include <ringlet/future/select.hpp>
#include <ringlet/pool/executor_pool.hpp>
#include <ringlet/time/timer_action.hpp>

using namespace ringlet;
using http::Connection;
using http::Server;

namespace {

struct Settings {
    SocketAddress address;
    bool hands_over;
    Duration idle_max;
};

// What a shard's connections share: that shard's alone while the pool lives, on cache lines of its own. They
// are dropped with their executor at the latest, be it by a second signal: so it outlives the pool.
struct alignas(64) Site {
    Server server;
    bool takes_connections = true;
};
using Sites = std::vector<Site>;

[[noreturn]] void refuse(const SocketAddress& address, const std::error_code& error) {
    throw std::runtime_error(address.to_string() + ": " + error.message());
}

TcpListener listen(const SocketAddress& address, bool shared) {
    auto listener = shared ? TcpListener::bind_shared(address) : TcpListener::bind(address);
    if (!listener) refuse(address, listener.error());
    return std::move(*listener);
}

// Begins to serve. Without memory for it the connection is closed; the others stay.
void welcome(Server& server, UniqueFd socket) {
    try {
        Result<Stream> stream = Stream::adopt(std::move(socket));
        if (stream) spawn_local(http::serve(server, TcpStream(std::move(*stream)))).detach();
    } catch (const std::bad_alloc&) {
    }
}

// This shard's share of the connections, chosen by the kernel.
Co<void> accept_own(Server& server, TcpListener& listener) {
    while (true) {
        Result<UniqueFd> accepted = co_await listener.accept_descriptor();
        if (!accepted) throw std::system_error(accepted.error());
        welcome(server, std::move(*accepted));
    }
}

// Runs on the shard that the connection is for.
void take_over(Site& site, UniqueFd socket) {
    if (site.takes_connections) welcome(site.server, std::move(socket));
}

Co<void> hand_over(ShardId to, Site& site, UniqueFd socket) {
    auto call =
        submit_to(to, [&site, socket = std::move(socket)]() mutable { take_over(site, std::move(socket)); });
    static_cast<void>(co_await call);
}

// All connections, dealt out to the shards in turn.
Co<void> accept_for_all(Sites& sites, TcpListener& listener) {
    for (ShardId next = 0;; next = (next + 1) % sites.size()) {
        Result<UniqueFd> accepted = co_await listener.accept_descriptor();
        if (!accepted) throw std::system_error(accepted.error());
        try {
            spawn_local(hand_over(next, sites[next], std::move(*accepted))).detach();
        } catch (const std::bad_alloc&) {
            // One client fewer; the others stay.
        }
    }
}

// Takes connections until the pool is to stop.
Co<void> accept_until_stopped(Shard& shard, Sites& sites, Settings& settings) {
    bool accepts = !settings.hands_over || shard.id() == 0;
    std::optional<TcpListener> listener;
    if (shard.id() == 0) {
        listener = listen(settings.address, !settings.hands_over);
        // With port 0 the kernel has chosen one: it is the others' too.
        settings.address = listener->local_address().value();
    }
    co_await shard.everyone();
    if (accepts && !listener) listener = listen(settings.address, true);
    co_await shard.everyone();
    if (shard.id() == 0) {
        std::printf("sharded_http listens on http://%s/\n", settings.address.to_string().c_str());
        std::fflush(stdout);
    }
    if (!accepts) {
        co_await shard.stop_requested();
    } else if (settings.hands_over) {
        co_await select(accept_for_all(sites, *listener), shard.stop_requested());
    } else {
        co_await select(accept_own(sites[shard.id()].server, *listener), shard.stop_requested());
    }
}

// The root of a shard.
Co<void> run(Shard& shard, Sites& sites, Settings& settings) {
    Site& site = sites[shard.id()];
    Server& server = site.server;
    auto tick = [&server, &settings]() -> std::optional<Duration> {
        for (Connection* connection : server.connections) connection->tick();
        return settings.idle_max / http::idle_ticks_max;
    };
    auto ticking = do_repeatedly(tick);
    co_await accept_until_stopped(shard, sites, settings);
    co_await shard.everyone();  // nobody hands anything over any more
    site.takes_connections = false;
    co_await yield_now();  // who was let in last begins, and is among them
    for (Connection* connection : server.connections) connection->wind_up();
    static_cast<void>(co_await timeout(http::stop_max, http::all_gone(server)));
    ticking.cancel();
    co_await ticking;
}

int serve(unsigned shards, std::chrono::microseconds spin, Settings settings) {
    Sites sites(shards);
    auto executor = LocalExecutorBuilder().receive_buffers(1024, 4096).spin_before_park(spin);
    PoolPlacement placement = PoolPlacement::MaxSpread{shards};
    if (shards > allowed_cpus().size()) placement = PoolPlacement::Unbound{shards};
    auto pool =
        LocalExecutorPoolBuilder(placement).name("http").executor(executor).stop_on_signals().on_all_shards(
            [&](Shard& shard) { return run(shard, sites, settings); });
    if (!pool) {
        std::fprintf(stderr, "sharded_http: %s\n", pool.error().text.c_str());
        return 1;
    }
    std::printf("%s", pool->explain().c_str());
    pool->join_all();
    for (ShardId id = 0; id < shards; ++id) {
        const Server& server = sites[id].server;
        std::printf("sharded_http: shard %u gave %llu answers on %llu connections\n", id,
                    static_cast<unsigned long long>(server.answers_given),
                    static_cast<unsigned long long>(server.accepted));
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    Arguments arguments(
        argc, argv,
        "sharded_http [ADDRESS] [--port N] [--shards N] [--hand-over] [--idle-ms N] [--spin-us N]");
    auto cpus = static_cast<unsigned>(allowed_cpus().size());
    unsigned shards = arguments.number("--shards", cpus, 1, 256);
    std::chrono::microseconds spin(arguments.number("--spin-us", 0, 0, 1'000'000));
    Settings settings{SocketAddress::loopback(0), arguments.takes("--hand-over"),
                      std::chrono::milliseconds(arguments.number("--idle-ms", 60000, 10, 3600000))};
    settings.address = arguments.address(8080);
    try {
        return serve(shards, spin, settings);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "sharded_http: %s\n", error.what());
        return 1;
    }
}

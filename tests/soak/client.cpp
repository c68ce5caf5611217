// soak_client: the load of `./run soak`, which starts it (soak.py). Any byte that is lost, changed or too
// much ends it with a sentence on stderr and exit code 1. What it has done stands on stdout, a line each
// second.
//
//     soak_client churn echo|http|kv PORT SECONDS THREADS SEED   # conversations without end
//     soak_client hold PORT CONNECTIONS                          # open at once; goes on at a line on stdin
//     soak_client bytes PORT BYTES CONNECTIONS                   # as many, divided among the connections
#include "churn.hpp"

#include <chrono>
#include <memory>
#include <string>

using namespace soak;
using namespace std::chrono_literals;

namespace {

void print_counts() {
    auto of = [](const std::atomic<std::uint64_t>& count) { return static_cast<unsigned long long>(count); };
    std::printf("connections %llu bytes %llu requests %llu resets %llu cut %llu half_closed %llu slow %llu\n",
                of(counts.connections), of(counts.bytes), of(counts.requests), of(counts.resets),
                of(counts.cut), of(counts.half_closed), of(counts.slow));
    std::fflush(stdout);
}

// Runs `work(index)` on so many threads, and prints counts until the last is done.
template <class Work>
void run_threads(unsigned count, Work work) {
    std::atomic<unsigned> running = count;
    std::vector<std::thread> threads;
    for (unsigned index = 0; index < count; ++index) {
        threads.emplace_back([&running, &work, index] {
            work(index);
            --running;
        });
    }
    for (unsigned ticks = 1; running > 0; ++ticks) {
        std::this_thread::sleep_for(100ms);
        if (ticks % 10 == 0) print_counts();
    }
    for (std::thread& thread : threads) thread.join();
    print_counts();
}

template <class Client>
void churn(std::uint16_t port, std::uint64_t seconds, unsigned threads, std::uint64_t seed) {
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    run_threads(threads, [=](unsigned index) {
        Client client(port, seed * 1'000 + index);
        while (std::chrono::steady_clock::now() < end) client.converse();
        client.check_all();
    });
}

// --- Many connections ------------------------------------------------------------------------------------

constexpr std::uint64_t greeting_bytes = 200;

struct Held {
    Connection connection;
    std::uint64_t seed;
    void send() {
        if (connection.send_some(Pattern(seed).at(0, greeting_bytes)) != greeting_bytes)
            fail("an idle socket is full");
    }
    void receive() {
        PatternSink sink(seed, 0, greeting_bytes);
        char bytes[greeting_bytes];
        while (!sink.is_done()) {
            if (!connection.wait(POLLIN)) fail("nothing comes back");
            std::size_t came = connection.receive_some(bytes);
            if (came == 0) fail("the server has closed");
            sink.take({bytes, came});
        }
    }
};

void hold(std::uint16_t port, std::uint64_t count) {
    std::vector<Held> held;
    held.reserve(count);
    for (std::uint64_t index = 0; index < count; ++index) {
        held.push_back({Connection(port), index << 32});
        held.back().send();
        held.back().receive();
    }
    print_counts();
    std::getchar();  // all are open
    for (Held& each : held) each.send();
    for (Held& each : held) each.receive();
    print_counts();
}

// --- Many bytes ------------------------------------------------------------------------------------------

void send_pattern(Connection& connection, PatternSource source) {
    for (std::uint64_t sent = 0; sent < source.size();) {
        if (!connection.wait(POLLOUT)) fail("the server takes nothing any more");
        sent += connection.send_some(source.at(sent, chunk_bytes_max));
    }
    connection.half_close();
}

void stream(std::uint16_t port, std::uint64_t bytes, std::uint64_t seed) {
    Connection connection(port);
    std::thread sender([&] { send_pattern(connection, PatternSource(seed, 0, bytes)); });
    PatternSink sink(seed, 0, bytes);
    std::vector<char> into(256 << 10);
    while (!sink.is_done()) {
        if (!connection.wait(POLLIN)) fail("nothing comes any more: bytes are lost");
        std::size_t came = connection.receive_some({into.data(), chunk_bytes_max});
        if (came == 0) fail("the server has closed: bytes are lost");
        sink.take({into.data(), came});
    }
    connection.expect_end();
    sender.join();
}

[[noreturn]] void refuse() {
    fail("usage: soak_client churn echo|http|kv PORT SECONDS THREADS SEED | hold PORT CONNECTIONS | "
         "bytes PORT BYTES CONNECTIONS");
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::string> words(argv + 1, argv + argc);
    auto number = [&words](std::size_t index) { return std::strtoull(words[index].c_str(), nullptr, 10); };
    auto port = [&](std::size_t index) { return static_cast<std::uint16_t>(number(index)); };
    if (words.size() == 6 && words[0] == "churn") {
        auto start = words[1] == "echo"   ? churn<EchoClient>
                     : words[1] == "http" ? churn<HttpClient>
                                          : churn<KvClient>;
        start(port(2), number(3), static_cast<unsigned>(number(4)), number(5));
    } else if (words.size() == 3 && words[0] == "hold") {
        hold(port(1), number(2));
    } else if (words.size() == 4 && words[0] == "bytes") {
        std::uint64_t connections = number(3);
        run_threads(static_cast<unsigned>(connections), [&](unsigned index) {
            stream(port(1), number(2) / connections, std::uint64_t{index} << 40);
        });
    } else {
        refuse();
    }
}

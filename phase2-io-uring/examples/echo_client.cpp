// The other side of echo_server: sends messages, reads each one back and compares.
//
// Shows: connecting; a task for each connection, all on one thread; writing and reading side by side (join);
// errors that travel to main as values.
//
//     echo_client                                  # asks the echo_server on 127.0.0.1:7000
//     echo_client 127.0.0.1:41234 --connections 50 --messages 2000 --bytes 64
//
// Prints: 16000 messages of 64 bytes on 16 connections came back right, 61543 round trips/s
#include "arguments.hpp"

#include <ringlet/future/join.hpp>
#include <ringlet/net/tcp.hpp>
#include <ringlet/runtime.hpp>

using namespace ringlet;

namespace {

struct Plan {
    SocketAddress server;
    unsigned connections;
    unsigned messages;  // on each connection, one after another
    unsigned bytes;     // in each message
};

// What went wrong; empty if nothing did.
using Complaint = std::string;

// Tells messages apart, so that bytes that got lost or swapped do not go unseen.
std::string text_of(unsigned connection, unsigned message, unsigned bytes) {
    std::string text = std::to_string(connection) + "/" + std::to_string(message) + " ";
    while (text.size() < bytes) text += static_cast<char>('a' + (text.size() + message) % 26);
    text.resize(bytes);
    return text;
}

// The bytes of one message come back in as many pieces as it pleases the network.
Co<Complaint> read_back(TcpStream& stream, std::string_view expected) {
    while (!expected.empty()) {
        Result<Lease> received = co_await stream.read_lease();
        if (!received) co_return received.error().message();
        if (received->empty()) co_return "the server has closed the connection";
        if (!expected.starts_with(received->text())) co_return "other bytes came back than were sent";
        expected.remove_prefix(received->size());
    }
    co_return Complaint();
}

Co<Complaint> converse(Plan plan, unsigned connection) {
    Result<TcpStream> stream = co_await TcpStream::connect(plan.server);
    if (!stream) co_return stream.error().message();
    static_cast<void>(stream->set_nodelay(true));
    for (unsigned message = 0; message < plan.messages; ++message) {
        std::string text = text_of(connection, message, plan.bytes);
        // Side by side: the server echoes a long message before it has read all of it, and stops reading
        // when nobody takes what it sends.
        auto round_trip = join(stream->write_all(text), read_back(*stream, text));
        auto [sent, complaint] = co_await round_trip;
        if (!sent.n) co_return sent.n.error().message();
        if (!complaint.empty()) co_return complaint;
    }
    Result<void> closed = co_await std::move(*stream).close();
    co_return closed ? Complaint() : closed.error().message();
}

Co<int> run_all(Plan plan) {
    Time start = Clock::now();
    std::vector<JoinHandle<Complaint>> conversations;
    for (unsigned connection = 0; connection < plan.connections; ++connection) {
        conversations.push_back(spawn_local(converse(plan, connection)));
    }
    unsigned failed = 0;
    for (JoinHandle<Complaint>& conversation : conversations) {
        std::optional<Complaint> complaint = co_await conversation;
        if (complaint->empty()) continue;
        if (failed++ == 0) std::fprintf(stderr, "echo_client: %s\n", complaint->c_str());
    }
    if (failed > 0) {
        std::fprintf(stderr, "echo_client: %u of %u connections failed\n", failed, plan.connections);
        co_return 1;
    }
    double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    unsigned round_trips = plan.connections * plan.messages;
    std::printf("%u messages of %u bytes on %u connections came back right, %.0f round trips/s\n",
                round_trips, plan.bytes, plan.connections, round_trips / seconds);
    co_return 0;
}

}  // namespace

int main(int argc, char** argv) {
    Arguments arguments(argc, argv,
                        "echo_client [ADDRESS] [--port N] [--connections N] [--messages N] [--bytes N]");
    Plan plan{};
    plan.connections = arguments.number("--connections", 16, 1, 10000);
    plan.messages = arguments.number("--messages", 1000, 1, 100000);
    plan.bytes = arguments.number("--bytes", 64, 1, 16 << 20);
    plan.server = arguments.address(7000);
    auto executor = LocalExecutorBuilder().name("echo_client").make();
    if (!executor) {
        std::fprintf(stderr, "echo_client: %s\n", executor.error().text.c_str());
        return 1;
    }
    return (*executor)->run(run_all(plan));
}

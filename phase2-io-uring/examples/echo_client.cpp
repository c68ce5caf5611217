// The other side of echo_server: sends messages, reads each one back and compares.
//
// Shows: connecting, many connections on one thread (a task each), reading until a message is whole, and
// errors that reach main as values.
//
//     echo_client                                  # echo_server on 127.0.0.1:7000
//     echo_client 127.0.0.1:41234 --connections 50 --messages 2000 --bytes 64
//
// Prints: 16000 messages of 64 bytes on 16 connections came back right: 123456 round trips/s
#include "arguments.hpp"

#include <ringlet/net/tcp.hpp>
#include <ringlet/runtime.hpp>

using namespace ringlet;

namespace {

struct Plan {
    SocketAddress server;
    unsigned connections;
    unsigned messages;  // on each connection
    unsigned bytes;     // in each message
};

// No two messages in a row are alike, on no two neighbouring connections.
std::string message_text(unsigned connection, unsigned message, unsigned bytes) {
    std::string text = std::to_string(connection) + "/" + std::to_string(message) + " ";
    while (text.size() < bytes) text += static_cast<char>('a' + (text.size() + message) % 26);
    text.resize(bytes);
    return text;
}

// Empty if all messages came back right.
using Complaint = std::string;

// A message's bytes come back in pieces of any size.
Co<Complaint> expect(TcpStream& stream, std::string_view sent) {
    while (!sent.empty()) {
        Result<Lease> received = co_await stream.read_lease();
        if (!received) co_return received.error().message();
        if (received->empty()) co_return "the server has closed the connection";
        if (!sent.starts_with(received->text())) co_return "other bytes came back than were sent";
        sent.remove_prefix(received->size());
    }
    co_return "";
}

Co<Complaint> converse(Plan plan, unsigned connection) {
    Result<TcpStream> stream = co_await TcpStream::connect(plan.server);
    if (!stream) co_return stream.error().message();
    static_cast<void>(stream->set_nodelay(true));
    for (unsigned message = 0; message < plan.messages; ++message) {
        std::string text = message_text(connection, message, plan.bytes);
        auto answer = spawn_local(expect(*stream, text));
        auto sent = co_await stream->write_all(text);
        if (!sent.n) co_return sent.n.error().message();
        std::optional<Complaint> complaint = co_await answer;
        if (!complaint->empty()) co_return *complaint;
    }
    Result<void> closed = co_await std::move(*stream).close();
    co_return closed ? "" : closed.error().message();
}

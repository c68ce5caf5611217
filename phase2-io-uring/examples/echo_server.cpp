// An echo server: what a client sends comes back, byte by byte.
//
// Shows: a listener, a task for each connection, and zero-copy echo: the lease that the kernel filled is
// moved into the send, and goes back to the kernel when the send is over. No buffer is allocated, and an
// idle connection holds none.
//
//     echo_server                 # on 127.0.0.1:7000, until Ctrl-C
//     echo_server --port 0        # the kernel picks a free port
//     echo_client                 # in a second terminal; or: nc 127.0.0.1 7000
//
// Prints: echo_server listens on 127.0.0.1:7000
#include "arguments.hpp"
#include "signals.hpp"

#include <ringlet/future/select.hpp>
#include <ringlet/net/tcp.hpp>
#include <ringlet/runtime.hpp>

using namespace ringlet;

namespace {

// Ends when the client has ended its side and has everything back, or when the connection breaks: then only
// this task ends.
Co<void> echo(TcpStream stream) {
    while (true) {
        Result<Lease> received = co_await stream.read_lease();
        if (!received || received->empty()) break;
        auto sent = co_await stream.write_all(std::move(*received));
        if (!sent.n) break;
    }
    static_cast<void>(co_await std::move(stream).close());
}

// Returns only if accepting fails for good. Want of descriptors or memory is not such a case: the listener
// waits a little and goes on.
Co<std::error_code> accept_all(TcpListener& listener) {
    while (true) {
        Result<TcpStream> accepted = co_await listener.accept();
        if (!accepted) co_return accepted.error();
        static_cast<void>(accepted->set_nodelay(true));
        spawn_local(echo(std::move(*accepted))).detach();
    }
}

Co<int> serve(SocketAddress address) {
    auto signals = StopSignals::catch_them();
    auto listener = TcpListener::bind(address);
    if (!signals || !listener) {
        std::error_code error = signals ? listener.error() : signals.error();
        std::fprintf(stderr, "echo_server: %s: %s\n", address.to_string().c_str(), error.message().c_str());
        co_return 1;
    }
    std::printf("echo_server listens on %s\n", listener->local_address()->to_string().c_str());
    std::fflush(stdout);

    auto end = co_await select(accept_all(*listener), signals->next());
    if (auto* error = std::get_if<std::error_code>(&end)) {
        std::fprintf(stderr, "echo_server: %s\n", error->message().c_str());
        co_return 1;
    }
    // Connections that are still open are dropped with the executor.
    std::printf("echo_server: %s, stopped\n", std::get<const char*>(end));
    co_return 0;
}

}  // namespace

int main(int argc, char** argv) {
    Arguments arguments(argc, argv, "echo_server [ADDRESS] [--port N]");
    SocketAddress address = arguments.address(7000);
    auto executor = LocalExecutorBuilder().name("echo_server").make();
    if (!executor) {
        std::fprintf(stderr, "echo_server: %s\n", executor.error().text.c_str());
        return 1;
    }
    return (*executor)->run(serve(address));
}

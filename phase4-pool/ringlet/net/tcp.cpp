#include <ringlet/net/tcp.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>

namespace ringlet {

Co<Result<TcpStream>> TcpStream::connect(SocketAddress address) {
    auto stream = co_await connect_stream(address);
    if (!stream) co_return std::unexpected(stream.error());
    co_return TcpStream(std::move(*stream));
}

Result<void> TcpStream::set_nodelay(bool nodelay) {
    return set_option(IPPROTO_TCP, TCP_NODELAY, nodelay ? 1 : 0);
}

}  // namespace ringlet

// TcpStream and TcpListener.
//
// Threads: owner thread only.
#pragma once

#include <ringlet/net/listener.hpp>

namespace ringlet {

class TcpStream : public Stream {
public:
    explicit TcpStream(Stream stream) noexcept : Stream(std::move(stream)) {}

    static Co<Result<TcpStream>> connect(SocketAddress address);

    // Sends small segments at once (TCP_NODELAY): for request and reply.
    Result<void> set_nodelay(bool nodelay);
};

using TcpListener = Listener<TcpStream>;

}  // namespace ringlet

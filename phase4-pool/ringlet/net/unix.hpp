// UnixStream and UnixListener: stream sockets of this machine, named by a path.
//
// Threads: owner thread only.
#pragma once

#include <ringlet/net/listener.hpp>

#include <utility>

namespace ringlet {

class UnixStream : public Stream {
public:
    explicit UnixStream(Stream stream) noexcept : Stream(std::move(stream)) {}

    static Co<Result<UnixStream>> connect(SocketAddress address);

    // Two ends, connected to each other.
    static Result<std::pair<UnixStream, UnixStream>> pair();
};

// The path must not exist; the caller removes it when the listener is gone.
using UnixListener = Listener<UnixStream>;

}  // namespace ringlet

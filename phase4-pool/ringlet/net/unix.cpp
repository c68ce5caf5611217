#include <ringlet/net/unix.hpp>

namespace ringlet {

Co<Result<UnixStream>> UnixStream::connect(SocketAddress address) {
    auto stream = co_await connect_stream(address);
    if (!stream) co_return std::unexpected(stream.error());
    co_return UnixStream(std::move(*stream));
}

Result<std::pair<UnixStream, UnixStream>> UnixStream::pair() {
    auto ends = sys::socket_pair(SOCK_STREAM);
    if (!ends) return std::unexpected(ends.error());
    return std::pair(UnixStream(Stream(SharedFd(std::move(ends->first)))),
                     UnixStream(Stream(SharedFd(std::move(ends->second)))));
}

}  // namespace ringlet

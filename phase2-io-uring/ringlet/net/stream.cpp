#include <ringlet/net/stream.hpp>

namespace ringlet {

Result<SocketAddress> address_of(Result<socklen_t> (*ask)(int, sockaddr_storage&), int fd) {
    sockaddr_storage storage{};
    auto bytes = ask(fd, storage);
    if (!bytes) return std::unexpected(bytes.error());
    return SocketAddress(storage, *bytes);
}

Result<Stream> Stream::adopt(UniqueFd socket) {
    if (auto cleared = sys::set_nonblocking(socket.get(), false); !cleared)
        return std::unexpected(cleared.error());
    return Stream(SharedFd(std::move(socket)));
}

Co<Result<void>> Stream::close(Stream self) {
    // The receive is cancelled; writes of other tasks end because the socket does. (An error of shutdown
    // says that the connection is gone already.)
    self.receiver_.reset();
    static_cast<void>(sys::shutdown(self.socket_.get(), SHUT_RDWR));
    co_await operations::sole_holder_of(self.socket_);
    co_return co_await Operation(operations::Close(self.socket_.take()));
}

Result<SocketAddress> Stream::local_address() const { return address_of(&sys::local_address, fd()); }
Result<SocketAddress> Stream::peer_address() const { return address_of(&sys::peer_address, fd()); }

Co<Result<Stream>> connect_stream(SocketAddress address) {
    auto socket = sys::socket(address.family(), SOCK_STREAM);
    if (!socket) co_return std::unexpected(socket.error());
    SharedFd shared(std::move(*socket));
    auto connected = co_await Operation(operations::Connect(shared, address.storage(), address.bytes()));
    if (!connected) co_return std::unexpected(connected.error());
    co_return Stream(std::move(shared));
}

}  // namespace ringlet

#include <ringlet/net/udp.hpp>

namespace ringlet {

Result<UdpSocket> UdpSocket::bind(const SocketAddress& address) {
    auto socket = sys::socket(address.family(), SOCK_DGRAM);
    if (!socket) return std::unexpected(socket.error());
    auto bound = sys::bind(socket->get(), address.get(), address.bytes());
    if (!bound) return std::unexpected(bound.error());
    return UdpSocket(SharedFd(std::move(*socket)));
}

Result<UdpSocket> UdpSocket::adopt(UniqueFd socket) {
    if (auto cleared = sys::set_nonblocking(socket.get(), false); !cleared)
        return std::unexpected(cleared.error());
    return UdpSocket(SharedFd(std::move(socket)));
}

}  // namespace ringlet

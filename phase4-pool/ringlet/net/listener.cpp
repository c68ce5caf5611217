#include <ringlet/net/listener.hpp>

namespace ringlet {

Result<UniqueFd> open_listener(const SocketAddress& address, int backlog, bool shares_port) {
    auto socket = sys::socket(address.family(), SOCK_STREAM);
    if (!socket) return socket;
    auto reuse = sys::set_option(socket->get(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (!reuse) return std::unexpected(reuse.error());
    if (shares_port) {
        auto shared = sys::set_option(socket->get(), SOL_SOCKET, SO_REUSEPORT, 1);
        if (!shared) return std::unexpected(shared.error());
    }
    auto bound = sys::bind(socket->get(), address.get(), address.bytes());
    if (!bound) return std::unexpected(bound.error());
    auto listening = sys::listen(socket->get(), backlog);
    if (!listening) return std::unexpected(listening.error());
    return socket;
}

}  // namespace ringlet

// SocketAddress: where a socket is bound or connected to: IPv4, IPv6, or a path of this machine.
#pragma once

#include <ringlet/base/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <sys/socket.h>

namespace ringlet {

class SocketAddress {
public:
    SocketAddress() noexcept = default;
    SocketAddress(const sockaddr_storage& storage, socklen_t bytes) noexcept
        : storage_(storage), bytes_(bytes) {}

    // "127.0.0.1:8080" or "[::1]:8080": numbers only, no names are looked up. Port 0 lets the kernel choose.
    static Result<SocketAddress> parse(std::string_view text);
    // 127.0.0.1.
    static SocketAddress loopback(std::uint16_t port);
    // A Unix socket's path, not empty; fails if it is longer than the 107 bytes that the kernel takes.
    static Result<SocketAddress> unix_path(std::string_view path);

    int family() const noexcept { return storage_.ss_family; }
    std::uint16_t port() const noexcept;  // 0 for Unix sockets
    std::string to_string() const;

    const sockaddr_storage& storage() const noexcept { return storage_; }
    const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage_); }
    socklen_t bytes() const noexcept { return bytes_; }

private:
    sockaddr_storage storage_{};
    socklen_t bytes_ = 0;
};

}  // namespace ringlet

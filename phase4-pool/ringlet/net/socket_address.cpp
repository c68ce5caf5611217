#include <ringlet/net/socket_address.hpp>

#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <netinet/in.h>
#include <sys/un.h>

namespace ringlet {

namespace {

const constinit OperationCategory parse_category{"parse address"};

template <class Address>
SocketAddress address_of(const Address& address, std::size_t bytes = sizeof(Address)) {
    sockaddr_storage storage{};
    std::memcpy(&storage, &address, sizeof address);
    return {storage, static_cast<socklen_t>(bytes)};
}

template <class Address>
Address as(const sockaddr_storage& storage) {
    Address address;
    std::memcpy(&address, &storage, sizeof address);
    return address;
}

Result<std::uint16_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size()) return failure(parse_category, EINVAL);
    return port;
}

}  // namespace

SocketAddress SocketAddress::loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address_of(address);
}

Result<SocketAddress> SocketAddress::parse(std::string_view text) {
    std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return failure(parse_category, EINVAL);
    Result<std::uint16_t> port = parse_port(text.substr(colon + 1));
    if (!port) return std::unexpected(port.error());
    std::string host(text.substr(0, colon));
    // inet_pton would stop there, and take what stands before for the whole.
    if (host.find('\0') != std::string::npos) return failure(parse_category, EINVAL);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        sockaddr_in6 address{};
        address.sin6_family = AF_INET6;
        address.sin6_port = htons(*port);
        std::string number = host.substr(1, host.size() - 2);
        if (inet_pton(AF_INET6, number.c_str(), &address.sin6_addr) == 1) return address_of(address);
        return failure(parse_category, EINVAL);
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(*port);
    if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) == 1) return address_of(address);
    return failure(parse_category, EINVAL);
}

Result<SocketAddress> SocketAddress::unix_path(std::string_view path) {
    sockaddr_un address{};
    // A path that begins with a zero would be one of Linux's abstract names.
    if (path.empty() || path.find('\0') != path.npos) return failure(parse_category, EINVAL);
    if (path.size() >= sizeof address.sun_path) return failure(parse_category, ENAMETOOLONG);
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    return address_of(address, offsetof(sockaddr_un, sun_path) + path.size() + 1);
}

std::uint16_t SocketAddress::port() const noexcept {
    switch (family()) {
        case AF_INET: return ntohs(as<sockaddr_in>(storage_).sin_port);
        case AF_INET6: return ntohs(as<sockaddr_in6>(storage_).sin6_port);
        default: return 0;
    }
}

std::string SocketAddress::to_string() const {
    char host[INET6_ADDRSTRLEN] = "";
    switch (family()) {
        case AF_INET: {
            auto address = as<sockaddr_in>(storage_);
            inet_ntop(AF_INET, &address.sin_addr, host, sizeof host);
            return std::string(host) + ":" + std::to_string(port());
        }
        case AF_INET6: {
            auto address = as<sockaddr_in6>(storage_);
            inet_ntop(AF_INET6, &address.sin6_addr, host, sizeof host);
            return "[" + std::string(host) + "]:" + std::to_string(port());
        }
        case AF_UNIX: {
            auto address = as<sockaddr_un>(storage_);
            // A path may fill the array, without a zero behind it (unix(7)).
            return std::string(address.sun_path, strnlen(address.sun_path, sizeof address.sun_path));
        }
        default: return "no address";
    }
}

}  // namespace ringlet

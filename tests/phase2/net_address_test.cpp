// SocketAddress: from text and back, and what is refused.
#include "net_support.hpp"

#include <sys/un.h>

using namespace support;

namespace {

std::string parsed(std::string_view text) {
    auto address = SocketAddress::parse(text);
    return address ? address->to_string() : address.error().message();
}

std::string random_ipv6(std::mt19937_64& random) {
    unsigned char number[16];
    for (unsigned char& byte : number) {
        byte = random() % 3 ? 0 : static_cast<unsigned char>(random());  // zeros are written as "::"
    }
    char text[INET6_ADDRSTRLEN];
    inet_ntop(AF_INET6, number, text, sizeof text);
    return std::string("[") + text + "]:" + std::to_string(random() % 65536);
}

std::string random_ipv4(std::mt19937_64& random) {
    std::string text;
    for (int i = 0; i < 4; ++i) text += (i ? "." : "") + std::to_string(random() % 256);
    return text + ":" + std::to_string(random() % 65536);
}

}  // namespace

TEST_CASE("an address reads back as it was written") {
    for (auto text : {"127.0.0.1:8080", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:80", "[::]:0",
                      "[2001:db8::ff00:42:8329]:443", "[::ffff:192.0.2.1]:1"}) {
        CHECK(parsed(text) == text);
    }
}

TEST_CASE("a thousand random addresses of each family read back as they were written") {
    std::mt19937_64 random(7);
    for (int i = 0; i < 1000; ++i) {
        std::string four = random_ipv4(random);
        REQUIRE(parsed(four) == four);
        std::string six = random_ipv6(random);
        REQUIRE(parsed(six) == six);
    }
}

TEST_CASE("an address knows its family, its port and its length") {
    auto four = value_of(SocketAddress::parse("10.1.2.3:65535"));
    CHECK(four.family() == AF_INET);
    CHECK(four.port() == 65535);
    CHECK(four.bytes() == sizeof(sockaddr_in));
    auto six = value_of(SocketAddress::parse("[fe80::1]:7"));
    CHECK(six.family() == AF_INET6);
    CHECK(six.port() == 7);
    CHECK(six.bytes() == sizeof(sockaddr_in6));
}

TEST_CASE("loopback is 127.0.0.1") {
    CHECK(SocketAddress::loopback(8080).to_string() == "127.0.0.1:8080");
    CHECK(SocketAddress::loopback(0).port() == 0);
}

TEST_CASE("what is no address is refused, and the error says what was tried") {
    using namespace std::string_view_literals;
    for (auto text : {""sv,
                      ":"sv,
                      ":80"sv,
                      "80"sv,
                      "127.0.0.1"sv,
                      "127.0.0.1:"sv,
                      "127.0.0.1:65536"sv,
                      "127.0.0.1:-1"sv,
                      "127.0.0.1:+1"sv,
                      "127.0.0.1: 80"sv,
                      "127.0.0.1:80 "sv,
                      "127.0.0.1:8x"sv,
                      "127.0.0:80"sv,
                      "256.0.0.1:80"sv,
                      " 127.0.0.1:80"sv,
                      "localhost:80"sv,
                      "::1:80"sv,
                      "[::1]"sv,
                      "[::1]80"sv,
                      "[]:80"sv,
                      "[:80"sv,
                      "[::1:80"sv,
                      "::1]:80"sv,
                      "[::g]:80"sv,
                      "[127.0.0.1]:80"sv,
                      "[::1%lo]:80"sv,
                      "127.0.0.1\0.evil:80"sv,
                      "[::1\0]:80"sv,
                      "127.0.0.1:80\0"sv}) {
        CAPTURE(text);
        CHECK(parsed(text) == "parse address: Invalid argument");
    }
}

TEST_CASE("a path of up to 107 bytes is an address") {
    std::string longest(107, 'p');
    auto address = value_of(SocketAddress::unix_path(longest));
    CHECK(address.family() == AF_UNIX);
    CHECK(address.port() == 0);
    CHECK(address.to_string() == longest);
    auto too_long = SocketAddress::unix_path(longest + "p");
    CHECK(error_text(too_long) == "parse address: File name too long");
    CHECK(too_long.error() == std::errc::filename_too_long);
}

TEST_CASE("an empty path, or one with a zero in it, is refused: to the kernel it would name something else") {
    using namespace std::string_view_literals;
    for (auto path : {""sv, "\0abstract"sv, "/tmp/a\0b"sv}) {
        CHECK(error_text(SocketAddress::unix_path(path)) == "parse address: Invalid argument");
    }
}

TEST_CASE("an address of nothing says so") {
    SocketAddress nothing;
    CHECK(nothing.port() == 0);
    CHECK(nothing.to_string() == "no address");
}

TEST_CASE("port 0 lets the kernel choose, and the listener tells which") {
    run_io([]() -> Co<void> {
        auto first = value_of(TcpListener::bind(SocketAddress::loopback(0)));
        auto second = value_of(TcpListener::bind(SocketAddress::loopback(0)));
        CHECK(port_of(first) != 0);
        CHECK(port_of(first) != port_of(second));
        CHECK(value_of(first.local_address()).to_string() == "127.0.0.1:" + std::to_string(port_of(first)));
        co_return;
    });
}

TEST_CASE("the path of a peer may fill its whole field, without a zero behind it") {
    // bind(2) would add one; a peer that binds by itself need not.
    struct {
        sockaddr_un address{};
        char behind[8] = "behind!";
    } field;
    field.address.sun_family = AF_UNIX;
    std::memset(field.address.sun_path, 'p', sizeof field.address.sun_path);
    sockaddr_storage storage{};
    std::memcpy(&storage, &field, sizeof field);
    SocketAddress address(storage, sizeof field.address);
    CHECK(address.to_string() == std::string(sizeof field.address.sun_path, 'p'));
}

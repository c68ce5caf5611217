// UDP: datagrams as they are sent, where they come from, what happens to those that do not fit.
#include "net_support.hpp"

using namespace support;

namespace {

UdpSocket bound() { return value_of(UdpSocket::bind(SocketAddress::loopback(0))); }

Co<void> send_datagram(UdpSocket& socket, std::string text, SocketAddress to) {
    auto sent = co_await socket.send_to(std::move(text), to);
    CHECK(value_of(std::move(sent.n)) == sent.buffer.size());
}

Co<std::string> receive_text(UdpSocket& socket) {
    auto datagram = co_await socket.receive_from(std::string(2000, '\0'));
    datagram.buffer.resize(value_of(std::move(datagram.n)));
    co_return std::move(datagram.buffer);
}

}  // namespace

TEST_CASE("a datagram says where it comes from, and can be answered") {
    run_io([]() -> Co<void> {
        UdpSocket server = bound();
        UdpSocket client = bound();
        co_await send_datagram(client, "question", value_of(server.local_address()));
        auto question = co_await server.receive_from(std::vector<std::byte>(100));
        CHECK(value_of(question.n) == 8);
        CHECK(std::memcmp(question.buffer.data(), "question", 8) == 0);
        CHECK(question.buffer.size() == 100);
        CHECK(question.from.to_string() == value_of(client.local_address()).to_string());
        co_await send_datagram(server, "answer", question.from);
        std::string answer = co_await receive_text(client);
        CHECK(answer == "answer");
    });
}

TEST_CASE("datagrams keep their borders, their order and their senders") {
    run_io([]() -> Co<void> {
        UdpSocket server = bound();
        auto address = value_of(server.local_address());
        UdpSocket first = bound();
        UdpSocket second = bound();
        for (int i = 0; i < 50; ++i)
            co_await send_datagram(i % 2 ? second : first, pattern(i * 20, i), address);
        for (int i = 0; i < 50; ++i) {
            auto datagram = co_await server.receive_from(std::string(2000, '\0'));
            datagram.buffer.resize(value_of(datagram.n));
            CHECK(datagram.buffer == pattern(i * 20, i));
            CHECK(datagram.from.port() == port_of(i % 2 ? second : first));
        }
    });
}

TEST_CASE("a datagram that is longer than the buffer is cut off, and the next one is whole") {
    run_io([]() -> Co<void> {
        UdpSocket server = bound();
        UdpSocket client = bound();
        auto address = value_of(server.local_address());
        co_await send_datagram(client, "too long for it", address);
        co_await send_datagram(client, "next", address);
        auto cut = co_await server.receive_from(std::string(8, '\0'));
        CHECK(value_of(cut.n) == 8);
        CHECK(cut.buffer == "too long");
        auto next = co_await server.receive_from(std::string(8, '\0'));
        CHECK(value_of(next.n) == 4);
    });
}

TEST_CASE("a datagram that no network takes is refused, and its buffer comes back") {
    run_io([]() -> Co<void> {
        UdpSocket socket = bound();
        auto sent = co_await socket.send_to(std::string(70'000, 'x'), value_of(socket.local_address()));
        CHECK(error_text(sent.n) == "send: Message too long");
        CHECK(sent.n.error() == std::errc::message_size);
        CHECK(sent.buffer.size() == 70'000);
    });
}

TEST_CASE("a receive whose time is over says so, gives its buffer back, and leaves later datagrams alone") {
    run_io([]() -> Co<void> {
        UdpSocket socket = bound();
        Time start = Clock::now();
        auto nothing = co_await socket.receive_from(std::string(100, 'b')).timeout(20ms);
        CHECK(Clock::now() - start >= 20ms);
        CHECK(error_text(nothing.n) == "receive: Connection timed out");
        CHECK(nothing.buffer == std::string(100, 'b'));
        co_await send_datagram(socket, "to myself", value_of(socket.local_address()));
        std::string text = co_await receive_text(socket);
        CHECK(text == "to myself");
    });
}

TEST_CASE("timeouts that race datagrams lose none") {
    run_io([]() -> Co<void> {
        constexpr int datagrams = 500;
        UdpSocket server = bound();
        auto address = value_of(server.local_address());
        auto sender = spawn_local([address]() -> Co<void> {
            UdpSocket client = bound();
            std::mt19937_64 random(3);
            for (int i = 0; i < datagrams; ++i) {
                co_await send_datagram(client, std::to_string(i), address);
                for (std::uint64_t pauses = random() % 20; pauses > 0; --pauses) co_await round_trip();
            }
        });
        std::mt19937_64 random(4);
        int timeouts = 0;
        for (int next = 0; next < datagrams;) {
            auto longest = std::chrono::microseconds(random() % 30);
            auto received = co_await server.receive_from(std::string(10, '\0')).timeout(longest);
            if (failed_with(received.n, ETIMEDOUT)) {
                ++timeouts;
                continue;
            }
            received.buffer.resize(value_of(received.n));
            REQUIRE(received.buffer == std::to_string(next));
            ++next;
        }
        CHECK(timeouts > 20);
        co_await sender;
    });
}

TEST_CASE("a socket that is dropped with a receive in flight is closed when that has ended") {
    run_io([]() -> Co<void> {
        std::size_t before = open_descriptors();
        std::optional<UdpSocket> socket(bound());
        std::optional receive(socket->receive_from(std::string(100, '\0')));
        bool ready = co_await poll_once(*receive);
        CHECK(!ready);
        co_await settled();
        socket.reset();
        CHECK(open_descriptors() == before + 1);
        receive.reset();
        co_await all_ended();
        CHECK(open_descriptors() == before);
    });
}

TEST_CASE("an address that is taken cannot be bound") {
    run_io([]() -> Co<void> {
        UdpSocket socket = bound();
        auto taken = UdpSocket::bind(value_of(socket.local_address()));
        CHECK(error_text(taken) == "bind: Address already in use");
        co_return;
    });
}

TEST_CASE("a bound socket that is adopted receives, and waits if it was non-blocking") {
    run_io([]() -> Co<void> {
        UniqueFd socket = value_of(sys::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK));
        int fd = socket.get();
        SocketAddress any = SocketAddress::loopback(0);
        value_of(sys::bind(fd, any.get(), any.bytes()));
        UdpSocket server = value_of(UdpSocket::adopt(std::move(socket)));
        CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
        auto receiving = spawn_local(receive_text(server));
        co_await settled();
        CHECK(!receiving.is_finished());
        UdpSocket client = bound();
        co_await send_datagram(client, "later", value_of(server.local_address()));
        CHECK((co_await receiving).value() == "later");
        CHECK(error_text(UdpSocket::adopt(UniqueFd())) == "descriptor flags: Bad file descriptor");
    });
}

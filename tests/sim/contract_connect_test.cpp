// The contract: TCP listeners and those who connect to them.
#include "contract_support.hpp"

using namespace sim_contract;

namespace {

void start_accepting(TestRing& ring, std::uint64_t id, const TcpSocket& server) {
    ring.start(id, io_uring_prep_multishot_accept, server.fd.get(), nullptr, nullptr, SOCK_CLOEXEC);
}

}  // namespace

TEST_CASE("a socket that is bound to port 0 has a port of its own, which nobody else can bind") {
    TcpSocket first = TcpSocket::bound();
    TcpSocket second = TcpSocket::bound();
    CHECK(first.address.port() != 0);
    CHECK(first.address.port() != second.address.port());
    UniqueFd third = TcpSocket::client();
    auto bound = sys::bind(third.get(), first.address.get(), first.address.bytes());
    REQUIRE_FALSE(bound);
    CHECK(bound.error().value() == EADDRINUSE);
}

TEST_CASE("a connect to a listener succeeds before anybody accepts, and may send") {
    TestRing ring;
    TcpSocket server = TcpSocket::listening();
    UniqueFd client = connected(ring, server);
    CHECK(ring.send(client, "early") == 5);
    UniqueFd connection = accepted(ring, server);
    REQUIRE(connection);
    CHECK(ring.receive(connection) == "early");
    CHECK(ring.send(connection, "reply") == 5);
    CHECK(ring.receive(client) == "reply");
}

TEST_CASE("a connect where nobody listens is refused") {
    TestRing ring;
    TcpSocket deaf = TcpSocket::bound();
    UniqueFd client = TcpSocket::client();
    CHECK(connect(ring, client, deaf) == -ECONNREFUSED);
}

TEST_CASE("a listener that is closed refuses from then on") {
    TestRing ring;
    TcpSocket server = TcpSocket::listening();
    UniqueFd early = connected(ring, server);
    CHECK(accepted(ring, server));
    server.fd = UniqueFd();
    UniqueFd late = TcpSocket::client();
    CHECK(connect(ring, late, server) == -ECONNREFUSED);
}

TEST_CASE("connections that nobody has accepted end with their listener") {
    TestRing ring;
    TcpSocket server = TcpSocket::listening();
    UniqueFd client = connected(ring, server);
    char byte;
    ring.start(1, io_uring_prep_recv, client.get(), &byte, 1, 0);
    CHECK(ring.still_waits(1));
    server.fd = UniqueFd();
    CHECK(ring.result_of(1) <= 0);
}

TEST_CASE("an accept waits for a connection, and gives one") {
    TestRing ring;
    TcpSocket server = TcpSocket::listening();
    ring.start(1, io_uring_prep_accept, server.fd.get(), nullptr, nullptr, SOCK_CLOEXEC);
    CHECK(ring.still_waits(1));
    UniqueFd client = connected(ring, server);
    Completion completion = ring.wait_for(1);
    UniqueFd connection(completion.result);
    CHECK(connection);
    CHECK_FALSE(goes_on(completion));
    CHECK(ring.send(client, "hello") == 5);
    CHECK(ring.receive(connection) == "hello");
}

TEST_CASE("connections are accepted in the order in which they came") {
    TestRing ring;
    TcpSocket server = TcpSocket::listening();
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 5; ++i) clients.push_back(connected(ring, server));
    for (UniqueFd& client : clients) {
        UniqueFd connection = accepted(ring, server);
        CHECK(ring.send(client, "it is me") == 8);
        CHECK(ring.receive(connection) == "it is me");
    }
}

TEST_CASE(
    "an accept that goes on gives one connection after the other, those that waited and those to come") {
    TestRing ring;
    TcpSocket server = TcpSocket::listening();
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 3; ++i) clients.push_back(connected(ring, server));
    start_accepting(ring, 1, server);
    for (int i = 0; i < 6; ++i) {
        if (i >= 3) {
            CHECK(ring.still_waits(1));
            clients.push_back(connected(ring, server));
        }
        Completion completion = ring.wait_for(1);
        UniqueFd connection(completion.result);
        REQUIRE(connection);
        CHECK(goes_on(completion));
        CHECK(ring.send(clients[i], "hello") == 5);
        CHECK(ring.receive(connection) == "hello");
    }
}

TEST_CASE("an accept that was cancelled leaves connections to the next") {
    TestRing ring;
    TcpSocket server = TcpSocket::listening();
    ring.start(1, io_uring_prep_accept, server.fd.get(), nullptr, nullptr, SOCK_CLOEXEC);
    CHECK(ring.cancel(1) == 0);
    CHECK(ring.result_of(1) == -ECANCELED);
    UniqueFd client = connected(ring, server);
    CHECK(accepted(ring, server));
}

TEST_CASE("an accept that goes on ends when it is cancelled, and leaves later connections to the next") {
    TestRing ring;
    TcpSocket server = TcpSocket::listening();
    start_accepting(ring, 1, server);
    UniqueFd first = connected(ring, server);
    Completion completion = ring.wait_for(1);
    UniqueFd connection(completion.result);
    CHECK(connection);
    CHECK(goes_on(completion));
    CHECK(ring.cancel(1) == 0);
    completion = ring.wait_for(1);
    CHECK(completion.result == -ECANCELED);
    CHECK_FALSE(goes_on(completion));
    UniqueFd second = connected(ring, server);
    CHECK(accepted(ring, server));
}

TEST_CASE("with the completion queue full an accept that goes on ends with a good result, and loses nobody") {
    TestRing ring(1);
    TcpSocket server = TcpSocket::listening();
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 30; ++i) clients.push_back(connected(ring, server));
    start_accepting(ring, 1, server);
    std::vector<UniqueFd> connections;
    Completion completion;
    do {
        completion = ring.wait_for(1);
        REQUIRE(completion.result >= 0);
        connections.push_back(UniqueFd(completion.result));
    } while (goes_on(completion));
    CHECK(connections.size() < 30);
    while (connections.size() < 30) connections.push_back(accepted(ring, server));
    for (int i = 0; i < 30; ++i) {
        CHECK(ring.send(clients[i], "it is me") == 8);
        CHECK(ring.receive(connections[i]) == "it is me");
    }
}

TEST_CASE("a socket that does not listen cannot accept") {
    TestRing ring;
    TcpSocket deaf = TcpSocket::bound();
    CHECK(ring.run(io_uring_prep_accept, deaf.fd.get(), nullptr, nullptr, SOCK_CLOEXEC) == -EINVAL);
}

// Unix sockets: pairs and paths, and what is wrong with a path.
#include "net_support.hpp"

#include <sys/stat.h>

using namespace support;

namespace {

SocketAddress at(const std::string& path) { return value_of(SocketAddress::unix_path(path)); }

Co<std::string> connect_error(std::string path) {
    auto stream = co_await UnixStream::connect(at(path));
    co_return error_text(stream);
}

std::string bind_error(const std::string& path) { return error_text(UnixListener::bind(at(path))); }

void make_file(const std::string& path) { UniqueFd file(open(path.c_str(), O_CREAT | O_WRONLY, 0600)); }

}  // namespace

TEST_CASE("a pair carries megabytes in both directions at once") {
    run_io([]() -> Co<void> {
        auto [first, second] = value_of(UnixStream::pair());
        std::string there = pattern(3 << 20, 1);
        std::string back = pattern(3 << 20, 2);
        auto one = spawn_local(send_text(first, there));
        auto two = spawn_local(send_text(second, back));
        auto heard = co_await join(read_exactly(first, back.size()), read_exactly(second, there.size()));
        CHECK(std::get<0>(heard) == back);
        CHECK(std::get<1>(heard) == there);
        co_await one;
        co_await two;
    });
}

TEST_CASE("a listener at a path accepts those who connect to it") {
    TemporaryFolder folder;
    run_io([&]() -> Co<void> {
        auto listener = value_of(UnixListener::bind(at(folder / "socket")));
        CHECK(value_of(listener.local_address()).to_string() == folder / "socket");
        auto client = value_of(co_await UnixStream::connect(at(folder / "socket")));
        auto server = value_of(co_await listener.accept());
        CHECK(value_of(client.peer_address()).to_string() == folder / "socket");
        CHECK(value_of(server.peer_address()).to_string().empty());  // a client has no name
        co_await send_text(client, "hello");
        std::string heard = co_await read_exactly(server, 5);
        CHECK(heard == "hello");
    });
}

TEST_CASE("a path of the longest length works") {
    TemporaryFolder folder;
    std::string path = folder / "";
    path.append(107 - path.size(), 'x');
    run_io([&]() -> Co<void> {
        auto listener = value_of(UnixListener::bind(at(path)));
        CHECK(value_of(listener.local_address()).to_string() == path);
        auto client = value_of(co_await UnixStream::connect(at(path)));
        value_of(co_await listener.accept());
    });
}

TEST_CASE("a path that is taken or leads nowhere cannot be bound") {
    TemporaryFolder folder;
    run_io([&]() -> Co<void> {
        auto listener = value_of(UnixListener::bind(at(folder / "socket")));
        CHECK(bind_error(folder / "socket") == "bind: Address already in use");
        CHECK(bind_error(folder / "missing/socket") == "bind: No such file or directory");
        make_file(folder / "file");
        CHECK(bind_error(folder / "file") == "bind: Address already in use");
        CHECK(bind_error(folder / "file/socket") == "bind: Not a directory");
        co_return;
    });
}

TEST_CASE("a path where nobody listens cannot be connected to") {
    TemporaryFolder folder;
    run_io([&]() -> Co<void> {
        std::size_t before = open_descriptors();
        std::string missing = co_await connect_error(folder / "socket");
        CHECK(missing == "connect: No such file or directory");
        make_file(folder / "file");
        std::string no_socket = co_await connect_error(folder / "file");
        CHECK(no_socket == "connect: Connection refused");
        {
            auto listener = value_of(UnixListener::bind(at(folder / "socket")));
        }
        std::string left_behind = co_await connect_error(folder / "socket");
        CHECK(left_behind == "connect: Connection refused");
        CHECK(open_descriptors() == before);
    });
}

TEST_CASE("a listener leaves its path behind, and the path can be bound again once it is removed") {
    TemporaryFolder folder;
    run_io([&]() -> Co<void> {
        {
            auto listener = value_of(UnixListener::bind(at(folder / "socket")));
        }
        CHECK(bind_error(folder / "socket") == "bind: Address already in use");
        value_of(co_await remove(folder / "socket"));
        CHECK(bind_error(folder / "socket") == "no error");
    });
}

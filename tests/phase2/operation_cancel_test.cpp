// Every operation, dropped at every moment of its life: its buffer lives as long as the kernel may use it and
// no longer, its descriptors are closed once, nothing stays in flight.
#include "counted_buffer.hpp"
#include "support.hpp"

#include <ringlet/fs/buffered_file.hpp>
#include <ringlet/net/udp.hpp>
#include <ringlet/reactor/sys.hpp>

#include <array>
#include <netinet/in.h>
#include <sys/un.h>

using namespace support;

namespace {

enum Moment { never_polled, queued, in_flight, done_unseen, completed };
constexpr const char* names[] = {"never polled", "queued", "in flight", "done, not seen yet", "completed"};

// How long an operation stays in flight once the kernel has it.
enum Stays { not_at_all, a_while, until_it_happens };

// A scene sets an operation up and lets it happen. What they have in common unless they say otherwise:
struct Scene {
    static constexpr Stays stays = until_it_happens;
    static constexpr Moment last = completed;  // later moments cannot be had
    static constexpr int buffers = 0;          // that the operation owns
    int descriptors = 0;                       // opened since, and still open when all is over
    void happen() {}
};

struct NopScene : Scene {
    static constexpr Stays stays = not_at_all;
    auto start() { return Operation(operations::Nop()); }
};

struct PollScene : Scene {
    Pipe pipe = make_pipe();
    auto start() { return Operation(operations::PollAdd(pipe.reader.get(), POLLIN)); }
    void happen() { put(pipe.writer.get(), "x"); }
};

struct ReadScene : Scene {
    static constexpr int buffers = 1;
    Pipe pipe = make_pipe();
    SharedFd reader{std::move(pipe.reader)};
    auto start() {
        return Operation(operations::Read(reader, CountedBuffer(100), operations::at_current_position));
    }
    void happen() { put(pipe.writer.get(), "x"); }
};

struct WriteScene : Scene {
    static constexpr int buffers = 1;
    Pipe pipe = make_pipe();
    SharedFd writer{std::move(pipe.writer)};
    std::size_t filled = fill(writer.get());
    auto start() {
        return Operation(
            operations::Write(writer, CountedBuffer(100), operations::at_current_position, 100, true));
    }
    void happen() { CHECK(get(pipe.reader.get(), filled).size() == filled); }
};

struct SocketScene : Scene {
    static constexpr int buffers = 1;
    std::pair<UniqueFd, UniqueFd> ends;
    SharedFd here{std::move(ends.first)};
    int there = ends.second.get();
    explicit SocketScene(int type = SOCK_STREAM) : ends(sys::socket_pair(type).value()) {}
    void drain(std::size_t filled) {
        for (std::size_t drained = 0; drained < filled;) drained += get(there, filled).size();
    }
};

struct ReceiveScene : SocketScene {
    auto start() { return Operation(operations::Receive(here, CountedBuffer(100))); }
    void happen() { put(there, "x"); }
};

struct SendScene : SocketScene {
    std::size_t filled = fill(here.get());
    auto start() { return Operation(operations::SendAll(here, CountedBuffer(100))); }
    void happen() { drain(filled); }
};

struct ReceiveFromScene : SocketScene {
    ReceiveFromScene() : SocketScene(SOCK_DGRAM) {}
    auto start() { return Operation(operations::ReceiveFrom(here, CountedBuffer(100))); }
    void happen() { put(there, "x"); }
};

// To the peer that the socket is connected to: other datagrams are dropped where they do not fit.
struct SendToScene : SocketScene {
    SendToScene() : SocketScene(SOCK_DGRAM) {}
    std::size_t filled = fill(here.get());
    auto start() { return Operation(operations::SendTo(here, CountedBuffer(100), SocketAddress())); }
    void happen() { drain(filled); }
};

struct AcceptScene : Scene {
    UniqueFd client{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    SharedFd listener{UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))};
    sockaddr_un address{AF_UNIX, {}};
    socklen_t address_bytes = sizeof address;
    AcceptScene() {
        // An abstract name that the kernel chooses.
        auto* any = reinterpret_cast<sockaddr*>(&address);
        REQUIRE(bind(listener.get(), any, sizeof(sa_family_t)) == 0);
        REQUIRE(getsockname(listener.get(), any, &address_bytes) == 0);
        REQUIRE(listen(listener.get(), 8) == 0);
    }
    auto start() { return Operation(operations::Accept(listener)); }
    void happen() {
        REQUIRE(connect(client.get(), reinterpret_cast<sockaddr*>(&address), address_bytes) == 0);
    }
};

struct ConnectScene : Scene {
    static constexpr Stays stays = not_at_all;
    UniqueFd listener{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    SharedFd client = tcp_socket();
    sockaddr_storage address{};
    socklen_t address_bytes = sizeof(sockaddr_in);
    ConnectScene() {
        reinterpret_cast<sockaddr_in&>(address) = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {}};
        REQUIRE(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), address_bytes) == 0);
        REQUIRE(listen(listener.get(), 0) == 0);
        REQUIRE(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &address_bytes) == 0);
    }
    static SharedFd tcp_socket() {
        return SharedFd(UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    }
    auto start() { return Operation(operations::Connect(client, address, address_bytes)); }
};

// To a listener whose backlog, of one, is full: connecting hangs.
struct HangingConnectScene : ConnectScene {
    static constexpr Stays stays = until_it_happens;
    static constexpr Moment last = in_flight;
    SharedFd first = tcp_socket();
    HangingConnectScene() {
        REQUIRE(connect(first.get(), reinterpret_cast<sockaddr*>(&address), address_bytes) == 0);
    }
};

struct OpenScene : Scene {
    static constexpr Stays stays = not_at_all;
    auto start() { return Operation(operations::Open("/dev/null", O_RDONLY, 0)); }
};

// The kernel opens it on a thread of its own, and waits for the other side.
struct OpenFifoScene : Scene {
    std::string path = "/tmp/ringlet-fifo-" + std::to_string(getpid());
    UniqueFd other_side;
    OpenFifoScene() { REQUIRE(mkfifo(path.c_str(), 0600) == 0); }
    ~OpenFifoScene() { unlink(path.c_str()); }
    auto start() { return Operation(operations::Open(path, O_RDONLY | O_CREAT, 0600)); }
    void happen() {
        other_side = UniqueFd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
        descriptors = 1;
    }
};

struct SyncScene : Scene {
    static constexpr Stays stays = a_while;
    SharedFd file{UniqueFd(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600))};
    auto start() { return Operation(operations::Sync(file, 0)); }
};

// The kernel works on paths with threads of its own.
struct StatScene : Scene {
    static constexpr Stays stays = a_while;
    std::string path = "/tmp/ringlet-path-" + std::to_string(getpid());
    StatScene() { REQUIRE(mknod(path.c_str(), S_IFREG | 0600, 0) == 0); }
    ~StatScene() { unlink(path.c_str()); }
    auto start() { return Operation(operations::Stat(path)); }
};

struct RenameScene : StatScene {
    std::string renamed = path + "-renamed";
    ~RenameScene() { unlink(renamed.c_str()); }
    auto start() { return Operation(operations::Rename(path, renamed)); }
};

struct RemoveScene : StatScene {
    auto start() { return Operation(operations::Remove(path)); }
};

struct CloseScene : Scene {
    static constexpr Stays stays = not_at_all;
    Pipe pipe = make_pipe();
    CloseScene() { descriptors = -1; }
    auto start() { return Operation(operations::Close(std::move(pipe.reader))); }
};

template <class Op>
Co<void> await_it(Operation<Op> operation) {
    static_cast<void>(co_await operation);
}

// Goes on to `moment`; `begin` polls for the first time.
template <class S, class Begin>
Co<void> go_to(Moment moment, S& scene, Begin begin) {
    Reactor& reactor = Reactor::current();
    if (moment >= queued) co_await begin();
    if (moment >= in_flight) co_await round_trip();
    if (moment >= in_flight && S::stays != a_while)
        CHECK(reactor.in_flight() == (S::stays == not_at_all ? 0 : 1));
    if (moment >= done_unseen) scene.happen();
    auto over = [&] { return reactor.in_flight() == 0; };
    if (moment == completed) {
        CHECK(co_await eventually(over));
        co_await round_trip();
    }
}

// What must be true from the moment that nobody waits for the operation any more.
template <class S>
Co<void> see_it_end(S& scene, std::size_t descriptors_before) {
    Reactor& reactor = Reactor::current();
    CHECK(CountedBuffer::alive == (reactor.in_flight() > 0 ? S::buffers : 0));
    // Numbers that a second close would hit.
    std::array<UniqueFd, 8> decoys;
    for (UniqueFd& decoy : decoys) decoy = UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    auto over = [&] { return reactor.in_flight() == 0; };
    CHECK(co_await eventually(over));
    CHECK(CountedBuffer::alive == 0);
    for (UniqueFd& decoy : decoys) CHECK(fcntl(decoy.get(), F_GETFD) >= 0);
    CHECK(open_descriptors() ==
          descriptors_before + decoys.size() + static_cast<std::size_t>(scene.descriptors));
}

template <class S>
Co<void> drop_at(Moment moment) {
    S scene;
    std::size_t before = open_descriptors();
    {
        auto operation = scene.start();
        auto begin = [&]() -> Co<void> { CHECK_FALSE(co_await poll_once(operation)); };
        co_await go_to(moment, scene, begin);
    }
    co_await see_it_end(scene, before);
}

template <class S>
Co<void> cancel_at(Moment moment) {
    S scene;
    std::size_t before = open_descriptors();
    {
        auto task = spawn_local(await_it(scene.start()));
        if (moment == never_polled) task.cancel();
        auto begin = []() -> Co<void> { co_await yield_now(); };
        co_await go_to(moment, scene, begin);
        task.cancel();
        bool ended_by_itself = co_await task;
        if (moment < in_flight) CHECK_FALSE(ended_by_itself);
        if (moment == completed) CHECK(ended_by_itself);
    }
    co_await see_it_end(scene, before);
}

template <class S>
void end_at_every_moment() {
    std::size_t before = open_descriptors();
    for (int moment = never_polled; moment <= S::last; ++moment) {
        CAPTURE(std::string(names[moment]));
        run_io([=] { return drop_at<S>(static_cast<Moment>(moment)); });
        CHECK(open_descriptors() == before);
        run_io([=] { return cancel_at<S>(static_cast<Moment>(moment)); });
        CHECK(open_descriptors() == before);
    }
}

}  // namespace

TEST_CASE("a nop may end at any moment") { end_at_every_moment<NopScene>(); }
TEST_CASE("a poll may end at any moment") { end_at_every_moment<PollScene>(); }
TEST_CASE("a read may end at any moment") { end_at_every_moment<ReadScene>(); }
TEST_CASE("a write may end at any moment") { end_at_every_moment<WriteScene>(); }
TEST_CASE("a receive may end at any moment") { end_at_every_moment<ReceiveScene>(); }
TEST_CASE("a send may end at any moment") { end_at_every_moment<SendScene>(); }
TEST_CASE("a receive of a datagram may end at any moment") { end_at_every_moment<ReceiveFromScene>(); }
TEST_CASE("a send of a datagram may end at any moment") { end_at_every_moment<SendToScene>(); }
TEST_CASE("an accept may end at any moment") { end_at_every_moment<AcceptScene>(); }
TEST_CASE("a connect may end at any moment") { end_at_every_moment<ConnectScene>(); }
TEST_CASE("a connect that hangs may end at any moment") { end_at_every_moment<HangingConnectScene>(); }
TEST_CASE("an open may end at any moment") { end_at_every_moment<OpenScene>(); }
TEST_CASE("an open that blocks may end at any moment") { end_at_every_moment<OpenFifoScene>(); }
TEST_CASE("a sync may end at any moment") { end_at_every_moment<SyncScene>(); }
TEST_CASE("a stat may end at any moment") { end_at_every_moment<StatScene>(); }
TEST_CASE("a rename may end at any moment") { end_at_every_moment<RenameScene>(); }
TEST_CASE("a removal may end at any moment") { end_at_every_moment<RemoveScene>(); }
TEST_CASE("a close may be dropped at any moment, and closes") { end_at_every_moment<CloseScene>(); }

TEST_CASE("what is written after an abandoned read is gone stays in the pipe") {
    ReadScene scene;
    run_io([&]() -> Co<void> {
        Reactor& reactor = Reactor::current();
        {
            auto read = scene.start();
            CHECK_FALSE(co_await poll_once(read));
            co_await round_trip();
        }
        auto over = [&] { return reactor.in_flight() == 0; };
        CHECK(co_await eventually(over));
        put(scene.pipe.writer.get(), "for another reader");
        co_await round_trip();
        CHECK(get(scene.reader.get()) == "for another reader");
    });
}

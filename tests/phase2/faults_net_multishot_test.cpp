// RELIABILITY rows 17, 18 and 19: operations that complete many times: they end without saying more, they
// run out of buffers, and they bring buffers that nobody wants any more.
#include "kernel_spy.hpp"
#include "net_support.hpp"
#include "raw_ring.hpp"

using namespace support;

namespace {

// Sixteen completions fit.
constexpr ParkerOptions tiny_queue{.ring_depth = 1, .buffer_count = 64, .buffer_bytes = 64};

bool goes_on(const Completion& completion) { return completion.flags & IORING_CQE_F_MORE; }

BufferGroup& group() { return *value_of(Reactor::current().buffers()); }

int buffers_filled() {
    return spy.count([](const SpyEvent& e) {
        return e.kind == SpyEvent::completed && e.opcode == IORING_OP_RECV && e.flags & IORING_CQE_F_BUFFER;
    });
}

}  // namespace

TEST_CASE("R17: contract: with the completion queue full a multishot receive ends with a good result") {
    RawRing ring(8, 8);
    RawBuffers buffers(ring, 64, 64);
    auto [ours, theirs] = raw_pair(SOCK_DGRAM);
    for (int i = 0; i < 30; ++i) put(theirs.get(), "four");
    RawBuffers::receive(ring.entry(), ours.get());
    ring.submit();
    auto seen = ring.reap();
    REQUIRE(seen.size() < 30);
    CHECK(seen.back().result == 4);
    CHECK(!goes_on(seen.back()));
    for (std::size_t i = 0; i + 1 < seen.size(); ++i) CHECK(goes_on(seen[i]));
    CHECK(peek_one(ours.get()) == 1);  // the rest waits in the socket
}

TEST_CASE("R17: a stream whose multishot receive ends silently is armed again, and no byte is lost") {
    auto receive = []() -> Co<void> {
        auto [stream, peer] = half_raw_pair();
        std::string text = pattern(40 * 64);
        put(peer.get(), text);
        std::string heard = co_await read_exactly(stream, text.size());
        CHECK(spy.ended_silently(IORING_OP_RECV) >= 1);
        CHECK(heard == text);
        CHECK(spy.submitted(IORING_OP_RECV) >= 2);
        put(peer.get(), "and on it goes");
        std::string more = co_await read_exactly(stream, 14);
        CHECK(more == "and on it goes");
    };
    run_io(receive, tiny_queue);
}

TEST_CASE("R17: a listener whose multishot accept ends silently is armed again, and no connection is lost") {
    auto accept = []() -> Co<void> {
        auto listener = value_of(TcpListener::bind(SocketAddress::loopback(0)));
        std::vector<UniqueFd> clients;
        for (int i = 0; i < 40; ++i) {
            clients.push_back(raw_connection(port_of(listener)));
            put(clients.back().get(), std::to_string(100 + i));
        }
        std::vector<TcpStream> streams;
        for (int i = 0; i < 40; ++i) streams.push_back(value_of(co_await listener.accept()));
        CHECK(spy.ended_silently(IORING_OP_ACCEPT) >= 1);
        CHECK(spy.submitted(IORING_OP_ACCEPT) >= 2);
        for (int i = 0; i < 40; ++i) {
            std::string heard = co_await read_exactly(streams[i], 3);
            CHECK(heard == std::to_string(100 + i));
        }
    };
    run_io(accept, tiny_queue);
}

TEST_CASE("R18: contract: without a buffer a multishot receive ends with ENOBUFS, and loses no byte") {
    RawRing ring;
    RawBuffers buffers(ring, 4, 8);
    auto [ours, theirs] = raw_pair();
    std::string text = pattern(48);
    put(theirs.get(), text);
    RawBuffers::receive(ring.entry(), ours.get());
    ring.submit();
    auto seen = ring.reap();
    REQUIRE(seen.size() == 5);
    CHECK(seen[4].result == -ENOBUFS);
    CHECK(!goes_on(seen[4]));
    std::string heard;
    for (int i = 0; i < 4; ++i) heard += buffers.filled(seen[i]);
    for (int i = 0; i < 4; ++i) buffers.provide(RawBuffers::id_of(seen[i]));
    RawBuffers::receive(ring.entry(), ours.get());
    ring.submit();
    seen = ring.reap();
    REQUIRE(seen.size() == 2);
    for (const Completion& completion : seen) heard += buffers.filled(completion);
    CHECK(heard == text);
}

TEST_CASE("R18: a stream that meets ENOBUFS waits for buffers, is armed again, and no byte is lost") {
    auto receive = []() -> Co<void> {
        auto [stream, peer] = half_raw_pair();
        std::string text = pattern(3000);
        put(peer.get(), text);
        std::string heard;
        std::vector<Lease> held;
        while (heard.size() < text.size()) {
            held.push_back(value_of(co_await stream.read_lease()));
            heard += held.back().text();
            if (held.size() == 4) held.clear();
        }
        CHECK(spy.completed(IORING_OP_RECV, -ENOBUFS) >= 1);
        CHECK(spy.submitted(IORING_OP_RECV) >= 2);
        CHECK(heard == text);
        held.clear();
        CHECK(group().free() == 4);
    };
    run_io(receive, ParkerOptions{.buffer_count = 4, .buffer_bytes = 64});
}

TEST_CASE("R18: two streams that meet ENOBUFS at once both go on") {
    auto receive = []() -> Co<void> {
        auto [first, first_peer] = half_raw_pair();
        auto [second, second_peer] = half_raw_pair();
        put(first_peer.get(), pattern(3000, 1));
        put(second_peer.get(), pattern(3000, 2));
        auto heard = co_await join(read_exactly(first, 3000), read_exactly(second, 3000));
        CHECK(spy.completed(IORING_OP_RECV, -ENOBUFS) >= 2);
        CHECK(std::get<0>(heard) == pattern(3000, 1));
        CHECK(std::get<1>(heard) == pattern(3000, 2));
        CHECK(group().free() == 4);
    };
    run_io(receive, ParkerOptions{.buffer_count = 4, .buffer_bytes = 64});
}

TEST_CASE("R19: buffers filled for streams that were dropped meanwhile go back: the count returns to N") {
    auto drop = []() -> Co<void> {
        int too_late = 0;
        for (int i = 0; i < 200; ++i) {
            auto [stream, peer] = half_raw_pair();
            put(peer.get(), pattern(200));
            auto read = stream.read_lease();
            bool ready = co_await poll_once(read);
            CHECK(!ready);
            if (i % 4 == 0) continue;  // before the kernel has heard of it
            int before = buffers_filled();
            Reactor::current().flush();
            REQUIRE(buffers_filled() > before);
            if (i % 4 == 1) {
                // Filled by the kernel and not yet told to the stream.
                ++too_late;
                continue;
            }
            co_await round_trip();
            if (i % 4 == 2) continue;  // queued in the stream, and perhaps more on the way
            std::string part = co_await read_exactly(stream, 70);
            CHECK(part == pattern(200).substr(0, 70));
        }
        co_await all_ended();
        CHECK(too_late == 50);
        CHECK(group().count() == 16);
        CHECK(group().free() == 16);
        // And the kernel has them all, in truth and not in our books only.
        auto [first, first_peer] = half_raw_pair();
        auto [second, second_peer] = half_raw_pair();
        put(first_peer.get(), pattern(8 * 64));
        put(second_peer.get(), pattern(8 * 64));
        std::vector<Lease> leases;
        for (int i = 0; i < 8; ++i) {
            leases.push_back(value_of(co_await first.read_lease()));
            leases.push_back(value_of(co_await second.read_lease()));
        }
        CHECK(group().free() == 0);
    };
    run_io(drop, ParkerOptions{.buffer_count = 16, .buffer_bytes = 64});
}

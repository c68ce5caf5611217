// A group of four buffers of 64 bytes, which runs dry all the time: streams wait for a buffer and go on.
#include "net_support.hpp"

#include <thread>

using namespace support;

namespace {

constexpr ParkerOptions four_small_buffers{.buffer_count = 4, .buffer_bytes = 64};

BufferGroup& group() { return *value_of(Reactor::current().buffers()); }

Co<std::vector<Lease>> take_all_buffers(Stream& stream, int peer) {
    put(peer, pattern(4 * 64));
    std::vector<Lease> leases;
    for (int i = 0; i < 4; ++i) leases.push_back(value_of(co_await stream.read_lease()));
    CHECK(!group().has_free());
    co_return leases;
}

}  // namespace

TEST_CASE("four small buffers carry a quarter of a megabyte, every byte in its place") {
    auto transfer = []() -> Co<void> {
        auto [stream, peer] = half_raw_pair();
        std::string text = pattern(1 << 18);
        std::thread writer([&, peer = std::move(peer)] { put_all(peer.get(), text); });
        std::string heard = co_await read_to_end(stream);
        writer.join();
        CHECK(heard == text);
        CHECK(group().free() == 4);
    };
    run_io(transfer, four_small_buffers);
}

TEST_CASE("ten streams share four small buffers, and each gets its own bytes") {
    auto transfer = []() -> Co<void> {
        std::vector<std::pair<UnixStream, UnixStream>> pairs;
        for (int i = 0; i < 10; ++i) pairs.push_back(value_of(UnixStream::pair()));
        std::vector<JoinHandle<void>> tasks;
        for (int i = 0; i < 10; ++i) {
            tasks.push_back(spawn_local([&pair = pairs[i], i]() -> Co<void> {
                co_await send_text(pair.first, pattern(20'000, i));
                value_of(pair.first.shutdown_write());
            }));
            tasks.push_back(spawn_local([&pair = pairs[i], i]() -> Co<void> {
                std::string heard = co_await read_to_end(pair.second);
                CHECK(heard == pattern(20'000, i));
            }));
        }
        for (auto& task : tasks) co_await task;
        CHECK(group().free() == 4);
    };
    run_io(transfer, four_small_buffers);
}

TEST_CASE("a stream that finds the group dry waits for one buffer to come back, from whichever stream") {
    auto transfer = []() -> Co<void> {
        auto [greedy, greedy_peer] = half_raw_pair();
        auto leases = co_await take_all_buffers(greedy, greedy_peer.get());
        auto [stream, peer] = half_raw_pair();
        put(peer.get(), "patience");
        auto reader = spawn_local(read_exactly(stream, 8));
        co_await settled();
        CHECK(!reader.is_finished());
        leases.pop_back();
        CHECK((co_await reader).value() == "patience");
    };
    run_io(transfer, four_small_buffers);
}

TEST_CASE("a read that is dropped while it waits for a buffer leaves the line of those who wait") {
    auto transfer = []() -> Co<void> {
        auto [greedy, greedy_peer] = half_raw_pair();
        auto leases = co_await take_all_buffers(greedy, greedy_peer.get());
        std::optional<std::pair<Stream, UniqueFd>> waiting(half_raw_pair());
        put(waiting->second.get(), "x");
        auto reader = spawn_local(read_to_end(waiting->first));
        co_await settled();
        reader.cancel();
        co_await reader;
        waiting.reset();
        leases.clear();
        CHECK(group().free() == 4);

        auto [stream, peer] = half_raw_pair();
        put(peer.get(), "served");
        std::string heard = co_await read_exactly(stream, 6);
        CHECK(heard == "served");
    };
    run_io(transfer, four_small_buffers);
}

TEST_CASE("the end of a stream and its error are seen although the group is dry") {
    auto transfer = []() -> Co<void> {
        auto [greedy, greedy_peer] = half_raw_pair();
        auto leases = co_await take_all_buffers(greedy, greedy_peer.get());
        auto [stream, peer] = half_raw_pair();
        {
            auto ended = std::move(peer);
        }
        auto reader = spawn_local(read_to_end(stream));
        co_await settled();
        leases.pop_back();  // the kernel asks for a buffer even to tell of the end
        CHECK((co_await reader).value().empty());
        CHECK(group().free() == 1);
    };
    run_io(transfer, four_small_buffers);
}

// The kernel empties a socket into as many buffers as it takes, before it hears that the stream has enough.
TEST_CASE("slow readers keep eight buffers each, however much has arrived for them") {
    constexpr ParkerOptions some_buffers{.buffer_count = 64, .buffer_bytes = 1024};
    constexpr std::size_t pending = 60 << 10;  // each fills 60 buffers
    auto reading = []() -> Co<void> {
        std::vector<std::pair<Stream, UniqueFd>> slow;
        for (int i = 0; i < 4; ++i) {
            slow.push_back(half_raw_pair());
            put_all(slow.back().second.get(), pattern(pending, i));
        }
        std::vector<Lease> held;
        for (auto& [stream, peer] : slow) held.push_back(value_of(co_await stream.read_lease()));
        co_await settled();
        CHECK(group().free() == 64 - 4 * 8);
        auto [stream, peer] = half_raw_pair();
        put(peer.get(), "quick");
        auto quick = spawn_local(read_exactly(stream, 5));
        co_await until([&quick] { return quick.is_finished(); });
        CHECK((co_await quick).value() == "quick");
        for (int i = 0; i < 4; ++i) {
            std::string heard(held[i].text());
            held[i] = Lease();
            heard += co_await read_exactly(slow[i].first, pending - heard.size());
            CHECK(heard == pattern(pending, i));
        }
        CHECK(group().free() == 64);
    };
    run_io(reading, some_buffers);
}

// Channel mesh: every peer reaches every other one, in order; no circle of full channels stands still; a peer
// that is gone, or never came, is a closed channel.
#include "channel_support.hpp"
#include "support.hpp"

#include <ringlet/channel/channel_mesh.hpp>

#include <numeric>

using namespace support;

namespace {

struct Note {
    PeerId from;
    int number;
};

// Sends `count` notes to each other peer before it receives any, then receives all, peer by peer, beginning
// after itself: so each waits for another one. Gives the sum of the numbers.
Co<long> all_to_all(MeshSeat<Note> seat, int count) {
    MeshPeer<Note> mesh = std::move(seat).join();
    for (int number = 0; number < count; ++number) {
        for (PeerId to = 0; to < mesh.size(); ++to) {
            if (!mesh.sends_to(to)) continue;
            CHECK(co_await mesh.send_to(to, Note(mesh.id(), number)));
        }
    }
    long sum = 0;
    for (PeerId step = 1; step < mesh.size(); ++step) {
        PeerId from = (mesh.id() + step) % mesh.size();
        for (int number = 0; number < count; ++number) {
            auto note = co_await mesh.recv_from(from);
            if (!note || note->from != from || note->number != number) co_return -1;
            sum += note->number;
        }
    }
    co_return sum;
}

// The same, but takes what comes first.
Co<long> all_to_any(MeshSeat<Note> seat, int count) {
    MeshPeer<Note> mesh = std::move(seat).join();
    std::vector<int> next(mesh.size());
    for (int number = 0; number < count; ++number) {
        for (PeerId to = 0; to < mesh.size(); ++to) {
            if (!mesh.sends_to(to)) continue;
            CHECK(co_await mesh.send_to(to, Note(mesh.id(), number)));
        }
    }
    mesh.stop_sending();
    long sum = 0;
    while (auto note = co_await mesh.recv()) {
        if (note->from != note->item.from || note->item.number != next[note->from]++) co_return -1;
        sum += note->item.number;
    }
    co_return sum;
}

long expected_sum(std::size_t peers, int count) {
    return static_cast<long>(peers - 1) * count * (count - 1) / 2;
}

// One after another a turn each, until all tasks are done.
template <class Handles>
bool finish(LocalExecutor& executor, Handles& handles) {
    return turn_until(executor, [&] {
        return std::ranges::all_of(handles, [](auto& handle) { return handle.is_finished(); });
    });
}

}  // namespace

TEST_CASE("all send to all before they receive, through channels of one slot, in one executor") {
    constexpr int count = 50;
    for (std::size_t peers : {2, 3, 4, 5, 8}) {
        for (auto body : {&all_to_all, &all_to_any}) {
            CAPTURE(peers);
            auto executor = make_executor();
            auto seats = channel_mesh::full<Note>(peers, 1);
            std::vector<JoinHandle<long>> tasks;
            for (auto& seat : seats) tasks.push_back(executor->spawn_local(body(std::move(seat), count)));
            REQUIRE(finish(*executor, tasks));
            for (auto& task : tasks) CHECK(poll(task).take() == expected_sum(peers, count));
        }
    }
}

TEST_CASE("all send to all before they receive, eight peers on two shards") {
    constexpr std::size_t peers = 8;
    constexpr int count = 200;
    auto seats = channel_mesh::full<Note>(peers, 1);
    std::atomic<int> right = 0;
    auto pool = start_pool(2, [&](Shard& shard) -> Co<void> {
        std::vector<JoinHandle<long>> tasks;
        for (PeerId id = shard.id(); id < peers; id += 2) {
            auto body = id < 4 ? &all_to_all : &all_to_any;
            tasks.push_back(spawn_local(body(std::move(seats[id]), count)));
        }
        for (auto& task : tasks) right += co_await task == expected_sum(peers, count);
    });
    pool.join_all();
    CHECK(right == peers);
}

TEST_CASE("roles: producers reach consumers, and nobody else anybody") {
    MeshRole roles[] = {MeshRole::producer, MeshRole::consumer, MeshRole::both};
    auto seats = channel_mesh::partial<int>(roles, 2);
    auto executor = make_executor();
    executor->run([&]() -> Co<void> {
        auto producer = std::move(seats[0]).join();
        auto consumer = std::move(seats[1]).join();
        auto both = std::move(seats[2]).join();
        CHECK(producer.id() == 0);
        CHECK(both.size() == 3);
        CHECK((producer.sends_to(1) && producer.sends_to(2) && both.sends_to(1)));
        CHECK((consumer.receives_from(0) && consumer.receives_from(2) && both.receives_from(0)));
        CHECK_FALSE(
            (producer.sends_to(0) || consumer.sends_to(0) || consumer.sends_to(2) || both.sends_to(0)));
        CHECK_FALSE((producer.receives_from(2) || both.receives_from(1) || both.receives_from(3)));
        CHECK(co_await producer.send_to(2, 7));
        CHECK(co_await both.send_to(1, 8));
        CHECK(co_await both.recv_from(0) == 7);
        auto any = co_await consumer.recv();
        REQUIRE(any);
        CHECK(any->from == 2);
        CHECK(any->item == 8);
    });
}

TEST_CASE("what is set aside while a send waits comes first, and in order") {
    auto executor = make_executor();
    auto seats = channel_mesh::full<int>(3, 1);
    executor->run([&]() -> Co<void> {
        auto waiting = std::move(seats[0]).join();
        auto full = std::move(seats[1]).join();
        auto other = std::move(seats[2]).join();
        CHECK(waiting.try_send_to(1, 1));
        Wait sending(waiting.send_to(1, 2));
        CHECK_FALSE(sending.poll());
        for (int number = 0; number < 10; ++number) CHECK(co_await other.send_to(0, number));
        CHECK(co_await full.recv_from(0) == 1);
        CHECK(co_await eventually([&] { return sending.poll(); }));
        // From now on, one waits in its channel, and no more.
        CHECK(other.try_send_to(0, 10));
        CHECK(other.try_send_to(0, 11).error().why == NotSent::would_block);
        for (int number = 0; number < 11; ++number) CHECK(co_await waiting.recv_from(2) == number);
    });
}

TEST_CASE("recv holds back who is too fast, and hears everybody in turn") {
    auto executor = make_executor();
    auto seats = channel_mesh::full<int>(3, 2);
    executor->run([&]() -> Co<void> {
        auto slow = std::move(seats[0]).join();
        auto first = std::move(seats[1]).join();
        auto second = std::move(seats[2]).join();
        Wait receiving(slow.recv());
        CHECK_FALSE(receiving.poll());
        for (auto* fast : {&first, &second}) {
            CHECK(fast->try_send_to(0, 1));
            CHECK(fast->try_send_to(0, 2));
        }
        CHECK(co_await eventually([&] { return receiving.is_woken(); }));
        CHECK(first.try_send_to(0, 3).error().why == NotSent::would_block);
        REQUIRE(receiving.poll());
        PeerId heard = (*receiving.output)->from;
        for (int turn = 0; turn < 3; ++turn) {
            auto next = co_await slow.recv();
            CHECK(next->from != heard);
            heard = next->from;
        }
    });
}

TEST_CASE("tasks that wait for different peers, or for any, are each woken") {
    auto executor = make_executor();
    auto seats = channel_mesh::full<int>(3, 1);
    executor->run([&]() -> Co<void> {
        auto here = std::move(seats[0]).join();
        auto one = std::move(seats[1]).join();
        auto two = std::move(seats[2]).join();
        Wait from_one(here.recv_from(1));
        Wait from_two(here.recv_from(2));
        CHECK_FALSE(from_one.poll());
        CHECK_FALSE(from_two.poll());
        CHECK(two.try_send_to(0, 2));
        CHECK(co_await eventually([&] { return from_two.is_woken(); }));
        CHECK_FALSE(from_one.is_woken());
        CHECK(from_two.poll());
        CHECK(one.try_send_to(0, 1));
        CHECK(co_await eventually([&] { return from_one.is_woken(); }));
        from_one.drop();
        Wait any(here.recv());
        REQUIRE(any.poll());  // the item was not the dropped one's
        CHECK((*any.output)->from == 1);
        Wait last(here.recv());
        CHECK_FALSE(last.poll());
        CHECK(two.try_send_to(0, 3));
        CHECK(co_await eventually([&] { return last.is_woken(); }));
        CHECK(last.poll());
    });
}

TEST_CASE("R48: a peer that never joins is a closed channel to the others") {
    auto executor = make_executor();
    auto seats = channel_mesh::full<int>(3, 1);
    executor->run([&]() -> Co<void> {
        auto here = std::move(seats[0]).join();
        auto other = std::move(seats[1]).join();
        CHECK(co_await here.send_to(2, 1));  // it may yet come
        Wait to_nobody(here.send_to(2, 2));
        Wait from_nobody(here.recv_from(2));
        Wait from_any(other.recv());
        CHECK_FALSE(to_nobody.poll());
        CHECK_FALSE(from_nobody.poll());
        CHECK_FALSE(from_any.poll());
        seats.clear();
        CHECK(co_await eventually([&] { return to_nobody.is_woken() && from_nobody.is_woken(); }));
        CHECK(to_nobody.poll());
        CHECK(to_nobody.output->error().why == NotSent::closed);
        to_nobody.drop();  // before its end of the channel goes
        CHECK(from_nobody.poll());
        CHECK_FALSE(from_nobody.output->has_value());
        CHECK_FALSE(from_any.poll());  // peer 0 is there
        here.stop_sending();
        CHECK(co_await eventually([&] { return from_any.is_woken(); }));
        CHECK(from_any.poll());
        CHECK_FALSE(from_any.output->has_value());
    });
}

TEST_CASE("R48: a peer that dies with items set aside and sends waiting frees all, and frees the others") {
    Census census;
    {
        auto executor = make_executor();
        auto seats = channel_mesh::full<Numbered>(3, 1);
        std::vector<JoinHandle<int>> tasks;
        auto never_receives = [](MeshSeat<Numbered> seat, Census& census) -> Co<int> {
            auto mesh = std::move(seat).join();
            int sent = 0;
            for (;; ++sent) {
                PeerId to = (mesh.id() + 1 + sent % 2) % 3;
                Numbered item{sent, Census::Member(census)};
                if (!co_await mesh.send_to(to, std::move(item))) co_return sent;
                if (mesh.id() == 0 && sent == 100) co_return sent;
            }
        };
        for (auto& seat : seats) {
            tasks.push_back(executor->spawn_local(never_receives(std::move(seat), census)));
        }
        REQUIRE(finish(*executor, tasks));
        for (auto& task : tasks) CHECK(poll(task).take() >= 100);
    }
    CHECK(census.entered > 300);
    CHECK(census.alive() == 0);
    CHECK(census.faults == 0);
}

TEST_CASE("a peer has no channel to itself") {
    ChildEnd end = run_in_child([] {
        auto executor = make_executor();
        auto seats = channel_mesh::full<int>(2, 1);
        auto mesh = inside(*executor, [&] { return std::move(seats[0]).join(); });
        static_cast<void>(mesh.try_send_to(0, 1));
    });
    CHECK(end.aborted());
    CHECK(end.says("the mesh has no channel to this peer"));
}

TEST_CASE("who waits for any peer is told once that one is gone, and sleeps on while others may send") {
    auto executor = make_executor();
    auto seats = channel_mesh::full<int>(3, 1);
    int polls = 0;
    executor->run([&]() -> Co<void> {
        MeshPeer<int> mesh = std::move(seats[0]).join();
        MeshPeer<int> stays = std::move(seats[1]).join();
        seats.pop_back();
        auto recv = mesh.recv();
        auto counted = poll_fn([&](Context& context) {
            ++polls;
            return recv.poll(context);
        });
        co_await timeout(20ms, std::move(counted));
    });
    CHECK(polls >= 1);
    CHECK(polls <= 3);
}

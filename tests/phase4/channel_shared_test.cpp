// Shared channel: what is sent on one executor is received on the other, once and in order, with no more
// wakes than it takes, whoever goes away and whenever.
#include "channel_support.hpp"

using namespace support;

TEST_CASE("items arrive in order, and the capacity is exact though the ring is larger") {
    Line<Item> line(3);
    for (int lap = 0; lap < 5; ++lap) {
        for (int value = 0; value < 3; ++value) CHECK(line.sender->try_send(item(value)));
        auto refused = line.sender->try_send(item(7));
        REQUIRE_FALSE(refused);
        CHECK(refused.error().why == NotSent::would_block);
        CHECK(*refused.error().item == 7);
        for (int value = 0; value < 3; ++value) CHECK(receive(*line.receiver) == value);
        CHECK_FALSE(line.receiver->try_recv());
    }
}

TEST_CASE("a recv that waits is woken by one message, which arrives at the executor's turn") {
    CountWakes wakes;
    Line<Item> line(4);
    Receiving first(line.receiver->recv());
    CHECK_FALSE(first.poll());
    CHECK(line.sender->try_send(item(1)));
    CHECK(line.sender->try_send(item(2)));
    CHECK(wakes.count == 1);
    CHECK_FALSE(first.is_woken());
    line.b->turn(false);
    CHECK(first.is_woken());
    REQUIRE(first.poll());
    CHECK(received(first) == 1);
    CHECK(receive(*line.receiver) == 2);
    CHECK(line.sender->try_send(item(3)));
    CHECK(wakes.count == 1);  // nobody waits
}

TEST_CASE("a send that waits for room is woken, and those who wait get in one after another") {
    CountWakes wakes;
    Line<Item> line(1);
    CHECK(line.sender->try_send(item(1)));
    Sending second(line.sender->send(item(2)));
    Sending third(line.sender->send(item(3)));
    CHECK_FALSE(second.poll());
    CHECK_FALSE(third.poll());
    CHECK(receive(*line.receiver) == 1);
    CHECK(wakes.count == 1);
    line.a->turn(false);
    CHECK(second.is_woken());
    CHECK_FALSE(third.is_woken());
    CHECK(line.sender->try_send(item(4)).error().why == NotSent::would_block);  // it is promised
    CHECK(second.poll());
    CHECK(was_sent(second));
    CHECK(receive(*line.receiver) == 2);
    line.a->turn(false);
    CHECK(third.poll());
    CHECK(receive(*line.receiver) == 3);
}

TEST_CASE("a wait that is dropped passes on what it was promised") {
    Line<Item> line(4);
    Receiving dropped(line.receiver->recv());
    Receiving next(line.receiver->recv());
    CHECK_FALSE(dropped.poll());
    CHECK_FALSE(next.poll());
    CHECK(line.sender->try_send(item(1)));
    line.b->turn(false);
    REQUIRE(dropped.is_woken());
    dropped.drop();
    CHECK(next.is_woken());
    CHECK(next.poll());
    CHECK(received(next) == 1);
}

TEST_CASE("R45: what happens between the question and the look is seen by the look") {
    Line<Item> line(1);
    int windows = 0;
    SUBCASE("the receiver asks, an item comes") {
        AtPoint hooks([&](std::string_view id) {
            if (id != "channel: asked" || windows++ > 0) return;
            CHECK(line.sender->try_send(item(1)));
        });
        Receiving wait(line.receiver->recv());
        CHECK_FALSE(wait.poll());
        CHECK(windows == 1);
        CHECK(wait.is_woken());  // without a turn of its executor
        CHECK(wait.poll());
        CHECK(received(wait) == 1);
    }
    SUBCASE("the sender asks, room is made") {
        CHECK(line.sender->try_send(item(1)));
        AtPoint hooks([&](std::string_view id) {
            if (id != "channel: asked" || windows++ > 0) return;
            CHECK(receive(*line.receiver) == 1);
        });
        Sending wait(line.sender->send(item(2)));
        CHECK_FALSE(wait.poll());
        CHECK(wait.is_woken());
        CHECK(wait.poll());
        CHECK(receive(*line.receiver) == 2);
    }
    SUBCASE("an item is published, and the receiver asks before the sender looks") {
        Receiving wait(line.receiver->recv());
        AtPoint hooks([&](std::string_view id) {
            if (id != "channel: publish" || windows++ > 0) return;
            CHECK_FALSE(wait.poll());
        });
        CHECK(line.sender->try_send(item(1)));
        CHECK(windows == 1);
        line.b->turn(false);
        CHECK(wait.is_woken());
        CHECK(wait.poll());
    }
}

TEST_CASE("a message that arrives late says nothing new") {
    CountWakes wakes;
    Line<Item> line(4);
    Receiving dropped(line.receiver->recv());
    CHECK_FALSE(dropped.poll());
    CHECK(line.sender->try_send(item(1)));
    CHECK(line.sender->try_send(item(2)));
    REQUIRE(wakes.count == 1);
    dropped.drop();
    CHECK(receive(*line.receiver) == 1);
    CHECK(receive(*line.receiver) == 2);
    line.b->turn(false);
    CHECK_FALSE(line.receiver->try_recv());
    CHECK(line.sender->try_send(item(3)));
    CHECK(receive(*line.receiver) == 3);
}

TEST_CASE("many are sent and received at once, around the end of the ring") {
    Line<int> line(6);
    std::vector<int> out, into;
    int next = 0;
    for (int round = 0; round < 20; ++round) {
        out.assign({next, next + 1, next + 2, next + 3, next + 4});
        CHECK(line.sender->try_send_many(out) == 5);
        out.assign({-1, -2});
        CHECK(line.sender->try_send_many(out) == 1);
        into.clear();
        while (line.receiver->try_recv_many(into, 4) > 0) {
        }
        CHECK(into == std::vector<int>{next, next + 1, next + 2, next + 3, next + 4, -1});
        next += 5;
    }
}

TEST_CASE("send_many waits for room as often as it must; recv_many gives what there is") {
    Line<int> line(4);
    std::vector<int> out{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, into;
    Wait sending(line.sender->send_many(out));
    Wait receiving(line.receiver->recv_many(into, 100));
    CHECK_FALSE(receiving.poll());
    CHECK_FALSE(sending.poll());
    line.b->turn(false);
    REQUIRE(receiving.poll());
    CHECK(receiving.output == 4);
    line.a->turn(false);
    CHECK_FALSE(sending.poll());
    while (line.receiver->try_recv_many(into, 3) > 0) {
    }
    line.a->turn(false);
    REQUIRE(sending.poll());
    CHECK(sending.output == 10);
    while (line.receiver->try_recv_many(into, 3) > 0) {
    }
    CHECK(into == out);
    SUBCASE("the receiver is gone: it gives how many were sent") {
        Wait refused(line.sender->send_many(out));
        CHECK_FALSE(refused.poll());
        line.receiver.reset();
        line.a->turn(false);
        REQUIRE(refused.poll());
        CHECK(refused.output == 4);
    }
    SUBCASE("the sender is gone: it gives nothing") {
        Wait last(line.receiver->recv_many(into, 3));
        CHECK_FALSE(last.poll());
        line.sender.reset();
        line.b->turn(false);
        REQUIRE(last.poll());
        CHECK(last.output == 0);
    }
}

TEST_CASE("tasks of two executors talk through a channel of one slot") {
    auto a = make_executor();
    auto b = make_executor();
    auto [sender, receiver] = shared_channel::new_bounded<int>(1);
    auto sending = a->spawn_local([sender = std::move(sender)]() mutable -> Co<int> {
        auto end = std::move(sender).connect();
        int sent = 0;
        for (; sent < 1'000; ++sent) CHECK(co_await end.send(sent));
        co_return sent;
    });
    int sum = 0;
    auto receiving = b->spawn_local([receiver = std::move(receiver), &sum]() mutable -> Co<void> {
        auto end = std::move(receiver).connect();
        while (auto got = co_await end.recv()) sum += *got;
    });
    while (!receiving.is_finished()) {
        a->turn(false);
        b->turn(false);
    }
    CHECK(sum == 999 * 500);
}

TEST_CASE("an end that is to receive nothing, or is used in another executor, aborts") {
    CHECK(run_in_child([] {
              Line<int> line(1);
              std::vector<int> into;
              static_cast<void>(line.receiver->try_recv_many(into, 0));
          }).says("at most 0 items"));
    CHECK(run_in_child([] {
              Line<int> line(1);
              std::vector<int> into;
              static_cast<void>(line.receiver->recv_many(into, 0));
          }).says("at most 0 items"));
    CHECK(run_in_child([] {
              Line<int> line(1);
              Wait wait(line.receiver->recv());
              inside(*line.a, [&] { return wait.poll(); });
          }).says("away from the executor that it is connected to"));
}

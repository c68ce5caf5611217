// Local channel: items arrive once and in order, and whoever waits is woken when it can go on and only then.
// What is dropped or closed meanwhile: channel_drop_test.cpp.
#include "channel_support.hpp"

#include "../phase1/counted_new.hpp"

#include <array>
#include <set>

using namespace support;

TEST_CASE("items come out in the order in which they went in") {
    auto [sender, receiver] = local_channel::new_bounded<Item>(3);
    for (int round = 0; round < 5; ++round) {  // the ring wraps
        CHECK(sender.try_send(item(1)));
        CHECK(sender.try_send(item(2)));
        CHECK(sender.len() == 2);
        CHECK(receive(receiver) == 1);
        CHECK(receive(receiver) == 2);
        CHECK(sender.len() == 0);
    }
}

TEST_CASE("a full channel gives the item back") {
    auto [sender, receiver] = local_channel::new_bounded<Item>(2);
    CHECK(sender.try_send(item(1)));
    CHECK_FALSE(sender.is_full());
    CHECK(sender.try_send(item(2)));
    CHECK(sender.is_full());
    auto sent = sender.try_send(item(3));
    REQUIRE_FALSE(sent);
    CHECK(sent.error().why == NotSent::would_block);
    CHECK(*sent.error().item == 3);
    CHECK(sender.len() == 2);
    CHECK(receive(receiver) == 1);
    CHECK_FALSE(sender.is_full());
}

TEST_CASE("an unbounded channel is never full, and keeps the order while it grows") {
    auto [sender, receiver] = local_channel::new_unbounded<Item>();
    int sent = 0;
    int taken = 0;
    for (int round = 0; round < 50; ++round) {
        for (int count = 0; count < 7; ++count) CHECK(sender.try_send(item(sent++)));
        CHECK_FALSE(sender.is_full());
        for (int count = 0; count < 5; ++count) CHECK(receive(receiver) == taken++);
    }
    Sending last(sender.send(item(sent++)));
    CHECK(last.poll());
    while (taken < sent) CHECK(receive(receiver) == taken++);
    CHECK(sender.len() == 0);
}

TEST_CASE("recv waits for an item, and one item wakes one") {
    auto [sender, receiver] = local_channel::new_bounded<Item>(4);
    Receiving first(receiver.recv());
    Receiving second(receiver.recv());
    CHECK_FALSE(first.poll());
    CHECK_FALSE(second.poll());
    CHECK(sender.try_send(item(1)));
    CHECK(first.counts.wakes == 1);
    CHECK(second.counts.wakes == 0);
    CHECK(sender.len() == 1);
    CHECK(sender.try_send(item(2)));
    CHECK(first.counts.wakes == 1);
    CHECK(second.counts.wakes == 1);
    CHECK(sender.try_send(item(3)));
    CHECK(first.poll());
    CHECK(second.poll());
    CHECK(received(first) == 1);
    CHECK(received(second) == 2);
    CHECK(first.counts.references == 0);
}

TEST_CASE("a newcomer does not take what another was woken for") {
    auto [sender, receiver] = local_channel::new_bounded<Item>(4);
    Receiving first(receiver.recv());
    CHECK_FALSE(first.poll());
    CHECK(sender.try_send(item(1)));
    Receiving newcomer(receiver.recv());
    CHECK_FALSE(newcomer.poll());
    CHECK(first.poll());
    CHECK(received(first) == 1);
    CHECK(sender.try_send(item(2)));
    CHECK(newcomer.poll());
    CHECK(received(newcomer) == 2);
}

TEST_CASE("send waits for room, and one slot wakes one") {
    auto [sender, receiver] = local_channel::new_bounded<Item>(1);
    Sending first(sender.send(item(1)));
    Sending second(sender.send(item(2)));
    Sending third(sender.send(item(3)));
    CHECK(first.poll());
    CHECK_FALSE(second.poll());
    CHECK_FALSE(third.poll());
    CHECK(receive(receiver) == 1);
    CHECK(second.counts.wakes == 1);
    CHECK(third.counts.wakes == 0);
    CHECK(sender.len() == 0);
    CHECK(sender.is_full());  // the slot is promised
    CHECK(sender.try_send(item(4)).error().why == NotSent::would_block);
    Sending newcomer(sender.send(item(5)));
    CHECK_FALSE(newcomer.poll());
    CHECK(second.poll());
    CHECK(was_sent(second));
    CHECK(receive(receiver) == 2);
    CHECK(third.poll());
    CHECK(receive(receiver) == 3);
    CHECK(newcomer.poll());
    CHECK(receive(receiver) == 5);
}

TEST_CASE("polling again keeps the place, and the last waker counts") {
    auto [sender, receiver] = local_channel::new_bounded<Item>(1);
    WakerCounts before;
    WakerCounts after;
    {
        auto wait = receiver.recv();
        Receiving behind(receiver.recv());
        CHECK(poll_with(wait, make_waker(before)).is_pending());
        CHECK_FALSE(behind.poll());
        CHECK(poll_with(wait, make_waker(after)).is_pending());
        CHECK(sender.try_send(item(1)));
        CHECK(before.wakes == 0);
        CHECK(after.wakes == 1);
        CHECK_FALSE(behind.is_woken());
        CHECK(**poll(wait).take() == 1);
    }
    CHECK(before.references == 0);
    CHECK(after.references == 0);
}

TEST_CASE("what recv gives is an optional") {
    auto executor = make_executor();
    executor->run([]() -> Co<void> {
        auto [sender_end, receiver] = local_channel::new_bounded<int>(3);
        std::optional sender(std::move(sender_end));
        for (int value : {1, 2, 3}) CHECK(sender->try_send(value));
        sender.reset();
        CHECK(co_await receiver.recv() == 1);
        std::optional<int> second = co_await receiver.recv();
        CHECK(second == 2);
        auto third = co_await receiver.recv();
        third = co_await receiver.recv();
        CHECK(third == std::nullopt);
        CHECK((co_await receiver.recv()).value_or(-1) == -1);
    });
}

TEST_CASE("tasks: a stream of items through a small channel, with both ends in tasks of their own") {
    auto executor = make_executor();
    int sum = executor->run([]() -> Co<int> {
        auto [sender, receiver] = local_channel::new_bounded<Item>(2);
        auto producer = spawn_local([sender = std::move(sender)]() -> Co<void> {
            for (int value = 1; value <= 100; ++value) {
                auto sent = co_await sender.send(item(value));
                CHECK(sent);
            }
        });
        std::move(producer).detach();
        int total = 0;
        while (auto next = co_await receiver.recv()) total += **next;
        co_return total;
    });
    CHECK(sum == 5050);
}

TEST_CASE("tasks: several share an end, and each item goes to one") {
    auto executor = make_executor();
    Log log;
    executor->run([&]() -> Co<void> {
        auto [sender_end, receiver_end] = local_channel::new_bounded<Item>(1);
        auto sender = std::make_shared<ItemSender>(std::move(sender_end));
        auto receiver = std::make_shared<ItemReceiver>(std::move(receiver_end));
        std::vector<JoinHandle<void>> consumers;
        for (std::string name : {"a", "b", "c"}) {
            consumers.push_back(spawn_local([&log, receiver, name]() -> Co<void> {
                while (auto next = co_await receiver->recv()) log.push_back(name + std::to_string(**next));
            }));
        }
        for (int first : {1, 4}) {
            auto producer = spawn_local([sender, first]() -> Co<void> {
                for (int value = first; value < first + 3; ++value) co_await sender->send(item(value));
            });
            std::move(producer).detach();
        }
        sender.reset();
        for (auto& consumer : consumers) CHECK(co_await consumer);
    });
    CHECK(log.size() == 6);
    CHECK(std::set<std::string>(log.begin(), log.end()).size() == 6);
}

TEST_CASE("tasks: cancelled between wake and run, at either end, they hold up nobody") {
    auto executor = make_executor();
    executor->run([]() -> Co<void> {
        auto [sender, receiver] = local_channel::new_bounded<Item>(1);
        auto take = [&receiver]() -> Co<int> {
            auto next = co_await receiver.recv();
            co_return **next;
        };
        auto cancelled = spawn_local(take);
        auto next = spawn_local(take);
        co_await yield_now();
        CHECK(sender.try_send(item(1)));
        cancelled.cancel();
        CHECK_FALSE(co_await cancelled);
        CHECK(co_await next == 1);

        CHECK(sender.try_send(item(2)));
        auto put = [&sender](int value) -> Co<void> { co_await sender.send(item(value)); };
        auto cancelled_send = spawn_local(put(3));
        auto next_send = spawn_local(put(4));
        co_await yield_now();
        CHECK(co_await take() == 2);
        cancelled_send.cancel();
        CHECK_FALSE(co_await cancelled_send);
        CHECK(co_await next_send);
        CHECK(co_await take() == 4);
    });
}

TEST_CASE("tasks: whoever waits for a channel that nobody serves is a deadlock, and said to be one") {
    auto executor = make_executor();
    CHECK_THROWS_AS(executor->run([]() -> Co<void> {
        auto [sender, receiver] = local_channel::new_bounded<Item>(1);
        co_await receiver.recv();
    }),
                    Deadlock);
}

#if !defined(OPERATOR_NEW_IS_FIXED)
TEST_CASE("a bounded channel allocates once, when it is made") {
    long before = counted_new::made;
    auto [sender, receiver] = local_channel::new_bounded<int>(1000);
    CHECK(counted_new::made == before + 1);
    before = counted_new::made;
    bool sent = true;
    for (int value = 0; value < 1000; ++value) sent = sent && sender.try_send(value).has_value();
    {
        Wait<LocalSend<int>> waiting(sender.send(1000));
        Wait<LocalRecv<int>> first(receiver.recv());
        sent = sent && !waiting.poll() && first.poll() && waiting.poll();
    }
    while (sender.len() > 0) {
        auto wait = receiver.recv();
        sent = sent && poll(wait).is_ready();
    }
    {
        Wait<LocalRecv<int>> waiting(receiver.recv());
        sent = sent && !waiting.poll() && sender.try_send(1) && waiting.poll();
    }
    CHECK(counted_new::made == before);
    CHECK(sent);
}

TEST_CASE("an unbounded channel that cannot grow throws, and goes on when it can") {
    auto [sender, receiver] = local_channel::new_unbounded<std::array<char, 2000>>();
    int sent = 0;
    counted_new::successes_left = 0;
    try {
        while (sent < 100 && sender.try_send({})) ++sent;
    } catch (const std::bad_alloc&) {
    }
    counted_new::successes_left = -1;
    REQUIRE(sent < 100);
    CHECK(sender.len() == static_cast<std::size_t>(sent));
    CHECK(sender.try_send({}));
    CHECK(sender.len() == static_cast<std::size_t>(sent) + 1);
}
#endif

TEST_CASE("misuse is told") {
    CHECK(run_in_child([] { static_cast<void>(local_channel::new_bounded<int>(0)); }).says("capacity"));
    CHECK(run_in_child([] {
              static_cast<void>(local_channel::new_bounded<int>(SIZE_MAX / 2));
          }).says("larger than memory"));
    CHECK(run_in_child([] {
              auto [sender, receiver] = local_channel::new_bounded<int>(1);
              auto wait = receiver.recv();
              static_cast<void>(poll(wait));
              auto moved = std::move(wait);
          }).says("moved after it was polled"));
    CHECK(run_in_child([] {
              auto [sender, receiver] = local_channel::new_bounded<int>(1);
              auto wait = receiver.recv();
              static_cast<void>(poll(wait));
              {
                  auto dead = std::move(receiver);
              }
          }).says("a LocalReceiver was dropped while a recv() waits"));
    CHECK(run_in_child([] {
              auto [sender, receiver] = local_channel::new_bounded<int>(1);
              static_cast<void>(sender.try_send(1));
              auto wait = sender.send(2);
              static_cast<void>(poll(wait));
              auto taken = receiver.recv();
              static_cast<void>(poll(taken));  // the wait holds a promise now
              {
                  auto dead = std::move(sender);
              }
          }).says("a LocalSender was dropped while a send() waits"));
}

// Local channel: no item and no wake is lost, however and whenever a send, a recv, a task or an end of the
// channel is dropped.
#include "channel_support.hpp"

#include <algorithm>
#include <deque>
#include <random>

using namespace support;

TEST_CASE("dropping a recv loses no item and no wake, at any moment") {
    auto [sender, receiver] = local_channel::new_bounded<Item>(4);
    SUBCASE("unpolled") {
        CHECK(sender.try_send(item(1)));
        {
            auto unpolled = receiver.recv();
        }
        CHECK(receive(receiver) == 1);
    }
    SUBCASE("waiting") {
        Receiving dropped(receiver.recv());
        Receiving next(receiver.recv());
        CHECK_FALSE(dropped.poll());
        CHECK_FALSE(next.poll());
        dropped.drop();
        CHECK(sender.try_send(item(1)));
        CHECK(dropped.counts.wakes == 0);
        CHECK(next.is_woken());
        CHECK(next.poll());
        CHECK(received(next) == 1);
    }
    SUBCASE("woken, and another waits") {
        Receiving dropped(receiver.recv());
        Receiving next(receiver.recv());
        CHECK_FALSE(dropped.poll());
        CHECK_FALSE(next.poll());
        CHECK(sender.try_send(item(1)));
        REQUIRE(dropped.is_woken());
        CHECK_FALSE(next.is_woken());
        dropped.drop();
        CHECK(next.is_woken());
        CHECK(next.poll());
        CHECK(received(next) == 1);
    }
    SUBCASE("woken, and nobody waits") {
        Receiving dropped(receiver.recv());
        CHECK_FALSE(dropped.poll());
        CHECK(sender.try_send(item(1)));
        dropped.drop();
        CHECK(sender.len() == 1);
        CHECK(receive(receiver) == 1);
    }
}

TEST_CASE("dropping a send loses no slot and no wake, and sends nothing") {
    auto [sender, receiver] = local_channel::new_bounded<Item>(1);
    CHECK(sender.try_send(item(1)));
    Sending dropped(sender.send(item(2)));
    Sending next(sender.send(item(3)));
    SUBCASE("unpolled") {
        dropped.drop();
        CHECK_FALSE(next.poll());
        CHECK(receive(receiver) == 1);
    }
    SUBCASE("waiting") {
        CHECK_FALSE(dropped.poll());
        CHECK_FALSE(next.poll());
        dropped.drop();
        CHECK(receive(receiver) == 1);
    }
    SUBCASE("woken") {
        CHECK_FALSE(dropped.poll());
        CHECK_FALSE(next.poll());
        CHECK(receive(receiver) == 1);
        REQUIRE(dropped.is_woken());
        CHECK_FALSE(next.is_woken());
        dropped.drop();
    }
    CHECK(next.is_woken());
    CHECK(next.poll());
    CHECK(was_sent(next));
    CHECK(receive(receiver) == 3);
    CHECK(sender.try_send(item(4)));
    CHECK(receive(receiver) == 4);
}

TEST_CASE("a slot that a dropped send gave back is free for try_send") {
    auto [sender, receiver] = local_channel::new_bounded<Item>(1);
    CHECK(sender.try_send(item(1)));
    Sending dropped(sender.send(item(2)));
    CHECK_FALSE(dropped.poll());
    CHECK(receive(receiver) == 1);
    CHECK(sender.is_full());
    dropped.drop();
    CHECK_FALSE(sender.is_full());
    CHECK(sender.try_send(item(3)));
}

TEST_CASE("without a receiver each send gives its item back, wherever it was") {
    auto [sender, dropped_receiver] = local_channel::new_bounded<Item>(1);
    std::optional<ItemReceiver> receiver(std::move(dropped_receiver));
    CHECK(sender.try_send(item(1)));
    Sending woken(sender.send(item(2)));
    Sending waiting(sender.send(item(3)));
    Sending unpolled(sender.send(item(4)));
    Sending dropped(sender.send(item(5)));
    CHECK_FALSE(woken.poll());
    CHECK_FALSE(waiting.poll());
    CHECK_FALSE(dropped.poll());
    CHECK(receive(*receiver) == 1);
    REQUIRE(woken.is_woken());
    receiver.reset();
    CHECK(woken.counts.wakes == 1);
    CHECK(waiting.counts.wakes == 1);
    int expected = 2;
    for (Sending* wait : {&woken, &waiting, &unpolled}) {
        REQUIRE(wait->poll());
        REQUIRE_FALSE(wait->output->has_value());
        CHECK(wait->output->error().why == NotSent::closed);
        CHECK(*wait->output->error().item == expected++);
    }
    CHECK(sender.try_send(item(6)).error().why == NotSent::closed);
}

TEST_CASE("a send that was woken and never polled again may die with the closed channel") {
    for (bool receiver_first : {true, false}) {
        auto [sender_end, receiver_end] = local_channel::new_bounded<Item>(1);
        std::optional<ItemSender> sender(std::move(sender_end));
        std::optional<ItemReceiver> receiver(std::move(receiver_end));
        CHECK(sender->try_send(item(1)));
        Sending woken(sender->send(item(2)));
        CHECK_FALSE(woken.poll());
        CHECK(receive(*receiver) == 1);
        if (receiver_first) receiver.reset();
        woken.drop();
        sender.reset();
    }
}

TEST_CASE("without a sender the receiver drains the channel and then ends") {
    auto [sender_end, receiver] = local_channel::new_bounded<Item>(4);
    std::optional<ItemSender> sender(std::move(sender_end));
    CHECK(sender->try_send(item(1)));
    CHECK(sender->try_send(item(2)));
    sender.reset();
    CHECK(receive(receiver) == 1);
    CHECK(receive(receiver) == 2);
    CHECK(receive(receiver) == -1);
    CHECK(receive(receiver) == -1);
}

TEST_CASE("the end of the sender wakes all who wait for nothing") {
    auto [sender_end, receiver] = local_channel::new_bounded<Item>(4);
    std::optional<ItemSender> sender(std::move(sender_end));
    Receiving first(receiver.recv());
    Receiving second(receiver.recv());
    CHECK_FALSE(first.poll());
    CHECK_FALSE(second.poll());
    sender.reset();
    for (Receiving* wait : {&first, &second}) {
        CHECK(wait->counts.wakes == 1);
        CHECK(wait->poll());
        CHECK(received(*wait) == -1);
    }
}

TEST_CASE("the last item may change hands after the end of the sender") {
    auto [sender_end, receiver] = local_channel::new_bounded<Item>(4);
    std::optional<ItemSender> sender(std::move(sender_end));
    Receiving woken(receiver.recv());
    Receiving waiting(receiver.recv());
    CHECK_FALSE(woken.poll());
    CHECK_FALSE(waiting.poll());
    CHECK(sender->try_send(item(1)));
    sender.reset();
    REQUIRE(woken.is_woken());
    CHECK_FALSE(waiting.is_woken());  // it cannot know yet
    Receiving newcomer(receiver.recv());
    CHECK_FALSE(newcomer.poll());
    SUBCASE("taken: the other ends") {
        CHECK(woken.poll());
        CHECK(received(woken) == 1);
        CHECK(waiting.is_woken());
        CHECK(waiting.poll());
        CHECK(received(waiting) == -1);
        CHECK(newcomer.is_woken());
    }
    SUBCASE("dropped: the other takes it") {
        woken.drop();
        CHECK(waiting.is_woken());
        CHECK(waiting.poll());
        CHECK(received(waiting) == 1);
    }
}

TEST_CASE("items that nobody will receive die with the receiver, even those that hold the sender") {
    struct Owner {
        std::optional<LocalSender<std::unique_ptr<Owner>>> sender;
        Token token;
    };
    int drops = 0;
    {
        auto [sender, receiver_end] = local_channel::new_unbounded<std::unique_ptr<Owner>>();
        std::optional receiver(std::move(receiver_end));
        for (int count = 0; count < 6; ++count) {
            CHECK(sender.try_send(std::make_unique<Owner>(Owner{std::nullopt, Token(drops)})));
        }
        auto last = std::make_unique<Owner>(Owner{std::nullopt, Token(drops)});
        auto* kept = last.get();
        CHECK(sender.try_send(std::move(last)));
        kept->sender.emplace(std::move(sender));
        receiver.reset();
        CHECK(drops == 7);
    }
    CHECK(drops == 7);
}

TEST_CASE("each item lives once and dies once") {
    Census census;
    {
        auto [sender, receiver] = local_channel::new_unbounded<Census::Member>();
        for (int count = 0; count < 10; ++count) CHECK(sender.try_send(Census::Member(census)));
        for (int count = 0; count < 3; ++count) {
            auto wait = receiver.recv();
            CHECK(poll(wait).take());
        }
        auto unpolled = sender.send(Census::Member(census));
        CHECK(census.alive() == 8);
    }
    CHECK(census.alive() == 0);
    CHECK(census.faults == 0);
}

TEST_CASE("the executor's end drops tasks that wait, and their items") {
    int drops = 0;
    {
        auto executor = make_executor();
        executor->run([&]() -> Co<void> {
            auto [sender, receiver] = local_channel::new_bounded<Token>(1);
            auto consumer = spawn_local([receiver = std::move(receiver)]() -> Co<void> {
                co_await receiver.recv();
                Event never;
                co_await never.wait();
            });
            auto producer = spawn_local([&drops, sender = std::move(sender)]() -> Co<void> {
                for (;;) co_await sender.send(Token(drops));
            });
            for (int turns = 0; turns < 5; ++turns) co_await yield_now();
        });
        CHECK(drops == 1);
    }
    CHECK(drops == 3);  // one was received, one queued, one waited for room
}

namespace {

// Both ends of a channel and whoever waits at them, with a record of what must have come through.
class Traffic {
public:
    Traffic(unsigned seed, std::size_t capacity)
        : random_(seed), capacity_(capacity), ends_(local_channel::new_bounded<Item>(capacity)) {}

    void step() {
        switch (below(6)) {
            case 0: return add_send();
            case 1: return add_recv();
            case 2: return poll_woken(sends_);
            case 3: return poll_woken(recvs_);
            case 4: return drop_any(sends_);
            default: return drop_any(recvs_);
        }
    }

    // When all who were woken have been polled, nobody waits who could go on, and nothing is missing.
    void settle() {
        while (has_woken(sends_) || has_woken(recvs_)) {
            poll_woken(sends_);
            poll_woken(recvs_);
        }
        std::size_t queued = sent_.size() - received_;
        CHECK(ends_.first.len() == queued);
        if (is_waiting(sends_)) CHECK(queued == capacity_);
        if (is_waiting(recvs_)) CHECK(queued == 0);
        CHECK(ends_.first.is_full() == (queued == capacity_));
    }

private:
    struct Pending {
        int value;
        std::unique_ptr<Sending> send;
        std::unique_ptr<Receiving> recv;
    };
    using Waits = std::deque<Pending>;

    std::size_t below(std::size_t end) {
        return std::uniform_int_distribution<std::size_t>(0, end - 1)(random_);
    }

    void add_send() {
        int value = next_value_++;
        sends_.push_back({value, std::make_unique<Sending>(ends_.first.send(item(value))), nullptr});
        poll(sends_, sends_.end() - 1);
    }
    void add_recv() {
        recvs_.push_back({0, nullptr, std::make_unique<Receiving>(ends_.second.recv())});
        poll(recvs_, recvs_.end() - 1);
    }

    static bool is_woken(const Pending& wait) {
        return wait.send ? wait.send->is_woken() : wait.recv->is_woken();
    }
    static bool has_woken(const Waits& waits) { return std::ranges::any_of(waits, is_woken); }
    static bool is_waiting(const Waits& waits) { return !waits.empty(); }

    void poll_woken(Waits& waits) {
        auto woken = std::ranges::find_if(waits, is_woken);
        if (woken != waits.end()) poll(waits, woken);
    }

    void poll(Waits& waits, Waits::iterator wait) {
        if (wait->send && wait->send->poll()) {
            REQUIRE(was_sent(*wait->send));
            sent_.push_back(wait->value);
            waits.erase(wait);
        } else if (wait->recv && wait->recv->poll()) {
            REQUIRE(received_ < sent_.size());
            REQUIRE(received(*wait->recv) == sent_[received_++]);
            waits.erase(wait);
        }
    }

    void drop_any(Waits& waits) {
        if (!waits.empty()) waits.erase(waits.begin() + static_cast<std::ptrdiff_t>(below(waits.size())));
    }

    std::mt19937 random_;
    std::size_t capacity_;
    local_channel::Ends<Item> ends_;
    int next_value_ = 0;
    std::vector<int> sent_;
    std::size_t received_ = 0;
    Waits sends_;
    Waits recvs_;
};

}  // namespace

TEST_CASE("random traffic at both ends, dropped at random: every sent item arrives once and in order") {
    for (unsigned seed = 1; seed <= 300; ++seed) {
        CAPTURE(seed);
        Traffic traffic(seed, 1 + seed % 3);
        for (int round = 0; round < 20; ++round) {
            for (int step = 0; step < 10; ++step) traffic.step();
            traffic.settle();
        }
    }
}

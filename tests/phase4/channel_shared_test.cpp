// Shared channel: what is sent on one executor is received on the other, once and in order, with no more
// wakes than it takes, whoever goes away and whenever.
#include "channel_support.hpp"

using namespace support;

namespace {

using Item = std::unique_ptr<int>;
using Sending = Wait<SharedSend<Item>>;
using Receiving = Wait<SharedRecv<Item>>;

Item item(int value) { return std::make_unique<int>(value); }

// What a recv gave: -1 at the end of the channel.
int received(const Receiving& wait) {
    REQUIRE(wait.output);
    return *wait.output ? ***wait.output : -1;
}
int receive(const ConnectedReceiver<Item>& receiver) {
    Receiving wait(receiver.recv());
    REQUIRE(wait.poll());
    return received(wait);
}
bool was_sent(const Sending& wait) { return wait.output && wait.output->has_value(); }
bool was_refused(const Sending& wait) {
    return wait.output && !*wait.output && wait.output->error().why == NotSent::closed;
}

}  // namespace

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

TEST_CASE("without a sender the receiver drains the channel and then ends") {
    Line<Item> line(4);
    CHECK(line.sender->try_send(item(1)));
    CHECK(line.sender->try_send(item(2)));
    line.sender.reset();
    CHECK(receive(*line.receiver) == 1);
    CHECK(receive(*line.receiver) == 2);
    CHECK(receive(*line.receiver) == -1);
    CHECK(receive(*line.receiver) == -1);
}

TEST_CASE("R48: the end of one side wakes all who wait at the other") {
    Line<Item> line(1);
    SUBCASE("receivers") {
        Receiving first(line.receiver->recv());
        Receiving second(line.receiver->recv());
        CHECK_FALSE(first.poll());
        CHECK_FALSE(second.poll());
        line.sender.reset();
        line.b->turn(false);
        for (Receiving* wait : {&first, &second}) {
            CHECK(wait->is_woken());
            CHECK(wait->poll());
            CHECK(received(*wait) == -1);
        }
    }
    SUBCASE("senders, of whom one was promised room") {
        CHECK(line.sender->try_send(item(0)));
        Sending promised(line.sender->send(item(1)));
        Sending waiting(line.sender->send(item(2)));
        Sending late(line.sender->send(item(3)));
        CHECK_FALSE(promised.poll());
        CHECK_FALSE(waiting.poll());
        CHECK(receive(*line.receiver) == 0);
        line.a->turn(false);
        REQUIRE(promised.is_woken());
        line.receiver.reset();
        line.a->turn(false);
        for (Sending* wait : {&promised, &waiting, &late}) {
            CHECK(wait->poll());
            CHECK(was_refused(*wait));
        }
        CHECK(*late.output->error().item == 3);
        CHECK(line.sender->try_send(item(4)).error().why == NotSent::closed);
    }
}

TEST_CASE("R48: an end that was never connected is as good a peer, and as dead a one") {
    Census census;
    auto a = make_executor();
    auto send = [&](auto& sender) { return sender.try_send(Numbered{1, Census::Member(census)}); };
    SUBCASE("items wait for a receiver that connects later") {
        auto ends = shared_channel::new_bounded<Numbered>(2);
        {
            auto sender = inside(*a, [&] { return std::move(ends.first).connect(); });
            CHECK(send(sender));
        }
        auto receiver = inside(*a, [&] { return std::move(ends.second).connect(); });
        CHECK(receiver.try_recv());
        Wait end(receiver.recv());
        CHECK(end.poll());
        CHECK_FALSE(**&end.output);
    }
    SUBCASE("the receiver is dropped unconnected: its items die at once") {
        auto ends = shared_channel::new_bounded<Numbered>(2);
        auto sender = inside(*a, [&] { return std::move(ends.first).connect(); });
        CHECK(send(sender));
        CHECK(census.alive() == 1);
        {
            auto dropped = std::move(ends.second);
        }
        CHECK(census.alive() == 0);
        CHECK(send(sender).error().why == NotSent::closed);
    }
    SUBCASE("the sender is dropped unconnected") {
        auto ends = shared_channel::new_bounded<Numbered>(2);
        auto receiver = inside(*a, [&] { return std::move(ends.second).connect(); });
        Wait wait(receiver.recv());
        CHECK_FALSE(wait.poll());
        {
            auto dropped = std::move(ends.first);
        }
        a->turn(false);
        CHECK(wait.is_woken());
        CHECK(wait.poll());
    }
    SUBCASE("neither is ever connected") { auto ends = shared_channel::new_bounded<Numbered>(2); }
    CHECK(census.alive() == 0);
    CHECK(census.faults == 0);
}

TEST_CASE("R48: items in the channel of an executor that ends die once, even those that hold an end") {
    struct Owner {
        std::optional<SharedSender<std::unique_ptr<Owner>>> sender;
        Token token;
    };
    int drops = 0;
    {
        auto [sender, receiver] = shared_channel::new_bounded<std::unique_ptr<Owner>>(4);
        auto [inner_sender, inner_receiver] = shared_channel::new_bounded<std::unique_ptr<Owner>>(4);
        auto a = make_executor();
        auto b = make_executor();
        auto connected = inside(*a, [&] { return std::move(sender).connect(); });
        CHECK(connected.try_send(std::make_unique<Owner>(Owner{std::move(inner_sender), Token(drops)})));
        auto inner = inside(*a, [&] { return std::move(inner_receiver).connect(); });
        Wait waits(inner.recv());
        CHECK_FALSE(waits.poll());
        b->spawn_local([receiver = std::move(receiver)]() mutable -> Co<void> {
             auto here = std::move(receiver).connect();
             Event never;
             co_await never.wait();
         }).detach();
        settle(*b);
        b.reset();
        CHECK(drops == 1);
        a->turn(false);
        CHECK(waits.is_woken());  // nobody who waits for an answer waits in vain
        CHECK(waits.poll());
    }
    CHECK(drops == 1);
}

TEST_CASE("R48: a wake on its way to an executor that ends frees what is left") {
    for (bool end_first : {false, true}) {
        Line<Item> line(1);
        auto task =
            line.b->spawn_local([receiver = std::exchange(line.receiver, std::nullopt)]() -> Co<void> {
                co_await receiver->recv();
            });
        settle(*line.b);
        CountWakes wakes;
        CHECK(line.sender->try_send(item(1)));
        REQUIRE(wakes.count == 1);
        if (end_first) line.sender.reset();
        line.b.reset();
        if (!end_first) CHECK(line.sender->try_send(item(2)).error().why == NotSent::closed);
    }
}

TEST_CASE("R48: an end that outlives its executor is still an end") {
    Line<Item> line(1);
    Receiving wait(line.receiver->recv());
    CHECK_FALSE(wait.poll());
    line.b.reset();
    CountWakes wakes;
    CHECK(line.sender->try_send(item(1)));
    CHECK(wakes.count == 1);  // to nobody
    CHECK(line.sender->try_send(item(2)).error().why == NotSent::would_block);
    wait.drop();
    CHECK(receive(*line.receiver) == 1);
}

namespace {

// One side goes on with its part of a traffic while the other, the victim, dies at the `fatal`-th point that
// the survivor passes.
class LastWords {
public:
    LastWords(bool sender_dies, int fatal) : sender_dies_(sender_dies), fatal_(fatal) {}

    // False: the survivor passes fewer points than that.
    bool run() {
        AtPoint hooks([this](std::string_view id) {
            if (survivor_acts_ && id.starts_with("channel: ") && ++passed_ == fatal_) kill();
        });
        // The receiver waits first; then the channel runs full, and the sender waits; then it is drained.
        poll_recv();
        for (int value = 0; value < 4; ++value) poll_send();
        for (int turn = 0; turn < 12; ++turn) {
            line_.b->turn(false);
            poll_recv();
            line_.a->turn(false);
            poll_send();
        }
        if (!killed_) return false;
        line_.a->turn(false);
        line_.b->turn(false);
        check_that_it_is_over();
        return true;
    }

private:
    void poll_send() {
        if (!line_.sender) return;
        survivor_acts_ = !sender_dies_;
        if (!send_) send_.emplace(line_.sender->send(Numbered{0, Census::Member(census_)}));
        if (send_->poll()) send_.reset();
        survivor_acts_ = false;
    }
    void poll_recv() {
        if (!line_.receiver) return;
        survivor_acts_ = sender_dies_;
        if (!recv_) recv_.emplace(line_.receiver->recv());
        if (recv_->poll()) recv_.reset();
        survivor_acts_ = false;
    }

    void kill() {
        killed_ = true;
        if (sender_dies_) {
            send_.reset();
            line_.sender.reset();
        } else {
            recv_.reset();
            line_.receiver.reset();
        }
    }

    void check_that_it_is_over() {
        if (sender_dies_) {
            if (recv_ && !recv_->poll()) FAIL("the receiver hangs");
            recv_.reset();
            for (bool over = false; !over;) {  // what came before its end is received
                Wait last(line_.receiver->recv());
                REQUIRE(last.poll());
                over = !last.output->has_value();
            }
        } else {
            if (send_ && !send_->poll()) FAIL("the sender hangs");
            send_.reset();
            CHECK(census_.alive() == 0);  // at once, though the sender lives
        }
        line_.sender.reset();
        recv_.reset();
        line_.receiver.reset();
        CHECK(census_.alive() == 0);
        CHECK(census_.faults == 0);
    }

    bool sender_dies_;
    int fatal_;
    int passed_ = 0;
    bool survivor_acts_ = false;
    bool killed_ = false;
    Census census_;
    Line<Numbered> line_{2};
    std::optional<Wait<SharedSend<Numbered>>> send_;
    std::optional<Wait<SharedRecv<Numbered>>> recv_;
};

}  // namespace

TEST_CASE("R48: a peer may die at each step of the other one") {
    for (bool sender_dies : {false, true}) {
        int fatal = 1;
        while (LastWords(sender_dies, fatal).run()) ++fatal;
        MESSAGE(std::string(sender_dies ? "the sender: " : "the receiver: ") << fatal - 1 << " steps");
        CHECK(fatal > 30);
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

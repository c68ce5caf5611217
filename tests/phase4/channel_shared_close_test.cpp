// Shared channel: the end of one side, whenever and however it comes, is seen by the other, and items die
// once.
#include "channel_support.hpp"

using namespace support;

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
// the survivor passes. They send and receive items one by one, or many at a time.
template <bool many>
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
    using Send = std::conditional_t<many, SharedSendMany<Numbered>, SharedSend<Numbered>>;
    using Recv = std::conditional_t<many, SharedRecvMany<Numbered>, SharedRecv<Numbered>>;

    Numbered numbered() { return {0, Census::Member(census_)}; }
    Send start_send() {
        if constexpr (many) {
            items_.clear();
            for (int i = 0; i < 3; ++i) items_.push_back(numbered());
            return line_.sender->send_many(items_);
        } else {
            return line_.sender->send(numbered());
        }
    }
    Recv start_recv() {
        if constexpr (many) {
            received_.clear();
            return line_.receiver->recv_many(received_, 2);
        } else {
            return line_.receiver->recv();
        }
    }

    void poll_send() {
        if (!line_.sender) return;
        survivor_acts_ = !sender_dies_;
        if (!send_) send_.emplace(start_send());
        if (send_->poll()) send_.reset();
        survivor_acts_ = false;
    }
    void poll_recv() {
        if (!line_.receiver) return;
        survivor_acts_ = sender_dies_;
        if (!recv_) recv_.emplace(start_recv());
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
            received_.clear();
            line_.receiver.reset();
        }
    }

    void check_that_it_is_over() {
        if (sender_dies_) {
            if (recv_ && !recv_->poll()) FAIL("the receiver hangs");
            recv_.reset();
            received_.clear();
            for (bool over = false; !over;) {  // what came before its end is received
                Wait last(line_.receiver->recv());
                REQUIRE(last.poll());
                over = !last.output->has_value();
            }
        } else {
            if (send_ && !send_->poll()) FAIL("the sender hangs");
            send_.reset();
            check_that_sends_are_refused();
            items_.clear();
            CHECK(census_.alive() == 0);  // at once, though the sender lives
        }
        line_.sender.reset();
        recv_.reset();
        line_.receiver.reset();
        items_.clear();
        received_.clear();
        CHECK(census_.alive() == 0);
        CHECK(census_.faults == 0);
    }

    void check_that_sends_are_refused() {
        Wait late(start_send());
        REQUIRE(late.poll());
        if constexpr (many) {
            CHECK(*late.output == 0);
        } else {
            CHECK_FALSE(late.output->has_value());
        }
    }

    bool sender_dies_;
    int fatal_;
    int passed_ = 0;
    bool survivor_acts_ = false;
    bool killed_ = false;
    Census census_;
    Line<Numbered> line_{2};
    std::vector<Numbered> items_;     // to be sent, if many
    std::vector<Numbered> received_;  // if many
    std::optional<Wait<Send>> send_;
    std::optional<Wait<Recv>> recv_;
};

}  // namespace

TEST_CASE_TEMPLATE("R48: a peer may die at each step of the other one", Words, LastWords<false>,
                   LastWords<true>) {
    for (bool sender_dies : {false, true}) {
        int fatal = 1;
        while (Words(sender_dies, fatal).run()) ++fatal;
        MESSAGE(std::string(sender_dies ? "the sender: " : "the receiver: ") << fatal - 1 << " steps");
        CHECK(fatal > 30);
    }
}

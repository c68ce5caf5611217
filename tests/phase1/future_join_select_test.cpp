// join and select: several futures inside one, by value or borrowed.
#include "support.hpp"

#include <tuple>
#include <variant>

using namespace support;

namespace {

// Waits for the event, then gives `value`; counts its polls and its drop.
template <class T>
auto after(Event& event, T value, int& polls, int& drops) {
    return poll_fn([&event, &polls, value, token = Token(drops)](Context& context) -> Poll<T> {
        ++polls;
        if (event.wait().poll(context).is_pending()) return pending;
        return value;
    });
}

auto throws(const char* text) {
    return poll_fn([text](Context&) -> Poll<int> { throw std::runtime_error(text); });
}

}  // namespace

TEST_CASE("join is ready when all are, with all their values in order") {
    Event first;
    Event second;
    int polls[2] = {};
    int drops[2] = {};
    {
        auto both =
            join(after(first, 1, polls[0], drops[0]), after(second, std::string("two"), polls[1], drops[1]));
        CHECK(poll(both).is_pending());
        CHECK(polls[1] == 1);  // the second is polled although the first is pending
        second.open();
        CHECK(poll(both).is_pending());
        first.open();
        auto [one, two] = poll(both).take();
        CHECK(one == 1);
        CHECK(two == "two");
    }
    CHECK(polls[0] == 3);
    CHECK(polls[1] == 2);  // not polled again once it was ready
    CHECK(drops[0] == 1);
    CHECK(drops[1] == 1);
}

TEST_CASE("join of values, void, references and move-only values") {
    int named = 1;
    auto reference = poll_fn([&](Context&) -> Poll<int&> { return std::ref(named); });
    auto all = join(ready(), ready(2), reference, ready(std::make_unique<int>(3)));
    auto [nothing, two, one, three] = poll(all).take();
    CHECK(nothing == Unit{});
    CHECK(two == 2);
    CHECK(&one.get() == &named);
    CHECK(*three == 3);
}

TEST_CASE("join of one and of none") {
    auto one = join(ready(1));
    CHECK(std::get<0>(poll(one).take()) == 1);
    auto none = join();
    CHECK(poll(none).is_ready());
}

TEST_CASE("a joined future that throws ends the join, and the others are cancelled with it") {
    Event never;
    int polls = 0;
    int drops = 0;
    {
        auto both = join(after(never, 1, polls, drops), throws("second"));
        CHECK_THROWS_WITH(static_cast<void>(poll(both)), "second");
        CHECK(drops == 0);
    }
    CHECK(drops == 1);
}

TEST_CASE("join borrows named futures") {
    Event event;
    int polls = 0;
    int drops = 0;
    auto named = after(event, 1, polls, drops);
    {
        auto both = join(named, event.wait());
        CHECK(poll(both).is_pending());
    }
    CHECK(drops == 0);
    event.open();
    CHECK(poll(named).take() == 1);
}

TEST_CASE("select gives the first that is ready, and says which") {
    Event first;
    Event second;
    int polls[2] = {};
    int drops[2] = {};
    {
        auto either = select(after(first, 1, polls[0], drops[0]), after(second, 2, polls[1], drops[1]));
        CHECK(poll(either).is_pending());
        second.open();
        auto winner = poll(either).take();
        CHECK(winner.index() == 1);
        CHECK(std::get<1>(winner) == 2);
        CHECK(drops[0] == 0);
    }
    CHECK(drops[0] == 1);
    CHECK(drops[1] == 1);
}

TEST_CASE("select gives a tie to the one named first, and does not poll the others") {
    Event event;
    event.open();
    int polls[2] = {};
    int drops[2] = {};
    auto either = select(after(event, 1, polls[0], drops[0]), after(event, 2, polls[1], drops[1]));
    CHECK(poll(either).take().index() == 0);
    CHECK(polls[1] == 0);
}

TEST_CASE("select of values, void, references and move-only values") {
    int named = 1;
    auto reference = poll_fn([&](Context&) -> Poll<int&> { return std::ref(named); });
    auto waits = poll_fn([](Context&) -> Poll<void> { return pending; });

    auto refers = select(waits, reference);
    CHECK(&std::get<1>(poll(refers).take()).get() == &named);
    auto moves = select(waits, ready(std::make_unique<int>(2)));
    CHECK(*std::get<1>(poll(moves).take()) == 2);
    auto nothing = select(waits, ready(), reference);
    CHECK(poll(nothing).take().index() == 1);
}

TEST_CASE("a borrowed loser lives on and can be awaited later") {
    Event slow;
    Event fast;
    int polls = 0;
    int drops = 0;
    auto executor = make_executor();
    fast.open();
    int result = executor->run([&]() -> Co<int> {
        auto loser = after(slow, 7, polls, drops);
        auto winner = co_await select(loser, fast.wait());
        CHECK(winner.index() == 1);
        CHECK(drops == 0);
        slow.open();
        co_return co_await loser;
    });
    CHECK(result == 7);
    CHECK(polls == 2);
    CHECK(drops == 1);
}

TEST_CASE("a selected future that throws ends the select, and the others are cancelled with it") {
    Event never;
    int polls = 0;
    int drops = 0;
    {
        auto either = select(after(never, 1, polls, drops), throws("second"));
        CHECK_THROWS_WITH(static_cast<void>(poll(either)), "second");
        CHECK(drops == 0);
    }
    CHECK(drops == 1);
}

TEST_CASE("join and select nest") {
    Event never;
    auto nested = select(join(never.wait(), ready(1)), join(ready(2), select(never.wait(), ready(3))));
    auto winner = poll(nested).take();
    REQUIRE(winner.index() == 1);
    auto [two, inner] = std::get<1>(std::move(winner));
    CHECK(two == 2);
    CHECK(std::get<1>(inner) == 3);
}

TEST_CASE("joined tasks run side by side") {
    Event first;
    Event second;
    auto executor = make_executor();
    executor->run([&]() -> Co<void> {
        // Each opens what the other waits for: one after the other would wait for ever.
        auto opens_second = [&]() -> Co<int> {
            second.open();
            co_await first.wait();
            co_return 1;
        };
        auto opens_first = [&]() -> Co<int> {
            co_await second.wait();
            first.open();
            co_return 2;
        };
        auto [one, two] = co_await join(opens_second(), opens_first());
        CHECK(one == 1);
        CHECK(two == 2);
    });
}

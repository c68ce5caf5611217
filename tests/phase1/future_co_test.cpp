// Co<T>: what it gives, what it throws, when it starts, and that it mixes with hand-written futures.
#include "support.hpp"

#include <functional>
#include <numeric>

using namespace support;

namespace {

Co<int> give(int value) { co_return value; }

Co<int> add(int a, int b) {
    int first = co_await give(a);
    co_return first + co_await give(b);
}

Co<int> throw_at(int depth, Log& log) {
    LogsEnd end(log, "~" + std::to_string(depth));
    if (depth == 0) throw std::runtime_error("from the bottom");
    co_return co_await throw_at(depth - 1, log);
}

Co<std::string> recover(Event& event) {
    std::string caught;
    try {
        co_await map(event.wait(), []() -> int { throw std::runtime_error("leaf"); });
    } catch (const std::runtime_error& error) {
        caught = error.what();
    }
    co_await yield_now();
    co_return caught + ", and on";
}

// Written by hand: polls the coroutine that it holds, twice at least.
class Twice {
public:
    using Output = int;
    explicit Twice(Co<int> co) : co_(std::move(co)) {}
    Poll<int> poll(Context& context) {
        if (!std::exchange(polled_, true)) return pending;
        return co_.poll(context);
    }

private:
    Co<int> co_;
    bool polled_ = false;
};

}  // namespace

TEST_CASE("a Co does nothing before it is polled") {
    bool started = false;
    auto body = [&]() -> Co<int> {
        started = true;
        co_return 1;
    };
    auto co = body();
    CHECK_FALSE(started);
    CHECK(poll(co).take() == 1);
    CHECK(started);
}

TEST_CASE("a Co that is never polled drops its arguments once") {
    int drops = 0;
    auto body = [](Token) -> Co<void> { co_return; };
    {
        auto co = body(Token(drops));
        CHECK(drops == 0);
    }
    CHECK(drops == 1);
}

TEST_CASE("a Co gives values, nothing, references and move-only results") {
    auto sum = add(1, 2);
    CHECK(poll(sum).take() == 3);

    bool ran = false;
    auto nothing_body = [&]() -> Co<void> {
        ran = true;
        co_return;
    };
    auto nothing = nothing_body();
    poll(nothing).take();
    CHECK(ran);

    int named = 4;
    auto reference_body = [&]() -> Co<int&> { co_return named; };
    auto reference = reference_body();
    CHECK(&poll(reference).take() == &named);

    auto constant_body = [&]() -> Co<const int&> { co_return named; };
    auto constant = constant_body();
    CHECK(&poll(constant).take() == &named);

    auto moved_body = []() -> Co<std::unique_ptr<int>> { co_return std::make_unique<int>(5); };
    auto moved = moved_body();
    CHECK(*poll(moved).take() == 5);
}

TEST_CASE("every kind of result passes through an await") {
    int named = 6;
    auto reference = [&]() -> Co<int&> { co_return named; };
    auto nothing = []() -> Co<void> { co_return; };
    auto moved = []() -> Co<std::unique_ptr<int>> { co_return std::make_unique<int>(7); };
    auto converted = []() -> Co<std::string> { co_return "eight"; };
    auto body = [&]() -> Co<int*> {
        int& same = co_await reference();
        co_await nothing();
        auto owned = co_await moved();
        CHECK(*owned == 7);
        std::string text = co_await converted();
        CHECK(text == "eight");
        co_return &same;
    };
    auto co = body();
    CHECK(poll(co).take() == &named);
}

TEST_CASE("a result that is not asked for is dropped once") {
    int drops = 0;
    auto gives = [&]() -> Co<Token> { co_return Token(drops); };
    auto body = [&]() -> Co<void> {
        co_await gives();
        CHECK(drops == 1);
    };
    auto co = body();
    poll(co).take();
    CHECK(drops == 1);
}

TEST_CASE("an exception leaves the poll") {
    auto body = []() -> Co<int> {
        throw std::runtime_error("at once");
        co_return 1;
    };
    auto co = body();
    CHECK_THROWS_WITH(static_cast<void>(poll(co)), "at once");
}

TEST_CASE("an exception passes through every frame and unwinds each") {
    Log log;
    {
        auto co = throw_at(3, log);
        CHECK_THROWS_WITH(static_cast<void>(poll(co)), "from the bottom");
    }
    CHECK(log == Log{"~0", "~1", "~2", "~3"});
}

TEST_CASE("an exception that is caught half way up goes no further") {
    Log log;
    auto body = [&]() -> Co<int> {
        try {
            co_return co_await throw_at(2, log);
        } catch (const std::runtime_error&) {
            log.push_back("caught");
        }
        co_return co_await give(8);
    };
    auto co = body();
    CHECK(poll(co).take() == 8);
    CHECK(log == Log{"~0", "~1", "~2", "caught"});
}

TEST_CASE("what a leaf throws surfaces where it is awaited") {
    SUBCASE("at its first poll") {
        Event event;
        event.open();
        auto co = recover(event);
        CHECK(poll(co).is_pending());
        CHECK(poll(co).take() == "leaf, and on");
    }
    SUBCASE("at a later poll") {
        Event event;
        auto co = recover(event);
        CHECK(poll(co).is_pending());
        event.open();
        CHECK(poll(co).is_pending());
        CHECK(poll(co).take() == "leaf, and on");
    }
}

TEST_CASE("an exception thrown after a suspension leaves the poll that resumed it") {
    Event event;
    auto body = [&]() -> Co<void> {
        co_await event.wait();
        throw std::runtime_error("later");
    };
    auto co = body();
    CHECK(poll(co).is_pending());
    event.open();
    CHECK_THROWS_WITH(static_cast<void>(poll(co)), "later");
}

TEST_CASE("a Co may be moved before and between its polls") {
    Event event;
    auto body = [](Event& waits_for, int value) -> Co<int> {
        co_await waits_for.wait();
        co_return value;
    };
    auto first = body(event, 9);
    auto second = std::move(first);
    CHECK(poll(second).is_pending());
    auto third = std::move(second);
    event.open();
    CHECK(poll(third).take() == 9);
}

TEST_CASE("assigning a Co drops the one before, once") {
    int drops[2] = {};
    auto body = [](Token) -> Co<void> { co_return; };
    {
        auto co = body(Token(drops[0]));
        co = body(Token(drops[1]));
        CHECK(drops[0] == 1);
        CHECK(drops[1] == 0);
    }
    CHECK(drops[1] == 1);
}

TEST_CASE("a named Co is awaited like a temporary") {
    auto body = []() -> Co<int> {
        auto named = give(1);
        auto moved = give(2);
        int sum = co_await named;
        co_return sum + co_await std::move(moved);
    };
    auto co = body();
    CHECK(poll(co).take() == 3);
}

TEST_CASE("a hand-written future polls a Co, and a Co awaits the future, at any depth") {
    auto body = []() -> Co<int> {
        auto inner = []() -> Co<int> {
            int value = co_await Twice(give(10));
            co_await yield_now();
            co_return value;
        };
        co_return co_await Twice(inner());
    };
    auto co = body();
    int polls = 1;
    for (auto polled = poll(co);; polled = poll(co), ++polls) {
        if (polled.is_pending()) continue;
        CHECK(polled.take() == 10);
        break;
    }
    CHECK(polls == 4);
}

TEST_CASE("a Co works inside every combinator") {
    auto body = [](int value) -> Co<int> {
        co_await yield_now();
        co_return value;
    };
    auto all = [&]() -> Co<std::vector<int>> {
        auto [one, two] = co_await join(body(1), map(body(1), [](int value) { return value + 1; }));
        auto winner = co_await select(body(3), body(4));
        auto polled = body(5);
        int five = co_await poll_fn([&](Context& context) { return polled.poll(context); });
        std::vector<int> values = {one, two, std::get<0>(winner), five};
        co_return values;
    };
    auto co = all();
    for (int pending_polls = 0; pending_polls < 3; ++pending_polls) CHECK(poll(co).is_pending());
    CHECK(poll(co).take() == std::vector<int>{1, 2, 3, 5});
}

TEST_CASE("a borrowed future is not consumed by an await") {
    int polls = 0;
    auto body = [&]() -> Co<int> {
        auto endless = poll_fn([&](Context&) -> Poll<int> { return ++polls; });
        int sum = co_await endless;
        sum += co_await endless;
        co_return sum;
    };
    auto co = body();
    CHECK(poll(co).take() == 3);
}

TEST_CASE("awaits stand wherever an expression may") {
    auto body = []() -> Co<int> {
        int sum = 0;
        for (int i = co_await give(0); i < co_await give(4); i += co_await give(1)) {
            if (co_await give(i) == 2) continue;
            sum += co_await give(i) * co_await give(10);
        }
        std::vector<int> values(co_await give(3), co_await give(1));
        co_return std::accumulate(values.begin(), values.end(), sum);
    };
    auto co = body();
    CHECK(poll(co).take() == 43);
}

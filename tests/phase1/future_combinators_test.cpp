// The smallest futures: ready, poll_fn, map, yield_now, and the Poll that they answer with.
#include "support.hpp"

using namespace support;

namespace {

static_assert(Future<Ready<int>> && Future<Ready<void>> && Future<YieldNow> && Future<Co<void>>);
static_assert(Future<Event::Wait> && Future<JoinHandle<int>>);
static_assert(!Future<int> && !Future<Waker>);
static_assert(FutureRef<Ready<int>&>);

// A future of a reference, by hand.
class Names {
public:
    using Output = int&;
    explicit Names(int& named) : named_(named) {}
    Poll<int&> poll(Context&) { return std::ref(named_); }

private:
    int& named_;
};

}  // namespace

TEST_CASE("a Poll is pending, or ready with its value") {
    Poll<int> waits = pending;
    CHECK(waits.is_pending());
    CHECK_FALSE(waits.is_ready());
    Poll<int> done = 7;
    CHECK(done.is_ready());
    CHECK(done.take() == 7);

    Poll<void> nothing = Unit{};
    CHECK(nothing.is_ready());
    nothing.take();

    int named = 1;
    Poll<int&> reference = std::ref(named);
    CHECK(&reference.take() == &named);
}

TEST_CASE("ready is ready at the first poll") {
    auto number = ready(3);
    CHECK(poll(number).take() == 3);
    auto nothing = ready();
    CHECK(poll(nothing).is_ready());
    auto moved_only = ready(std::make_unique<int>(4));
    CHECK(*poll(moved_only).take() == 4);
    int named = 5;
    auto copies = ready(named);
    named = 6;
    CHECK(poll(copies).take() == 5);
}

TEST_CASE("poll_fn calls its function at each poll, with the context of that poll") {
    WakerCounts counts;
    Waker waker = make_waker(counts);
    int calls = 0;
    auto third = poll_fn([&](Context& context) -> Poll<int> {
        context.waker().wake_by_ref();
        if (++calls < 3) return pending;
        return calls;
    });
    CHECK(calls == 0);
    CHECK(poll_with(third, waker).is_pending());
    CHECK(poll_with(third, waker).is_pending());
    CHECK(poll_with(third, waker).take() == 3);
    CHECK(counts.wakes_by_ref == 3);
}

TEST_CASE("poll_fn keeps a move-only function and drops it once") {
    int drops = 0;
    {
        auto future = poll_fn([token = Token(drops)](Context&) -> Poll<void> { return Unit{}; });
        auto moved = std::move(future);
        CHECK(poll(moved).is_ready());
        CHECK(drops == 0);
    }
    CHECK(drops == 1);
}

TEST_CASE("map applies its function to the value, once, when there is one") {
    int calls = 0;
    Event event;
    auto mapped = map(event.wait(), [&] { return ++calls; });
    CHECK(poll(mapped).is_pending());
    CHECK(calls == 0);
    event.open();
    CHECK(poll(mapped).take() == 1);
    CHECK(calls == 1);
}

TEST_CASE("map takes and gives values, void and references") {
    auto doubled = map(ready(21), [](int value) { return 2 * value; });
    CHECK(poll(doubled).take() == 42);

    int seen = 0;
    auto consumed = map(ready(3), [&](int value) { seen = value; });
    poll(consumed).take();
    CHECK(seen == 3);

    auto nothing = map(ready(), [&] { seen = 4; });
    poll(nothing).take();
    CHECK(seen == 4);

    int named = 5;
    auto reference = map(ready(0), [&](int) -> int& { return named; });
    CHECK(&poll(reference).take() == &named);

    auto from_reference = map(Names(named), [](int& value) { return &value; });
    CHECK(poll(from_reference).take() == &named);

    auto unwrapped = map(ready(std::make_unique<int>(6)), [](std::unique_ptr<int> value) { return *value; });
    CHECK(poll(unwrapped).take() == 6);
}

TEST_CASE("map moves a temporary in and borrows a named future") {
    Event event;
    int drops = 0;
    auto make = [&] {
        return poll_fn([&, token = Token(drops)](Context& context) { return event.wait().poll(context); });
    };
    {
        auto named = make();
        {
            auto mapped = map(named, [] { return 1; });
            CHECK(poll(mapped).is_pending());
        }
        CHECK(drops == 0);
        event.open();
        CHECK(poll(named).is_ready());
    }
    CHECK(drops == 1);
    {
        auto mapped = map(make(), [] { return 1; });
        CHECK(poll(mapped).is_ready());
        CHECK(drops == 1);
    }
    CHECK(drops == 2);
}

TEST_CASE("what the function of a map throws leaves its poll") {
    auto mapped = map(ready(1), [](int) -> int { throw std::runtime_error("map"); });
    CHECK_THROWS_WITH(static_cast<void>(poll(mapped)), "map");
}

TEST_CASE("yield_now is pending once, and has itself woken") {
    WakerCounts counts;
    Waker waker = make_waker(counts);
    auto yields = yield_now();
    CHECK(poll_with(yields, waker).is_pending());
    CHECK(counts.wakes_by_ref == 1);
    CHECK(poll_with(yields, waker).is_ready());
    CHECK(counts.wakes_by_ref == 1);
}

// The chain of frames below a polled Co: only its leaf is polled, and it dies innermost first.
// tests/phase1/deep_chain.cpp takes the same to a depth of 100,000, with every compiler and sanitizer.
#include "support.hpp"

#include <cstdint>

using namespace support;

namespace {

// Pending `left` times; counts its polls and notes where on the stack each ran.
struct Bottom {
    using Output = void;
    int left;
    int polls = 0;
    std::vector<std::uintptr_t> stack;

    explicit Bottom(int times) : left(times) {}
    [[gnu::noinline]] Poll<void> poll(Context&) {
        ++polls;
        stack.push_back(reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)));
        if (left-- > 0) return pending;
        return Unit{};
    }
};

// `depth` frames deep, around the leaf; counts each time that a frame of it runs.
Co<int> descend(int depth, Bottom& leaf, int& resumes) {
    ++resumes;
    if (depth == 1) {
        co_await leaf;
        ++resumes;
        co_return 1;
    }
    int below = co_await descend(depth - 1, leaf, resumes);
    ++resumes;
    co_return below + 1;
}

// Polls, and notes from where on the stack.
[[gnu::noinline]] Poll<int> poll_from(Co<int>& co, std::uintptr_t& here) {
    here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    return poll(co);
}

// Three frames, each with a local object before and after the child, and a suspension in each part.
Co<void> tell(int depth, Log& log) {
    LogsEnd outer(log, "outer " + std::to_string(depth));
    co_await yield_now();
    if (depth < 3) co_await tell(depth + 1, log);
    LogsEnd inner(log, "inner " + std::to_string(depth));
    co_await yield_now();
}

Co<int> slow(Event& event, int& drops) {
    Token token(drops);
    co_await event.wait();
    co_await yield_now();
    co_return 7;
}

Co<std::uint64_t> just(std::uint64_t value) { co_return value; }

}  // namespace

TEST_CASE("three polls, two resumes: a leaf is polled, not the chain above it") {
    Bottom leaf(2);
    int resumes = 0;
    auto co = descend(3, leaf, resumes);
    CHECK(poll(co).is_pending());
    CHECK(resumes == 3);  // each frame was entered once
    CHECK(poll(co).is_pending());
    CHECK(resumes == 3);  // a spurious poll resumes nothing
    CHECK(poll(co).take() == 3);
    CHECK(resumes == 6);  // each frame went on once
    CHECK(leaf.polls == 3);
}

TEST_CASE("a poll of a waiting chain takes the same stack at any depth") {
    auto stack_taken = [](int depth) {
        Bottom leaf(2);
        int resumes = 0;
        auto co = descend(depth, leaf, resumes);
        std::uintptr_t here = 0;
        CHECK(poll_from(co, here).is_pending());
        CHECK(poll_from(co, here).is_pending());
        return here - leaf.stack.back();
    };
    CHECK(stack_taken(2) == stack_taken(1));
    CHECK(stack_taken(1000) == stack_taken(1));
}

TEST_CASE("the first descent into a chain takes the same stack at any depth") {
    auto stack_taken = [](int depth) {
        Bottom leaf(0);
        int resumes = 0;
        auto co = descend(depth, leaf, resumes);
        std::uintptr_t here = 0;
        CHECK(poll_from(co, here).take() == depth);
        return here - leaf.stack.front();
    };
    CHECK(stack_taken(2) == stack_taken(1));
    CHECK(stack_taken(1000) == stack_taken(1));
}

TEST_CASE("the leaf gets the waker of each poll") {
    WakerCounts first;
    WakerCounts second;
    Event event;
    auto body = [&]() -> Co<void> { co_await event.wait(); };
    auto chain = [&]() -> Co<void> { co_await body(); };
    auto co = chain();
    CHECK(poll_with(co, make_waker(first)).is_pending());
    CHECK(first.references == 1);
    CHECK(poll_with(co, make_waker(second)).is_pending());
    CHECK(first.references == 0);
    event.open();
    CHECK(first.wakes == 0);
    CHECK(second.wakes == 1);
}

TEST_CASE("a chain dropped at any suspension dies innermost first, and each object once") {
    // What a chain that runs to its end leaves in the log.
    Log whole;
    int suspensions = 0;
    {
        auto co = tell(1, whole);
        while (poll(co).is_pending()) ++suspensions;
    }
    REQUIRE(suspensions == 6);
    REQUIRE(whole == Log{"inner 3", "outer 3", "inner 2", "outer 2", "inner 1", "outer 1"});

    const Log expected[] = {
        {},
        {"outer 1"},
        {"outer 2", "outer 1"},
        {"outer 3", "outer 2", "outer 1"},
        {"inner 3", "outer 3", "outer 2", "outer 1"},
        {"inner 3", "outer 3", "inner 2", "outer 2", "outer 1"},
        whole,
    };
    for (int polls = 0; polls <= suspensions; ++polls) {
        CAPTURE(polls);
        Log log;
        {
            auto co = tell(1, log);
            for (int done = 0; done < polls; ++done) CHECK(poll(co).is_pending());
        }
        CHECK(log == expected[polls]);
    }
}

TEST_CASE("a chain that was moved between polls dies the same way") {
    Log log;
    {
        auto co = tell(1, log);
        CHECK(poll(co).is_pending());
        CHECK(poll(co).is_pending());
        auto moved = std::move(co);
        CHECK(poll(moved).is_pending());
    }
    CHECK(log == Log{"outer 3", "outer 2", "outer 1"});
}

TEST_CASE("a named Co that is awaited dies with the chain that awaits it, once, wherever its name stands") {
    Event never;
    Log log;
    auto child = [&]() -> Co<void> {
        LogsEnd end(log, "~child");
        co_await never.wait();
    };
    SUBCASE("in the frame that awaits it") {
        auto parent = [&]() -> Co<void> {
            LogsEnd end(log, "~parent");
            auto named = child();
            co_await named;
        };
        auto co = parent();
        CHECK(poll(co).is_pending());
    }
    SUBCASE("outside of the chain") {
        auto named = child();
        auto parent = [&]() -> Co<void> {
            LogsEnd end(log, "~parent");
            co_await named;
        };
        auto co = parent();
        CHECK(poll(co).is_pending());
    }
    CHECK(log == Log{"~child", "~parent"});
}

TEST_CASE("a frame that returned is gone before its caller goes on") {
    Log log;
    auto child = [&]() -> Co<void> {
        LogsEnd end(log, "~child");
        co_await yield_now();
    };
    auto parent = [&]() -> Co<void> {
        co_await child();
        log.push_back("parent goes on");
    };
    auto co = parent();
    CHECK(poll(co).is_pending());
    CHECK(poll(co).is_ready());
    CHECK(log == Log{"~child", "parent goes on"});
}

TEST_CASE("a Co polled through select can be awaited afterwards, as a leaf") {
    Event slow_event;
    Event fast_event;
    int drops = 0;
    auto body = [&]() -> Co<int> {
        auto loser = slow(slow_event, drops);
        auto winner = co_await select(loser, fast_event.wait());
        CHECK(winner.index() == 1);
        co_return co_await loser;
    };
    auto co = body();
    CHECK(poll(co).is_pending());
    fast_event.open();
    CHECK(poll(co).is_pending());
    slow_event.open();
    CHECK(poll(co).is_pending());  // at its second await now, still as a leaf
    CHECK(drops == 0);
    CHECK(poll(co).take() == 7);
    CHECK(drops == 1);
}

TEST_CASE("a Co awaited as a leaf delivers its exception, at once or later") {
    auto fails = [](Event& event, bool later) -> Co<int> {
        co_await event.wait();
        if (later) co_await yield_now();
        throw std::runtime_error("leaf Co");
    };
    auto body = [&](Event& event, bool later) -> Co<std::string> {
        auto loser = fails(event, later);
        auto winner = co_await select(loser, ready());
        CHECK(winner.index() == 1);
        event.open();
        try {
            co_await loser;
        } catch (const std::runtime_error& error) {
            co_return error.what();
        }
        co_return "nothing";
    };
    for (bool later : {false, true}) {
        CAPTURE(later);
        Event event;
        auto co = body(event, later);
        auto polled = poll(co);
        CHECK(polled.is_pending() == later);
        if (later) polled = poll(co);
        CHECK(polled.take() == "leaf Co");
    }
}

TEST_CASE("a chain with a Co as its leaf dies innermost first as well") {
    Event never;
    Log log;
    auto bottom = [&]() -> Co<void> {
        LogsEnd end(log, "~bottom");
        co_await never.wait();
    };
    auto middle = [&]() -> Co<void> {
        LogsEnd end(log, "~middle");
        co_await bottom();
    };
    auto top = [&]() -> Co<void> {
        LogsEnd end(log, "~top");
        auto started = middle();
        co_await select(started, ready());
        co_await started;
    };
    {
        auto co = top();
        CHECK(poll(co).is_pending());
    }
    CHECK(log == Log{"~bottom", "~middle", "~top"});
}

TEST_CASE("chains inside one task have leaves of their own") {
    Event events[2];
    int drops = 0;
    auto body = [&]() -> Co<int> {
        auto [first, second] = co_await join(slow(events[0], drops), slow(events[1], drops));
        co_return first + second;
    };
    auto co = body();
    CHECK(poll(co).is_pending());
    events[1].open();
    CHECK(poll(co).is_pending());
    CHECK(poll(co).is_pending());
    CHECK(drops == 1);
    CHECK(events[0].polls == 3);
    CHECK(events[1].polls == 2);  // its second await yields, and then it is not polled again
    events[0].open();
    CHECK(poll(co).is_pending());
    CHECK(poll(co).take() == 14);
    CHECK(drops == 2);
}

TEST_CASE("R58: a million synchronous awaits in a row take no stack") {
    constexpr std::uint64_t count = 1'000'000;
    auto body = [&]() -> Co<std::uint64_t> {
        std::uint64_t sum = 0;
        for (std::uint64_t i = 0; i < count; ++i) {
            sum += co_await just(i);
            sum += co_await ready(i);
        }
        co_return sum;
    };
    auto co = body();
    CHECK(poll(co).take() == count * (count - 1));
}

// Wakers: each reference that is taken is given back once, whatever is done with the waker in between.
#include "support.hpp"

using namespace support;

TEST_CASE("a dropped waker gives its reference back") {
    WakerCounts counts;
    {
        Waker waker = make_waker(counts);
        CHECK(counts.references == 1);
    }
    CHECK(counts.references == 0);
    CHECK(counts.drops == 1);
    CHECK(counts.clones + counts.wakes + counts.wakes_by_ref == 0);
}

TEST_CASE("a clone holds a reference of its own") {
    WakerCounts counts;
    {
        Waker first = make_waker(counts);
        Waker second = first.clone();
        CHECK(counts.references == 2);
        Waker third = second.clone();
        CHECK(counts.references == 3);
    }
    CHECK(counts.references == 0);
    CHECK(counts.clones == 2);
    CHECK(counts.drops == 3);
}

TEST_CASE("wake gives the reference up, and a second wake does nothing") {
    WakerCounts counts;
    {
        Waker waker = make_waker(counts);
        std::move(waker).wake();
        CHECK(counts.references == 0);
        CHECK_FALSE(waker);
        std::move(waker).wake();
    }
    CHECK(counts.wakes == 1);
    CHECK(counts.drops == 0);
}

TEST_CASE("wake_by_ref keeps the reference") {
    WakerCounts counts;
    {
        Waker waker = make_waker(counts);
        waker.wake_by_ref();
        waker.wake_by_ref();
        CHECK(counts.references == 1);
    }
    CHECK(counts.wakes_by_ref == 2);
    CHECK(counts.drops == 1);
}

TEST_CASE("a moved waker leaves an empty one behind") {
    WakerCounts counts;
    {
        Waker first = make_waker(counts);
        Waker second = std::move(first);
        CHECK_FALSE(first);
        CHECK(second);
        CHECK(counts.references == 1);
        first.wake_by_ref();
        CHECK(counts.wakes_by_ref == 0);
    }
    CHECK(counts.drops == 1);
    CHECK(counts.clones == 0);
}

TEST_CASE("assigning a waker gives back the one before") {
    WakerCounts before;
    WakerCounts after;
    {
        Waker waker = make_waker(before);
        waker = make_waker(after);
        CHECK(before.references == 0);
        CHECK(after.references == 1);
        waker = Waker();
        CHECK(after.references == 0);
    }
    CHECK(before.drops == 1);
    CHECK(after.drops == 1);
}

TEST_CASE("an empty waker wakes nobody") {
    Waker empty;
    CHECK_FALSE(empty);
    empty.wake_by_ref();
    Waker clone = empty.clone();
    CHECK_FALSE(clone);
    std::move(clone).wake();
    CHECK(empty.will_wake(Waker()));
}

TEST_CASE("will_wake tells clones from strangers") {
    WakerCounts mine;
    WakerCounts yours;
    Waker waker = make_waker(mine);
    Waker clone = waker.clone();
    Waker stranger = make_waker(yours);
    CHECK(waker.will_wake(clone));
    CHECK_FALSE(waker.will_wake(stranger));
    CHECK_FALSE(waker.will_wake(Waker()));
}

TEST_CASE("remember clones only a waker of another task") {
    WakerCounts mine;
    WakerCounts yours;
    {
        Waker waker = make_waker(mine);
        Waker stranger = make_waker(yours);
        Waker kept;
        kept.remember(waker);
        kept.remember(waker);
        CHECK(mine.clones == 1);
        kept.remember(stranger);
        CHECK(mine.references == 1);
        CHECK(yours.references == 2);
    }
    CHECK(mine.references == 0);
    CHECK(yours.references == 0);
}

TEST_CASE("a forgotten waker gives nothing back") {
    WakerCounts counts;
    {
        Waker owner = make_waker(counts);
        Waker borrower = owner.clone();
        borrower.forget();
        CHECK(counts.references == 2);
        --counts.references;
    }
    CHECK(counts.references == 0);
    CHECK(counts.drops == 1);
}

TEST_CASE("the library's futures balance the wakers that they are polled with") {
    WakerCounts counts;
    {
        Waker waker = make_waker(counts);
        Event event;
        {
            auto wait = event.wait();
            CHECK(poll_with(wait, waker).is_pending());
            CHECK(poll_with(wait, waker).is_pending());
            CHECK(counts.references == 2);
            auto both = join(yield_now(), event.wait());
            CHECK(poll_with(both, waker).is_pending());
            CHECK(counts.wakes_by_ref == 1);
            auto either = select(event.wait(), event.wait());
            CHECK(poll_with(either, waker).is_pending());
        }
        CHECK(counts.references == 2);
        event.open();
        CHECK(counts.wakes == 1);
    }
    CHECK(counts.references == 0);
}

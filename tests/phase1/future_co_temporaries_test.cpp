// R57: GCC 12 destroys some temporaries of a co_await expression twice. Ringlet's own types must not be among
// them, so every shape in which programs await them is run here: to its end at once, to its end after a
// suspension, into an exception, and dropped while suspended. Each member of the census must be destroyed
// exactly once. (Capturing lambdas and braced aggregates inside such an expression are the program's to
// avoid; tests/tools/co_await_lint.py refuses them.)
#include "support.hpp"

#include <functional>

using namespace support;

namespace {

enum class Ends { at_once, later, in_an_exception, dropped };

// A future with non-trivial members, and an output that has some too.
class Rich {
public:
    using Output = Census::Member;
    Rich(Census& census, Ends ends) : future_(census), output_(census), ends_(ends) {}
    Poll<Census::Member> poll(Context& context) {
        if (ends_ == Ends::dropped) return pending;
        if (ends_ != Ends::at_once && !std::exchange(polled_, true)) {
            context.waker().wake_by_ref();
            return pending;
        }
        if (ends_ == Ends::in_an_exception) throw std::runtime_error("rich");
        return output_;
    }

private:
    Census::Member future_;
    Census::Member output_;
    Ends ends_;
    bool polled_ = false;
};

// A function with a non-trivial member, for map.
class Keep {
public:
    explicit Keep(Census& census) : member_(census) {}
    Census::Member operator()(Census::Member given) const { return given; }

private:
    Census::Member member_;
};

// Where one run takes place: what a shape awaits with.
struct Place {
    Census& census;
    LocalExecutor& executor;
    TaskQueueHandle queue;
    Ends ends;

    Rich rich() const { return Rich(census, ends); }
    Census::Member member() const { return Census::Member(census); }
    Keep keep() const { return Keep(census); }
    // A coroutine with a parameter of its own.
    Co<Census::Member> child(Census::Member given) const {
        Census::Member local = given;
        co_await Rich(census, ends);
        co_return local;
    }
    Co<std::unique_ptr<Census::Member>> owned(Census::Member given) const {
        co_await rich();
        co_return std::make_unique<Census::Member>(given);
    }
    Co<void> nothing(Census::Member) const { co_await rich(); }
};

int use(const Census::Member&, const Census::Member&) { return 1; }

using Shape = std::function<Co<void>(const Place&)>;

// Spawns the shape and runs it to its end, or to where it waits for ever.
void run_shape(const Shape& shape, Census& census, Ends ends) {
    Reports reports;  // two handles may throw, and only one of them is awaited to the end
    auto executor = make_idle_executor();
    Place place{census, *executor, executor->create_task_queue("other"), ends};
    bool threw = false;
    auto body = [&]() -> Co<void> {
        try {
            co_await shape(place);
        } catch (const std::runtime_error&) {
            threw = true;
        }
    };
    auto handle = executor->spawn_local(body());
    if (ends == Ends::dropped) {
        for (int turns = 0; turns < 10; ++turns) executor->turn(false);
        CHECK_FALSE(handle.is_finished());
        CHECK(census.alive() > 0);
    } else {
        CHECK(executor->run(std::move(handle)));
        CHECK(threw == (ends == Ends::in_an_exception));
    }
}

void check_census(const char* name, const Shape& shape) {
    for (Ends ends : {Ends::at_once, Ends::later, Ends::in_an_exception, Ends::dropped}) {
        INFO(name, ", case ", static_cast<int>(ends));
        Census census;
        run_shape(shape, census, ends);
        CHECK(census.entered > 0);
        CHECK(census.alive() == 0);
        CHECK(census.faults == 0);
    }
}

}  // namespace

TEST_CASE("R57: futures awaited as temporaries are destroyed once") {
    check_census("a temporary future", [](const Place& at) -> Co<void> { co_await at.rich(); });
    check_census("a future made by its constructor",
                 [](const Place& at) -> Co<void> { co_await Rich(at.census, at.ends); });
    check_census("its output kept", [](const Place& at) -> Co<void> { auto kept = co_await at.rich(); });
    check_census("its output bound", [](const Place& at) -> Co<void> {
        const auto& bound = co_await at.rich();
        static_cast<void>(bound);
    });
    check_census("two in one expression",
                 [](const Place& at) -> Co<void> { use(co_await at.rich(), co_await at.rich()); });
    check_census("beside another temporary",
                 [](const Place& at) -> Co<void> { use(at.member(), co_await at.rich()); });
    check_census("in a condition", [](const Place& at) -> Co<void> {
        if (int used = use(at.member(), co_await at.rich()); used != 1) co_await at.rich();
    });
    check_census("moved from a name", [](const Place& at) -> Co<void> {
        auto named = at.rich();
        co_await std::move(named);
    });
    check_census("borrowed", [](const Place& at) -> Co<void> {
        auto named = at.rich();
        co_await named;
    });
}

TEST_CASE("R57: combinators awaited as temporaries are destroyed once") {
    check_census("map", [](const Place& at) -> Co<void> { co_await map(at.rich(), at.keep()); });
    check_census("map of a constructed function",
                 [](const Place& at) -> Co<void> { co_await map(at.rich(), Keep(at.census)); });
    check_census("join", [](const Place& at) -> Co<void> { co_await join(at.rich(), at.rich()); });
    check_census("join, its tuple kept",
                 [](const Place& at) -> Co<void> { auto kept = co_await join(at.rich(), at.rich()); });
    check_census("select", [](const Place& at) -> Co<void> { co_await select(at.rich(), at.rich()); });
    check_census("select of a borrowed one", [](const Place& at) -> Co<void> {
        auto named = at.rich();
        co_await select(named, at.rich());
    });
    check_census("join, select and map together", [](const Place& at) -> Co<void> {
        co_await join(select(at.rich(), at.rich()), map(at.rich(), at.keep()));
    });
    check_census("poll_fn of a named function", [](const Place& at) -> Co<void> {
        auto polls = [rich = at.rich()](Context& context) mutable { return rich.poll(context); };
        co_await poll_fn(std::move(polls));
    });
    check_census("ready", [](const Place& at) -> Co<void> {
        co_await ready(at.member());
        co_await at.rich();
    });
}

TEST_CASE("R57: coroutines awaited as temporaries are destroyed once") {
    check_census("a Co", [](const Place& at) -> Co<void> { co_await at.child(at.member()); });
    check_census("a Co, its argument constructed",
                 [](const Place& at) -> Co<void> { co_await at.child(Census::Member(at.census)); });
    check_census("a Co of a move-only value",
                 [](const Place& at) -> Co<void> { auto kept = co_await at.owned(at.member()); });
    check_census("a Co of void", [](const Place& at) -> Co<void> { co_await at.nothing(at.member()); });
    check_census("two Cos in one expression", [](const Place& at) -> Co<void> {
        use(co_await at.child(at.member()), co_await at.child(at.member()));
    });
    check_census("a Co returned from a Co", [](const Place& at) -> Co<void> {
        auto passes = [](const Place& place) -> Co<Census::Member> {
            co_return co_await place.child(place.member());
        };
        co_await passes(at);
    });
    check_census("Cos in join", [](const Place& at) -> Co<void> {
        co_await join(at.child(at.member()), at.nothing(at.member()));
    });
    check_census("Cos in select", [](const Place& at) -> Co<void> {
        co_await select(at.child(at.member()), at.owned(at.member()));
    });
    check_census("a Co in map",
                 [](const Place& at) -> Co<void> { co_await map(at.child(at.member()), at.keep()); });
}

TEST_CASE("R57: handles awaited as temporaries are destroyed once") {
    check_census("the handle of a Co",
                 [](const Place& at) -> Co<void> { co_await spawn_local(at.child(at.member())); });
    check_census("the handle of a future",
                 [](const Place& at) -> Co<void> { auto kept = co_await spawn_local(at.rich()); });
    check_census("the handle of a combinator",
                 [](const Place& at) -> Co<void> { co_await spawn_local(join(at.rich(), at.rich())); });
    check_census("the handle of a function", [](const Place& at) -> Co<void> {
        auto body = [at, member = at.member()] { return at.nothing(member); };
        co_await spawn_local(std::move(body));
    });
    check_census("a handle inside an expected", [](const Place& at) -> Co<void> {
        co_await *spawn_local_into(at.queue, at.child(at.member()));
    });
    check_census("handles in join", [](const Place& at) -> Co<void> {
        co_await join(spawn_local(at.rich()), spawn_local(at.child(at.member())));
    });
    check_census("a handle in map", [](const Place& at) -> Co<void> {
        co_await map(spawn_local(at.rich()), [](auto joined) { return joined.has_value(); });
    });
}

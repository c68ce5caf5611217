// The reactor as an executor's parker: what it submits and when, whom it wakes, and what it says when
// there is nothing to wait for.
#include "support.hpp"

#include <ringlet/executor/idle_parker.hpp>

using namespace support;

namespace {

// A source of the test's own: waits until the descriptor can be read.
class PollSource final : public Source {
public:
    explicit PollSource(int fd) : fd_(fd) {}
    int completions = 0;

private:
    void prepare(io_uring_sqe& entry) noexcept override { io_uring_prep_poll_add(&entry, fd_, POLLIN); }
    void complete(int, unsigned) noexcept override { ++completions; }
    void discard(int, unsigned) noexcept override {}

    int fd_;
};

Operation<operations::PollAdd> readable(const Pipe& pipe) {
    return Operation(operations::PollAdd(pipe.reader.get(), POLLIN));
}

auto never() {
    return poll_fn([](Context&) -> Poll<void> { return pending; });
}

Co<void> nop_into(int& done) {
    co_await round_trip();
    ++done;
}

}  // namespace

TEST_CASE("an operation is submitted at its first poll, and once however often it is polled") {
    Pipe pipe = make_pipe();
    run_io([&]() -> Co<void> {
        Reactor& reactor = Reactor::current();
        auto waits = readable(pipe);
        co_await round_trip();
        CHECK(reactor.in_flight() == 0);
        std::uint64_t before = reactor.stats().submitted;
        for (int i = 0; i < 100; ++i) CHECK_FALSE(co_await poll_once(waits));
        CHECK(reactor.stats().submitted == before + 1);
        CHECK(reactor.in_flight() == 1);
        put(pipe.writer.get(), "x");
        CHECK((co_await waits).value() == POLLIN);
        CHECK(reactor.stats().submitted == before + 1);
        CHECK(reactor.in_flight() == 0);
    });
}

TEST_CASE("operations that start in one turn reach the kernel in one call") {
    auto executor = make_io_executor();
    Reactor& reactor = reactor_of(*executor);
    int done = 0;
    for (int i = 0; i < 50; ++i) executor->spawn_local(nop_into(done)).detach();
    executor->turn(false);
    CHECK(reactor.stats().submitted == 50);
    CHECK(reactor.in_flight() == 50);
    CHECK(reactor.stats().enters == 0);
    executor->turn(false);
    CHECK(reactor.stats().enters == 1);
    CHECK(reactor.stats().completions == 50);
    CHECK(done == 50);
}

TEST_CASE("an idle turn does not call the kernel") {
    Pipe pipe = make_pipe();
    auto executor = make_io_executor();
    Reactor& reactor = reactor_of(*executor);
    auto waits = readable(pipe);
    executor->spawn_local(std::move(waits)).detach();
    executor->turn(false);
    executor->turn(false);
    std::uint64_t before = reactor.stats().enters;
    CHECK(before > 0);
    for (int i = 0; i < 100; ++i) executor->turn(false);
    CHECK(reactor.stats().enters == before);
}

TEST_CASE("the task that polled an operation last is the one that is woken") {
    Pipe pipe = make_pipe();
    auto executor = make_io_executor();
    WakerCounts first;
    WakerCounts second;
    auto waits = readable(pipe);
    executor->run([&]() -> Co<void> {
        CHECK(poll_with(waits, make_waker(first)).is_pending());
        CHECK(poll_with(waits, make_waker(second)).is_pending());
        co_await round_trip();
    });
    CHECK(first.references == 0);
    put(pipe.writer.get(), "x");
    CHECK(turn_until(*executor, [&] { return second.wakes == 1; }));
    CHECK(first.wakes == 0);
    CHECK(second.references == 0);
}

TEST_CASE("what one run started, the next run may finish") {
    Pipe pipe = make_pipe();
    auto executor = make_io_executor();
    auto waits = readable(pipe);
    executor->run([&]() -> Co<void> { CHECK_FALSE(co_await poll_once(waits)); });
    put(pipe.writer.get(), "x");
    CHECK(executor->run([&]() -> Co<unsigned> { co_return (co_await waits).value(); }) == POLLIN);
}

TEST_CASE("executors that take turns on one thread keep their operations apart") {
    Pipe left = make_pipe();
    Pipe right = make_pipe();
    auto one = make_io_executor();
    auto other = make_io_executor();
    auto wait_for = [](const Pipe& pipe) -> Co<std::string> {
        auto ready = co_await readable(pipe);
        co_return ready ? get(pipe.reader.get()) : ready.error().message();
    };
    auto first = one->spawn_local(wait_for(left));
    auto second = other->spawn_local(wait_for(right));
    put(right.writer.get(), "right");
    CHECK(turn_until(*other, [&] { return second.is_finished(); }));
    for (int i = 0; i < 10; ++i) one->turn(false);
    CHECK_FALSE(first.is_finished());
    put(left.writer.get(), "left");
    CHECK(one->run([&]() -> Co<std::string> { co_return *co_await first; }) == "left");
    CHECK(other->run([&]() -> Co<std::string> { co_return *co_await second; }) == "right");
}

TEST_CASE("an executor on a thread of its own has a reactor of its own") {
    Pipe pipe = make_pipe();
    std::string text;
    auto root = [&]() -> Co<void> {
        auto ready = co_await readable(pipe);
        if (ready) text = get(pipe.reader.get());
    };
    auto thread = LocalExecutorBuilder().name("reader").ring_depth(8).spawn(root);
    REQUIRE(thread);
    put(pipe.writer.get(), "over there");
    thread->join();
    CHECK(text == "over there");
}

TEST_CASE("the builder's ring depth is the ring's") {
    auto executor = LocalExecutorBuilder().ring_depth(32).make();
    REQUIRE(executor);
    CHECK(reactor_of(**executor).ring().depth() == 32);
}

TEST_CASE("to wait with nothing pending is a deadlock, and says so") {
    auto executor = make_io_executor();
    std::string text;
    try {
        executor->run([] { return never(); });
    } catch (const Deadlock& deadlock) {
        text = deadlock.what();
    }
    CHECK(text.find("no operation or timer is pending") != std::string::npos);
    // And the executor still works.
    executor->run([] { return round_trip(); });
}

TEST_CASE("a pending timer or operation is no deadlock") {
    Pipe pipe = make_pipe();
    run_io([] { return sleep(2ms); });
    auto writer_of_later = [&]() -> Co<void> {
        co_await sleep(2ms);
        put(pipe.writer.get(), "x");
    };
    run_io([&]() -> Co<void> {
        spawn_local(writer_of_later()).detach();
        CHECK(co_await readable(pipe));
    });
}

TEST_CASE("an abandoned operation does not hide a deadlock") {
    Pipe pipe = make_pipe();
    auto waits_for_nothing = [&]() -> Co<void> {
        {
            auto waits = readable(pipe);
            CHECK_FALSE(co_await poll_once(waits));
            co_await round_trip();
        }
        co_await never();
    };
    CHECK_THROWS_AS(run_io(waits_for_nothing), Deadlock);
}

TEST_CASE("an operation polled outside of run aborts and says what to do") {
    ChildEnd outside = run_in_child([] {
        auto executor = make_io_executor();
        Operation nop{operations::Nop()};
        static_cast<void>(poll(nop));
    });
    CHECK(outside.aborted());
    CHECK(outside.says("I/O and timers need a running executor"));

    ChildEnd without = run_in_child([] {
        LocalExecutor executor("idle", std::make_unique<IdleParker>());
        executor.run([] { return Operation(operations::Nop()); });
    });
    CHECK(without.aborted());
    CHECK(without.says("this executor's parker does no I/O"));
}

TEST_CASE("to submit a source twice is a bug") {
    ChildEnd child = run_in_child([] {
        Pipe pipe = make_pipe();
        run_io([&]() -> Co<void> {
            PollSource source(pipe.reader.get());
            Reactor::current().submit(source);
            Reactor::current().submit(source);
            co_return;
        });
    });
    CHECK(child.aborted());
    CHECK(child.says("a source was submitted twice"));
}

TEST_CASE("to free a source that is in flight is a bug") {
    ChildEnd child = run_in_child([] {
        Pipe pipe = make_pipe();
        run_io([&]() -> Co<void> {
            PollSource source(pipe.reader.get());
            Reactor::current().submit(source);
            co_return;
        });
    });
    CHECK(child.aborted());
    CHECK(child.says("a source was freed while the kernel may still use it"));
}

TEST_CASE("a source may be cancelled more than once and submitted again after its last completion") {
    Pipe pipe = make_pipe();
    run_io([&]() -> Co<void> {
        Reactor& reactor = Reactor::current();
        PollSource source(pipe.reader.get());
        reactor.cancel(source);  // not in flight: nothing to do
        for (int round = 1; round <= 3; ++round) {
            reactor.submit(source);
            co_await round_trip();
            std::uint64_t before = reactor.stats().submitted;
            for (int i = 0; i < 5; ++i) reactor.cancel(source);
            CHECK(reactor.stats().submitted == before + 1);
            auto ended = [&] { return source.completions == round; };
            CHECK(co_await eventually(ended));
            CHECK_FALSE(source.is_in_flight());
        }
    });
}

TEST_CASE("flush hands over what is queued, and enters only then") {
    Pipe pipe = make_pipe();
    run_io([&]() -> Co<void> {
        Reactor& reactor = Reactor::current();
        auto waits = readable(pipe);
        CHECK_FALSE(co_await poll_once(waits));
        CHECK(reactor.ring().queued() == 1);
        std::uint64_t before = reactor.stats().enters;
        reactor.flush();
        CHECK(reactor.ring().queued() == 0);
        reactor.flush();
        CHECK(reactor.stats().enters == before + 1);
    });
}

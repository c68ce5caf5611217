// R56 between shards: whichever allocation fails, at home or at the other shard, std::bad_alloc or an error
// comes out where it is awaited, memory is back, and both shards do the same thing afterwards.
#include "../phase2/failing_io.hpp"
#include "channel_support.hpp"
#include "support.hpp"

using namespace support;

#if defined(OPERATOR_NEW_IS_FIXED)

TEST_CASE("operator new cannot be counted here; every other build runs this suite") {}

#else

namespace {

Co<int> seven() {
    co_await yield_now();
    co_return 7;
}

// Its preempt timer has been armed.
std::unique_ptr<LocalExecutor> make_busy_executor() {
    auto executor = make_executor();
    executor->run([]() -> Co<void> {
        auto first = spawn_local(seven());
        auto second = spawn_local(seven());
        static_cast<void>(co_await first);
        static_cast<void>(co_await second);
    });
    return executor;
}

Step wake_from_a_thread() {
    ForeignEvent event;
    auto waiting = event.wait();
    static_cast<void>(co_await poll_once(waiting));
    event.open();
    co_await waiting;
    co_return true;
}

Step connect_a_channel() {
    auto [sender, receiver] = shared_channel::new_bounded<std::string>(4);
    auto sends = std::move(sender).connect();
    auto receives = std::move(receiver).connect();
    auto waiting = receives.recv();
    static_cast<void>(co_await poll_once(waiting));
    if (!sends.try_send(std::string(100, 'x'))) co_return false;
    auto first = co_await waiting;
    std::vector<std::string> more;
    std::vector<std::string> items(3, std::string(100, 'y'));
    std::size_t sent = sends.try_send_many(items);
    co_return first&& sent == 3 && receives.try_recv_many(more, 3) == 3;
}

std::string text_of(int seed) { return std::string(100, static_cast<char>('a' + seed)); }

Co<std::string> text_later() {
    co_await yield_now();
    co_return text_of(1);
}

Co<bool> call_both_ways() {
    auto give = [text = text_of(0)] { return text; };
    auto at_once = co_await submit_to(1, give);
    auto later = co_await submit_to(1, text_later);
    co_return at_once == text_of(0) && later == text_of(1);
}

// Without memory for a message from ring to ring a wake goes by the doorbell, and nobody learns of it.
Surfaced unless_made_good(Surfaced surfaced) {
    if (surfaced != Surfaced::nothing || !counted_new::has_failed) return surfaced;
    return Surfaced::made_good;
}

// Shard 0 calls shard 1, while the allocation number `n` of one of the two fails. That is asked for by the
// shard's own root: a call to ask for it would leave blocks for the next one.
Surfaced call_with_a_failure(long n, ShardId failing) {
    auto surfaced = Surfaced::nothing;
    bool failed = false;
    bool works = false;
    auto end = [] {
        counted_new::successes_left = -1;
        return counted_new::has_failed;
    };
    auto pool = start_pool(2, [&](Shard& shard) -> Co<void> {
        co_await shard.everyone();
        counted_new::has_failed = false;
        counted_new::successes_left = shard.id() == failing ? n : -1;
        co_await shard.everyone();
        if (shard.id() != 0) co_return;
        try {
            if (!co_await call_both_ways()) surfaced = Surfaced::returned;
            failed = (co_await submit_to(failing, end)).value();
        } catch (const std::bad_alloc&) {
            surfaced = Surfaced::thrown;
            failed = true;
        }
        co_await submit_to(failing, end);
        works = co_await call_both_ways();
    });
    pool.join_all();
    CHECK(works);
    counted_new::has_failed = failed;
    return unless_made_good(surfaced);
}

std::unique_ptr<int> block() { return std::make_unique<int>(1); }

Surfaced start_with_a_failure(long n) {
    auto surfaced = Surfaced::nothing;
    auto start = [] {
        return LocalExecutorPoolBuilder(PoolPlacement::Unbound{2})
            .on_all_shards([](Shard&) -> Co<std::unique_ptr<int>> { co_return block(); });
    };
    counted_new::has_failed_anywhere = false;
    counted_new::successes_left_anywhere = n;
    try {
        auto pool = start();
        if (pool) pool->join_all();
        if (!pool) surfaced = Surfaced::returned;
    } catch (const std::bad_alloc&) {
        surfaced = Surfaced::thrown;
    }
    counted_new::successes_left_anywhere = -1;
    counted_new::has_failed = counted_new::has_failed_anywhere;
    CHECK(start()->join_all().size() == 2);
    return unless_made_good(surfaced);
}

Co<bool> work_elsewhere() {
    auto give = [text = text_of(0)] { return text; };
    auto text = co_await spawn_blocking(give);
    co_return text == text_of(0);
}

// On shard 0, whose pool has no blocking thread yet.
Surfaced block_with_a_failure(long n) {
    auto surfaced = Surfaced::nothing;
    auto pool = start_pool(1, [&](Shard&) -> Co<void> {
        FailsAt fails(n);
        try {
            if (!co_await work_elsewhere()) surfaced = Surfaced::returned;
        } catch (const std::bad_alloc&) {
            surfaced = Surfaced::thrown;
        }
        counted_new::has_failed_anywhere = counted_new::has_failed;
        counted_new::successes_left = -1;
        CHECK(co_await work_elsewhere());
    });
    pool.join_all();
    counted_new::has_failed = counted_new::has_failed_anywhere;
    return surfaced;
}

}  // namespace

TEST_CASE("R56: an allocation fails while a foreign waker is made") {
    CHECK(fail_each_on(make_busy_executor, wake_from_a_thread) > 3);
}

TEST_CASE("R56: an allocation fails while a shared channel is made, connected and used") {
    CHECK(fail_each_on(make_busy_executor, connect_a_channel) > 5);
}

TEST_CASE("R56: a recv_many without memory leaves what it was promised to the next one who waits") {
    Line<int> line(4);
    std::vector<int> into;
    Wait many(line.receiver->recv_many(into, 4));
    Wait next(line.receiver->recv());
    CHECK_FALSE(many.poll());
    CHECK_FALSE(next.poll());
    CHECK(line.sender->try_send(7));
    line.b->turn(false);
    REQUIRE(many.is_woken());
    bool has_thrown = false;
    try {
        FailsAt fails(0);
        many.poll();
    } catch (const std::bad_alloc&) {
        has_thrown = true;
    }
    CHECK(has_thrown);
    CHECK(next.is_woken());
    REQUIRE(next.poll());
    CHECK(*next.output == 7);
}

TEST_CASE("R56: an allocation fails in submit_to, at home or at the target") {
    for (ShardId failing : {0U, 1U}) {
        CAPTURE(failing);
        CHECK(fail_each_allocation([=](long n) { return call_with_a_failure(n, failing); }) > 3);
    }
}

TEST_CASE("R56: an allocation fails in spawn_blocking") {
    CHECK(fail_each_allocation(block_with_a_failure) > 3);
}

TEST_CASE("R56: a blocking function that could not be handed over is handed over by the next poll") {
    BlockingPool pool(1);
    auto executor = make_busy_executor();
    executor->run([&]() -> Co<void> {
        auto job = pool.spawn([] { return 5; });
        bool has_thrown = false;
        auto without_memory = poll_fn([&](Context& context) -> Poll<void> {
            FailsAt fails(0);
            try {
                static_cast<void>(job.poll(context));
            } catch (const std::bad_alloc&) {
                has_thrown = true;
            }
            return Unit{};
        });
        co_await without_memory;
        CHECK(has_thrown);
        CHECK(co_await timeout(10s, job) == 5);
    });
}

TEST_CASE("R56: an allocation of any thread fails while a pool is started and joined") {
    static_cast<void>(allowed_cpus());
    CHECK(fail_each_allocation(start_with_a_failure) > 50);
}

#endif

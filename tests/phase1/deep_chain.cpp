// R58, as a tiny program of its own: whether a deep chain of coroutines overflows the stack depends on
// compiler, optimisation level and sanitizer, so tests/tools/deep_chain.py builds this in all those ways and
// runs it on a stack of 8 MiB. Prints what went wrong; exit code 0 or 1.
#include <ringlet/executor/idle_parker.hpp>
#include <ringlet/executor/local_executor.hpp>
#include <ringlet/future/co.hpp>

#include <cstdio>
#include <cstring>

using namespace ringlet;

namespace {

constexpr long depth = 100'000;
constexpr long awaits = 1'000'000;

int faults = 0;

void expect(bool holds, const char* what) {
    if (holds) return;
    std::printf("does not hold: %s\n", what);
    ++faults;
}

long alive = 0;

// One in each frame: a frame that is forgotten, or destroyed twice, shows in the count.
struct Alive {
    Alive() { ++alive; }
    Alive(const Alive&) = delete;
    ~Alive() { --alive; }
};

enum class Bottom { returns, yields, waits, throws, throws_later };

Co<long> descend(long level, Bottom bottom) {
    Alive self;
    if (level > 1) co_return co_await descend(level - 1, bottom) + 1;
    if (bottom == Bottom::yields || bottom == Bottom::throws_later) co_await yield_now();
    if (bottom == Bottom::waits) co_await poll_fn([](Context&) -> Poll<void> { return pending; });
    if (bottom == Bottom::throws || bottom == Bottom::throws_later) throw std::runtime_error("bottom");
    co_return 1;
}

Co<long> count_up(long value) { co_return value; }

Poll<long> poll(Co<long>& co) {
    Waker nobody;
    Context context(nobody);
    return co.poll(context);
}

void completed() {
    auto at_once = descend(depth, Bottom::returns);
    expect(poll(at_once).take() == depth, "a chain returns its depth");
    auto later = descend(depth, Bottom::yields);
    expect(poll(later).is_pending(), "a chain waits for its leaf");
    expect(alive == depth, "every frame of a waiting chain lives");
    expect(poll(later).take() == depth, "a chain that waited returns its depth");
    expect(alive == 0, "a completed chain leaves no frame behind");
}

void thrown_through() {
    for (Bottom bottom : {Bottom::throws, Bottom::throws_later}) {
        auto co = descend(depth, bottom);
        bool caught = false;
        try {
            while (poll(co).is_pending()) {
            }
        } catch (const std::runtime_error& error) {
            caught = std::strcmp(error.what(), "bottom") == 0;
        }
        expect(caught, "an exception passes through a chain");
        expect(alive == 0, "an exception leaves no frame behind");
    }
}

void dropped_while_suspended() {
    {
        auto co = descend(depth, Bottom::waits);
        expect(poll(co).is_pending(), "a chain waits for its leaf");
    }
    expect(alive == 0, "a dropped chain leaves no frame behind");
}

void as_tasks() {
    auto made = std::make_unique<LocalExecutor>("deep", std::make_unique<IdleParker>());
    LocalExecutor& executor = *made;
    expect(executor.run(descend(depth, Bottom::yields)) == depth, "run() gives what a chain returns");

    auto cancelled = executor.spawn_local(descend(depth, Bottom::waits));
    auto cancel = [&]() -> Co<bool> {
        expect(alive == depth, "every frame of a waiting task lives");
        cancelled.cancel();
        auto output = co_await cancelled;
        co_return output.has_value();
    };
    // The root is polled after the chain, which waits by then.
    expect(!executor.run(cancel), "a cancelled chain gives nothing");
    expect(alive == 0, "a cancelled chain leaves no frame behind");

    auto left = executor.spawn_local(descend(depth, Bottom::waits));
    executor.turn(false);
    expect(alive == depth, "every frame of a waiting task lives");
    auto survivor = executor.spawn_local(descend(depth, Bottom::returns));
    made.reset();
    expect(alive == 0, "the end of an executor leaves no frame behind");
}

void awaited_in_a_row() {
    auto sums = []() -> Co<long> {
        long sum = 0;
        for (long i = 0; i < awaits; ++i) sum += co_await count_up(i);
        co_return sum;
    };
    auto co = sums();
    expect(poll(co).take() == awaits * (awaits - 1) / 2, "a million awaits give a million values");
}

}  // namespace

int main() {
    completed();
    thrown_through();
    dropped_while_suspended();
    as_tasks();
    awaited_in_a_row();
    if (faults == 0) std::printf("chains of %ld frames and %ld awaits in a row: well\n", depth, awaits);
    return faults == 0 ? 0 : 1;
}

// soak_stress: what a simulator that steps all shards on one thread cannot see: two cores at once. Four kinds
// of races, for a quarter of the time each, with random pauses of all lengths in between, so that every
// window is hit from both sides. `./run stress` starts it, also built with thread sanitizer.
//
//     soak_stress [SECONDS] [SEED]
//
// Prints counts per kind. A kind without progress for 5 s is named, and the program aborts; anything lost,
// doubled or out of order ends it with exit code 1.
#include "stress.hpp"
#include "stress_wakers.hpp"

#include <ringlet/channel/shared_channel.hpp>
#include <ringlet/executor/foreign_waker.hpp>
#include <ringlet/future/future.hpp>

#include <array>
#include <condition_variable>
#include <mutex>
#include <vector>

using namespace stress;

namespace {

// --- Park and wake ---------------------------------------------------------------------------------------

// Two executors wake each other in turn, each at a random moment of the other's way to sleep.
struct Side {
    static constexpr std::uint64_t over = ~std::uint64_t{0};

    std::atomic<std::uint64_t> turn = 0;
    ForeignWaker waker;
    std::atomic<bool> is_ready = false;
    std::uint64_t parks = 0;

    // What happened before a wake is seen by who is woken: the order is the waker's business.
    void tell(std::uint64_t round) {
        turn.store(round, std::memory_order_relaxed);
        waker.wake();
    }
    auto told(std::uint64_t round) {
        return poll_fn([this, round](Context&) -> Poll<std::uint64_t> {
            std::uint64_t now = turn.load(std::memory_order_relaxed);
            if (now < round) return pending;
            return now;
        });
    }
    auto introduce() {
        return poll_fn([this](Context& context) -> Poll<void> {
            waker = ForeignWaker(context.waker());
            is_ready = true;
            return Unit{};
        });
    }
};

Co<void> play(Side& mine, Side& other, bool begins, Time end, std::uint64_t seed) {
    Random random(seed);
    co_await mine.introduce();
    while (!other.is_ready) std::this_thread::yield();
    for (std::uint64_t round = 1;; ++round) {
        if (begins) {
            if (!is_before(end)) break;
            spin(random);
            other.tell(round);
        }
        auto told = mine.told(round);
        std::uint64_t now = co_await told;
        if (now == Side::over) break;
        if (now != round) fail("park and wake: a round was left out");
        if (!begins) {
            spin(random);
            other.tell(round);
        }
        ++progress;
    }
    if (begins) other.tell(Side::over);
    mine.parks = current_executor()->stats().parks;
}

void park_and_wake(Time end, std::uint64_t seed) {
    Side sides[2];
    auto first = start_executor([&] { return play(sides[0], sides[1], true, end, seed); });
    auto second = start_executor([&] { return play(sides[1], sides[0], false, end, seed + 1); });
    first.join();
    second.join();
    if (sides[0].parks + sides[1].parks == 0) fail("park and wake: nobody ever slept");
    report("park and wake", {{progress / 2, "rounds"}, {sides[0].parks + sides[1].parks, "sleeps"}});
}

// --- Channel ---------------------------------------------------------------------------------------------

using Value = std::uint64_t;

Co<void> send_values(ConnectedSender<Value> sender, Value& sent, Time end, Random random) {
    std::vector<Value> batch;
    while (is_before(end)) {
        batch.clear();
        for (std::size_t count = 1 + random() % 64; count > 0; --count) batch.push_back(sent++);
        std::size_t size = batch.size();
        if (size == 1) {
            if (!co_await sender.send(batch[0])) fail("channel: refused, with a receiver that lives");
        } else if (co_await sender.send_many(batch) != size) {
            fail("channel: not all was sent, with a receiver that lives");
        }
        spin(random);
    }
}

Co<void> receive_values(ConnectedReceiver<Value> receiver, Value& next, std::uint64_t& parks, Random random) {
    std::vector<Value> batch;
    while (co_await receiver.recv_many(batch, 1 + random() % 64) > 0) {
        for (Value value : batch) {
            if (value != next++) fail("channel: an item is lost, doubled or out of order");
        }
        batch.clear();
        ++progress;
        spin(random);
    }
    parks += current_executor()->stats().parks;
}

void channel(Time end, std::uint64_t seed) {
    Random random(seed);
    std::uint64_t items = 0, channels = 0, parks = 0;
    for (; is_before(end); ++channels) {
        Value sent = 0, received = 0;
        auto ends = shared_channel::new_bounded<Value>(1 + random() % (channels % 2 ? 4 : 300));
        Time closing = std::min(end, Clock::now() + std::chrono::microseconds(random() % 200'000));
        auto first = start_executor([&, sender = std::move(ends.first), draws = Random(random())]() mutable {
            return send_values(std::move(sender).connect(), sent, closing, draws);
        });
        auto second =
            start_executor([&, receiver = std::move(ends.second), draws = Random(random())]() mutable {
                return receive_values(std::move(receiver).connect(), received, parks, draws);
            });
        first.join();
        second.join();
        if (sent != received) fail("channel: the last items are lost");
        items += received;
    }
    report("channel", {{items, "items"}, {channels, "channels"}, {parks, "sleeps of the receiver"}});
}

// --- Inbox -----------------------------------------------------------------------------------------------

constexpr unsigned posters_count = 3;

// What the posters' messages find when they arrive. Owner thread only.
struct Letterbox {
    std::uint64_t expected[posters_count] = {};
    unsigned finished = 0;
    Waker owner;

    auto all_finished() {
        return poll_fn([this](Context& context) -> Poll<void> {
            if (finished == posters_count) return Unit{};
            owner.remember(context.waker());
            return pending;
        });
    }
};

struct Letter final : Message {
    Letterbox* box = nullptr;
    unsigned poster = 0;
    std::uint64_t number = 0;
    bool is_last = false;
    std::atomic<bool> is_on_its_way = false;  // set by the poster, cleared at its arrival

    void arrive() noexcept override {
        if (number != box->expected[poster]++) fail("inbox: a message is lost, doubled or out of order");
        ++progress;
        if (is_last && ++box->finished == posters_count) std::move(box->owner).wake();
        is_on_its_way.store(false, std::memory_order_release);
    }
};

void post_letters(Letterbox& box, unsigned poster, const Unparker& unparker, Time end, std::uint64_t seed) {
    Random random(seed);
    std::array<Letter, 16> letters;
    bool is_last = false;
    for (std::uint64_t number = 0; !is_last; ++number) {
        Letter& letter = letters[number % letters.size()];
        while (letter.is_on_its_way.load(std::memory_order_acquire)) std::this_thread::yield();
        is_last = !is_before(end);
        letter.box = &box;
        letter.poster = poster;
        letter.number = number;
        letter.is_last = is_last;
        letter.is_on_its_way.store(true, std::memory_order_relaxed);
        if (!unparker.post(letter)) fail("inbox: refused by an executor that lives");
        spin(random);
    }
    for (Letter& letter : letters) {
        while (letter.is_on_its_way.load(std::memory_order_acquire)) std::this_thread::yield();
    }
}

void inbox(Time end, std::uint64_t seed) {
    auto executor = make_executor();
    auto unparker = executor->unparker();
    if (!unparker) fail("inbox: no unparker");
    Letterbox box;
    std::vector<std::thread> posters;
    for (unsigned poster = 0; poster < posters_count; ++poster) {
        posters.emplace_back([&, poster] { post_letters(box, poster, *unparker, end, seed + poster); });
    }
    executor->run(box.all_finished());
    for (std::thread& poster : posters) poster.join();
    report("inbox", {{progress, "messages"}, {executor->stats().parks, "sleeps"}});
}

// --- All of them -----------------------------------------------------------------------------------------

struct Kind {
    const char* name;
    void (*run)(Time end, std::uint64_t seed);
};
constexpr Kind kinds[] = {{"park and wake", park_and_wake},
                          {"channel", channel},
                          {"inbox", inbox},
                          {"foreign wakers", foreign_wakers}};

// Runs one kind under the eyes of a thread that aborts if nothing moves for 5 s.
void run_watched(const Kind& kind, Duration time, std::uint64_t seed) {
    std::mutex mutex;
    std::condition_variable ended;
    bool is_over = false;
    progress = 0;
    std::thread watchdog([&] {
        std::unique_lock lock(mutex);
        std::uint64_t seen = 0;
        while (!ended.wait_for(lock, 5s, [&] { return is_over; })) {
            if (std::uint64_t now = progress; now != std::exchange(seen, now)) continue;
            std::printf("FAILED: %s: no progress for 5 s after %llu steps, seed %llu\n", kind.name,
                        static_cast<unsigned long long>(seen), static_cast<unsigned long long>(seed));
            std::fflush(stdout);
            std::abort();
        }
    });
    kind.run(after(Clock::now(), time), seed);
    {
        std::lock_guard lock(mutex);
        is_over = true;
    }
    ended.notify_one();
    watchdog.join();
}

}  // namespace

int main(int argc, char** argv) {
    std::uint64_t seconds = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 60;
    std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : std::random_device()();
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
    for (const Kind& kind : kinds)
        run_watched(kind, std::chrono::milliseconds(seconds * 1'000 / std::size(kinds)), seed);
    std::printf("%zu passed, 0 failed\n", std::size(kinds));
}

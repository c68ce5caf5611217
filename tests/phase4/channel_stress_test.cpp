// Shared channel between two real threads: nothing lost, nothing twice, nobody left asleep. Counts are
// printed.
#include "channel_support.hpp"

#include <random>

using namespace support;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
const std::uint64_t scale = 20;
#else
// In an emulated machine (tests/vm) everything takes 10 to 30 times as long.
const std::uint64_t scale = std::getenv("RINGLET_EMULATED") ? 100 : 1;
#endif

using Value = std::uint64_t;

// Runs `producer(sender)` on one thread, `consumer(receiver)` on another; gives the time it took.
template <class T, class Producer, class Consumer>
Duration run_two(std::size_t capacity, Producer producer, Consumer consumer) {
    auto [sender, receiver] = shared_channel::new_bounded<T>(capacity);
    Time began = Clock::now();
    auto first = LocalExecutorBuilder().spawn(
        [producer, sender = std::move(sender)]() mutable { return producer(std::move(sender).connect()); });
    auto second = LocalExecutorBuilder().spawn([consumer, receiver = std::move(receiver)]() mutable {
        return consumer(std::move(receiver).connect());
    });
    REQUIRE(first);
    REQUIRE(second);
    first->join();
    second->join();
    return Clock::now() - began;
}

void report(const char* what, std::uint64_t count, Duration took) {
    double seconds = std::chrono::duration<double>(took).count();
    std::printf("%s: %llu in %.2f s\n", what, static_cast<unsigned long long>(count), seconds);
}

}  // namespace

TEST_CASE("10,000,000 items in batches arrive once and in order") {
    const Value items = 10'000'000 / scale;
    for (std::size_t capacity : {1'000, 7}) {
        Value total = capacity == 7 ? items / 50 : items;
        Value next = 0;
        auto took = run_two<Value>(
            capacity,
            [=](ConnectedSender<Value> sender) -> Co<void> {
                std::vector<Value> batch;
                for (Value value = 0; value < total;) {
                    batch.clear();
                    while (batch.size() < 256 && value < total) batch.push_back(value++);
                    CHECK(co_await sender.send_many(batch) == batch.size());
                }
            },
            [&next](ConnectedReceiver<Value> receiver) -> Co<void> {
                std::vector<Value> batch;
                while (co_await receiver.recv_many(batch, 256) > 0) {
                    for (Value value : batch) {
                        if (value != next++) std::abort();
                    }
                    batch.clear();
                }
            });
        CHECK(next == total);
        report("batched", next, took);
    }
}

TEST_CASE("items one by one arrive once and in order, at any capacity") {
    for (std::size_t capacity : {1, 2, 64, 4'096}) {
        Value total = (capacity < 64 ? 20'000 : 1'000'000) / scale;
        Value next = 0;
        auto took = run_two<Value>(
            capacity,
            [=](ConnectedSender<Value> sender) -> Co<void> {
                for (Value value = 0; value < total; ++value) {
                    if (!co_await sender.send(value)) std::abort();
                }
            },
            [&next](ConnectedReceiver<Value> receiver) -> Co<void> {
                while (auto value = co_await receiver.recv()) {
                    if (*value != next++) std::abort();
                }
            });
        CHECK(next == total);
        report("one by one", next, took);
    }
}

TEST_CASE("R45: two cores that park and wake each other in turn, 100,000 rounds") {
    const Value rounds = 100'000 / scale;
    auto [there_sender, there_receiver] = shared_channel::new_bounded<Value>(1);
    auto [back_sender, back_receiver] = shared_channel::new_bounded<Value>(1);
    std::atomic<std::uint64_t> parks = 0;
    Time began = Clock::now();
    auto asks = LocalExecutorBuilder().spawn([&]() -> Co<void> {
        auto there = std::move(there_sender).connect();
        auto back = std::move(back_receiver).connect();
        for (Value round = 0; round < rounds; ++round) {
            if (!co_await there.send(round)) std::abort();
            auto answer = co_await back.recv();
            if (answer != round + 1) std::abort();
        }
        parks += current_executor()->stats().parks;
    });
    auto answers = LocalExecutorBuilder().spawn([&]() -> Co<void> {
        auto there = std::move(there_receiver).connect();
        auto back = std::move(back_sender).connect();
        while (auto asked = co_await there.recv()) {
            if (!co_await back.send(*asked + 1)) std::abort();
        }
        parks += current_executor()->stats().parks;
    });
    REQUIRE(asks);
    REQUIRE(answers);
    asks->join();
    answers->join();
    report("round trips", rounds, Clock::now() - began);
    std::printf("slept %llu times\n", static_cast<unsigned long long>(parks));
    CHECK(parks > rounds / 10);  // they did sleep
}

namespace {

std::atomic<int> lives = 0;

struct Living {
    Living() noexcept { ++lives; }
    Living(Living&&) noexcept { ++lives; }
    ~Living() { --lives; }
};

Co<void> send_some(ConnectedSender<Living> sender, unsigned count) {
    for (; count > 0; --count) {
        Living item;
        auto sent = co_await sender.send(std::move(item));
        if (!sent) co_return;
    }
}
Co<void> receive_some(ConnectedReceiver<Living> receiver, unsigned count) {
    for (; count > 0; --count) {
        auto item = co_await receiver.recv();
        if (!item) co_return;
    }
}

}  // namespace

TEST_CASE("R48: of two peers on two cores either may die at any moment, and neither hangs") {
    static const Value rounds = 20'000 / scale;
    auto took = run_two<SharedReceiver<Living>>(
        1,
        [](ConnectedSender<SharedReceiver<Living>> channels) -> Co<void> {
            std::mt19937 random(1);
            for (Value round = 0; round < rounds; ++round) {
                auto [sender, receiver] = shared_channel::new_bounded<Living>(1 + random() % 3);
                if (!co_await channels.send(std::move(receiver))) std::abort();
                co_await send_some(std::move(sender).connect(), random() % 8);
            }
        },
        [](ConnectedReceiver<SharedReceiver<Living>> channels) -> Co<void> {
            std::mt19937 random(2);
            while (auto receiver = co_await channels.recv()) {
                co_await receive_some(std::move(*receiver).connect(), random() % 8);
            }
        });
    CHECK(lives == 0);
    report("short lives", rounds, took);
}

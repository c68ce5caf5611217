// What executor, queues and rings count of themselves, and the times that they take if they are asked to.
#include "support.hpp"

#include "../phase1/counted_new.hpp"

#include <ringlet/base/histogram.hpp>
#include <ringlet/reactor/stats_report.hpp>

using namespace support;

namespace {

std::unique_ptr<LocalExecutor> make_timed() {
    auto made = LocalExecutorBuilder().name("timed").histograms().make();
    if (!made) throw std::runtime_error(made.error().text);
    return std::move(*made);
}

void work(Duration longest) {
    Time end = after(Clock::now(), longest);
    while (Clock::now() < end) {
    }
}

const Histogram& latency_of(LocalExecutor& executor, std::string_view wanted) {
    const Histogram* found = nullptr;
    reactor_of(executor).for_each_ring([&](std::string_view name, const RingDriver& ring) {
        if (name == wanted) found = ring.latency();
    });
    if (!found) throw std::runtime_error("no such ring, or no histogram");
    return *found;
}

bool contains(const std::string& text, std::string_view word) { return text.find(word) != text.npos; }

}  // namespace

TEST_CASE("a histogram's quantiles are right to a sixteenth, over its whole range") {
    std::mt19937_64 random(7);
    std::vector<Duration> values;
    Histogram histogram;
    for (int i = 0; i < 100'000; ++i) {
        values.push_back(Duration(random() >> (24 + random() % 40)));
        histogram.record(values.back());
    }
    std::ranges::sort(values);
    CHECK(histogram.count() == values.size());
    CHECK(histogram.longest() == values.back());
    for (double share : {0.0001, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0}) {
        CAPTURE(share);
        Duration exact = values[static_cast<std::size_t>(share * 100'000) - 1];
        CHECK(histogram.quantile(share) >= exact);
        CHECK(histogram.quantile(share) <= exact + exact / 16);
    }
}

TEST_CASE("a histogram keeps short times apart to the nanosecond, and takes whatever it is given") {
    Histogram histogram;
    CHECK(histogram.quantile(0.5) == 0ns);
    for (int ns = 0; ns < 32; ++ns) histogram.record(Duration(ns));
    for (int ns = 0; ns < 32; ++ns) CHECK(histogram.quantile((ns + 1) / 32.0) == Duration(ns));
    histogram.record(-1s);
    CHECK(histogram.quantile(0) == 0ns);
    histogram.record(Duration::max());
    CHECK(histogram.longest() == Duration::max());
    CHECK(histogram.count() == 34);
}

TEST_CASE("recording takes no memory") {
    Histogram histogram;
    long made = counted_new::made;
    for (int i = 0; i < 1000; ++i) histogram.record(Duration(i * 1000));
    CHECK(counted_new::made == made);
}

TEST_CASE("nothing is timed unless it is asked for") {
    auto executor = make_executor();
    executor->run(round_trip());
    CHECK(executor->current_queue().wake_to_run() == nullptr);
    reactor_of(*executor).for_each_ring(
        [](const char*, const RingDriver& ring) { CHECK(ring.latency() == nullptr); });
    CHECK(contains(describe(*executor), "executor test: "));
}

TEST_CASE("from wake to run: what a queue waits while another has the core") {
    auto executor = make_timed();
    TaskQueueHandle other = executor->create_task_queue("other");
    Duration woken_to_run{};
    executor->run([&]() -> Co<void> {
        Time woken = Clock::now();
        auto note = [&]() -> Co<void> {
            woken_to_run = Clock::now() - woken;
            co_return;
        };
        auto task = executor->spawn_local_into(other, note()).value();
        work(3ms);
        co_await task;
    });
    const Histogram& histogram = *executor->queue(other)->wake_to_run();
    CHECK(histogram.count() == 1);
    CHECK(histogram.longest() >= 2990us);  // the two clocks differ by a thousandth at most
    CHECK(histogram.longest() <= woken_to_run + woken_to_run / 1000);
}

TEST_CASE("from wake to run: a queue that stays ready wakes once, however many turns it takes") {
    auto executor = make_timed();
    TaskQueueHandle other = executor->create_task_queue("other");
    executor->run([&]() -> Co<void> {
        auto yields = []() -> Co<void> {
            for (int i = 0; i < 1000; ++i) co_await yield_now();
        };
        auto task = executor->spawn_local_into(other, yields()).value();
        for (int i = 0; i < 1000; ++i) co_await yield_now();
        co_await task;
    });
    CHECK(executor->queue(other)->stats().turns >= 3);
    CHECK(executor->queue(other)->wake_to_run()->count() == 1);
}

TEST_CASE("an operation's time is from its submission to its completion, by ring") {
    auto executor = make_timed();
    TaskQueueHandle urgent = executor->create_task_queue(Shares{}, Latency::Matters{1ms}, "urgent");
    Pipe pipe = make_pipe();
    executor->run([&]() -> Co<void> {
        auto read = [](int fd) -> Co<void> { CHECK(co_await Operation(operations::PollAdd(fd, POLLIN))); };
        auto reading = spawn_local(read(pipe.reader.get()));
        co_await yield_now();  // it has been submitted: from here on the thread may lose its CPU
        co_await sleep(10ms);
        CHECK(put(pipe.writer.get(), "x"));
        co_await reading;
        auto trip = executor->spawn_local_into(urgent, round_trip()).value();
        co_await trip;
    });
    CHECK(latency_of(*executor, "main").count() == 1);
    CHECK(latency_of(*executor, "main").longest() >= 9900us);
    CHECK(latency_of(*executor, "latency").count() == 1);
}

TEST_CASE("the runtime's own operations are not timed, and one of many completions is timed once") {
    auto executor = make_timed();
    executor->run([&]() -> Co<void> {
        auto listener = value_of(TcpListener::bind(SocketAddress::loopback(0)));
        for (int i = 0; i < 3; ++i) {
            UniqueFd client = raw_connection(port_of(listener));
            auto server = value_of(co_await listener.accept());
        }
        CHECK(latency_of(*executor, "main").count() == 1);
        Duration slept = 20ms;
        auto sleeps = spawn_local(sleep(slept));
        CHECK(co_await hog_until([&] { return reactor_of(*executor).latency_stats().completions > 0; }));
        co_await sleeps;
    });
    CHECK(reactor_of(*executor).latency_stats().submitted > 0);  // the preempt timer
    CHECK(latency_of(*executor, "latency").count() == 0);
}

TEST_CASE("an executor counts its turns, and how often and how long it slept") {
    auto executor = make_executor();
    Time began = Clock::now();
    executor->run([]() -> Co<void> {
        for (int i = 0; i < 3; ++i) co_await sleep(50ms);
    });
    Duration took = Clock::now() - began;
    ExecutorStats stats = executor->stats();
    CHECK(stats.turns >= 4);
    CHECK(stats.parks >= 3);
    CHECK(stats.parked >= 100ms);  // what is missing, it may have waited for its CPU on the way to sleep
    CHECK(stats.parked <= took + took / 1000);
    CHECK(stats.spun == 0ns);
    CHECK(reactor_of(*executor).stats().waits == stats.parks);
}

TEST_CASE("time spent looking for work is counted apart from sleep") {
    auto made = LocalExecutorBuilder()
                    .placement(Placement::Fixed{allowed_cpus().front()})
                    .spin_before_park(1s)
                    .make();
    REQUIRE(made);
    (*made)->run(sleep(100ms));
    CHECK((*made)->stats().spun >= 50ms);  // as above
    CHECK((*made)->stats().parks == 0);
}

TEST_CASE("the report names queues and rings, with their counts") {
    auto executor = make_timed();
    TaskQueueHandle other =
        executor->create_task_queue(Shares::Static{42}, Latency{}, "a queue with a long name");
    executor->run([&]() -> Co<void> {
        auto trip = executor->spawn_local_into(other, round_trip()).value();
        co_await trip;
    });
    std::string report = describe(*executor);
    CAPTURE(report);
    CHECK(contains(report, "executor timed: "));
    CHECK(contains(report, "\ndefault "));
    CHECK(contains(report, "\na queue with a l     42 "));
    CHECK(contains(report, "\nmain "));
    CHECK(contains(report, "\nlatency "));
    LocalExecutor idle("idle", std::make_unique<IdleParker>());
    CHECK(contains(describe(idle), "executor idle: 0 turns"));
    CHECK_FALSE(contains(describe(idle), "ring"));
}

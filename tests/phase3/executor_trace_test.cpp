// The trace: what is noted of an executor at work, how its events belong together, and how it is written.
#include "support.hpp"

#include "../phase1/counted_new.hpp"

#include <ringlet/executor/trace_json.hpp>
#include <ringlet/executor/trace_reader.hpp>

#include <locale>
#include <sstream>

using namespace support;

namespace {

using Kind = TraceEvent::Kind;

std::unique_ptr<LocalExecutor> make_traced(Trace& trace) {
    auto made = LocalExecutorBuilder().name("traced").trace(trace).make();
    if (!made) throw std::runtime_error(made.error().text);
    return std::move(*made);
}

// Without a ring, so that nothing but tasks is noted.
LocalExecutor make_idle_traced(Trace& trace) {
    return LocalExecutor("idle", std::make_unique<IdleParker>(), LocalExecutor::default_slice,
                         {.trace = &trace});
}

std::vector<Kind> kinds_of(const Trace& trace) {
    std::vector<Kind> kinds;
    for (const TraceEvent& event : trace.events()) kinds.push_back(event.kind);
    return kinds;
}

std::size_t count(const Trace& trace, Kind kind) {
    return static_cast<std::size_t>(std::ranges::count(trace.events(), kind, &TraceEvent::kind));
}

// The first event of this kind at or behind `from`; fails the test if there is none.
std::size_t find(const TraceReader& reader, Kind kind, std::size_t from = 0) {
    for (std::size_t i = from; i < reader.size(); ++i) {
        if (reader[i].kind == kind) return i;
    }
    throw std::runtime_error("no such event");
}

std::string json_of(const Trace& trace) {
    std::ostringstream out;
    write_trace_json(trace, out);
    return out.str();
}

std::size_t occurrences(std::string_view text, std::string_view word) {
    std::size_t found = 0;
    for (auto at = text.find(word); at != text.npos; at = text.find(word, at + 1)) ++found;
    return found;
}

}  // namespace

TEST_CASE("a task's life is noted in order: spawned, woken, run in a turn of its queue") {
    Trace trace(100);
    make_idle_traced(trace).run([]() -> Co<void> { co_return; });
    CHECK(kinds_of(trace) == std::vector<Kind>{TraceEvent::spawn, TraceEvent::wake, TraceEvent::poll,
                                               TraceEvent::turn_begin, TraceEvent::run,
                                               TraceEvent::turn_end});
    auto events = trace.events();
    CHECK(events[0].subject == events[1].subject);
    CHECK(events[0].subject == events[4].subject);
    CHECK(std::ranges::is_sorted(events, {}, &TraceEvent::at));
    CHECK(trace.executor_name() == "idle");
    CHECK(std::ranges::equal(trace.queue_names(), std::vector<std::string>{"default"}));
    CHECK(trace.dropped() == 0);
}

TEST_CASE("a wake by another task stands within that one's run, and leads to the run that comes of it") {
    Trace trace(10'000);
    Event event;
    {
        auto executor = make_idle_traced(trace);
        TaskQueueHandle other = executor.create_task_queue("other");
        executor.run([&]() -> Co<void> {
            auto waits = executor.spawn_local_into(other, event.wait()).value();
            while (event.polls == 0) co_await yield_now();
            event.open();
            co_await waits;
        });
    }
    TraceReader reader(trace);
    std::size_t spawn = find(reader, TraceEvent::spawn, 1);  // the second task
    CHECK(reader.task_number(spawn) == 2);
    CHECK(reader.queue_name(spawn) == "other");
    std::size_t wake = spawn;
    for (std::size_t i = spawn + 2; i < reader.size(); ++i) {
        if (reader[i].kind == TraceEvent::wake && reader.task_number(i) == 2) wake = i;
    }
    REQUIRE(wake != spawn);
    std::size_t waker = wake;
    while (reader[waker].kind != TraceEvent::run) --waker;
    CHECK(reader.task_number(waker) == 1);
    CHECK(reader.end_of(waker) > wake);
    std::size_t run = reader.end_of(wake);
    REQUIRE(run != TraceReader::none);
    CHECK(reader[run].kind == TraceEvent::run);
    CHECK(reader.task_number(run) == 2);
    CHECK(reader.cause_of(run) == wake);
}

TEST_CASE("tasks are numbered as they were spawned, though one may lie where an earlier one lay") {
    Trace trace(1000);
    make_idle_traced(trace).run([]() -> Co<void> {
        for (int i = 0; i < 10; ++i) {
            auto task = spawn_local([]() -> Co<void> { co_return; });
            co_await task;
        }
    });
    TraceReader reader(trace);
    std::size_t spawned = 0;
    for (std::size_t i = 0; i < reader.size(); ++i) {
        if (reader[i].kind == TraceEvent::spawn) CHECK(reader.task_number(i) == ++spawned);
    }
    CHECK(spawned == 11);
}

TEST_CASE("a turn ends with the end of its last run, and says whether it was cut short") {
    Trace trace(100'000);
    {
        auto executor = make_traced(trace);
        TaskQueueHandle other = executor->create_task_queue("other");
        int turns_of_other = 0;
        executor->run([&]() -> Co<void> {
            auto count = [&]() -> Co<void> {
                ++turns_of_other;
                co_return;
            };
            auto waits = executor->spawn_local_into(other, count()).value();
            CHECK(co_await hog_until([&] { return turns_of_other > 0; }));
            co_await waits;
        });
        CHECK(executor->current_queue().stats().preemptions >= 1);
    }
    TraceReader reader(trace);
    std::size_t turn = find(reader, TraceEvent::turn_begin);
    std::size_t end = reader.end_of(turn);
    CHECK(reader[end].flag);
    CHECK(reader.end_time_of(turn) - reader.time_of(turn) >= 4ms);
    CHECK(reader.end_of(find(reader, TraceEvent::run)) <= end);
    CHECK(count(trace, TraceEvent::turn_begin) == count(trace, TraceEvent::turn_end));
}

TEST_CASE("a sleep is noted within its poll, as long as it was") {
    Trace trace(1000);
    auto executor = make_traced(trace);
    CycleClock::now();  // the first reading measures its rate
    executor->run(sleep(20ms));
    TraceReader reader(trace);
    Duration asleep{};
    for (std::size_t i = 0; i < reader.size(); ++i) {
        if (reader[i].kind != TraceEvent::park_begin) continue;
        REQUIRE(reader.end_of(i) != TraceReader::none);
        asleep += reader.end_time_of(i) - reader.time_of(i);
        std::size_t poll = i;
        while (reader[poll].kind != TraceEvent::poll) --poll;
        CHECK(reader.end_of(poll) > reader.end_of(i));
    }
    CHECK(asleep >= 10ms);  // what is missing, it may have waited for its CPU on the way to sleep
    CHECK(asleep == executor->stats().parked);
}

TEST_CASE("an operation is noted with its ring, its name and its result, and apart from the runtime's own") {
    Trace trace(100'000);
    {
        auto executor = make_traced(trace);
        TaskQueueHandle urgent = executor->create_task_queue(Shares{}, Latency::Matters{1ms}, "urgent");
        executor->run([&]() -> Co<void> {
            co_await round_trip();
            auto trip = executor->spawn_local_into(urgent, round_trip()).value();
            co_await trip;
            Operation opening{operations::Open("/no/such/file", O_RDONLY, 0)};
            CHECK(!co_await opening);
            bool stop = false;
            auto ticking = [&]() -> Co<void> {
                co_await sleep(2ms);
                stop = true;
            };
            auto tick = executor->spawn_local_into(urgent, ticking()).value();
            CHECK(co_await hog_until([&] { return stop; }));
            co_await tick;
        });
    }
    TraceReader reader(trace);
    Log named;
    for (std::size_t i = 0; i < reader.size(); ++i) {
        if (reader[i].kind != TraceEvent::submit || reader[i].flag) continue;
        REQUIRE(reader.end_of(i) != TraceReader::none);
        CHECK(reader.cause_of(reader.end_of(i)) == i);
        named.push_back(std::string(reader.ring_name(i)) + " " + reader.operation_name(reader.end_of(i)) +
                        " " + std::to_string(reader[reader.end_of(i)].value));
    }
    CHECK(named == Log{"main NOP 0", "latency NOP 0", "main OPENAT -2"});
    CHECK(std::ranges::any_of(trace.events(), [](const TraceEvent& event) {
        return event.kind == TraceEvent::submit && event.flag && event.opcode == IORING_OP_TIMEOUT;
    }));
}

TEST_CASE("operations have the names that the kernel's header gives them") {
    Trace trace(100);
    constexpr std::pair<int, const char*> names[] = {{IORING_OP_NOP, "NOP"},
                                                     {IORING_OP_POLL_ADD, "POLL_ADD"},
                                                     {IORING_OP_TIMEOUT, "TIMEOUT"},
                                                     {IORING_OP_ACCEPT, "ACCEPT"},
                                                     {IORING_OP_CONNECT, "CONNECT"},
                                                     {IORING_OP_OPENAT, "OPENAT"},
                                                     {IORING_OP_CLOSE, "CLOSE"},
                                                     {IORING_OP_READ, "READ"},
                                                     {IORING_OP_WRITE, "WRITE"},
                                                     {IORING_OP_SEND, "SEND"},
                                                     {IORING_OP_RECV, "RECV"},
                                                     {IORING_OP_MSG_RING, "MSG_RING"},
                                                     {IORING_OP_SENDMSG_ZC, "SENDMSG_ZC"},
                                                     {200, "opcode 200"}};
    for (auto [opcode, name] : names) {
        trace.add({.kind = TraceEvent::submit, .opcode = static_cast<std::uint8_t>(opcode)});
    }
    TraceReader reader(trace);
    for (std::size_t i = 0; i < reader.size(); ++i) CHECK(reader.operation_name(i) == names[i].second);
}

TEST_CASE("an operation with many completions is over with the last") {
    Trace trace(1000);
    auto executor = make_traced(trace);
    executor->run([]() -> Co<void> {
        auto listener = value_of(TcpListener::bind(SocketAddress::loopback(0)));
        for (int i = 0; i < 3; ++i) {
            UniqueFd client = raw_connection(port_of(listener));
            auto server = value_of(co_await listener.accept());
        }
    });
    executor.reset();
    TraceReader reader(trace);
    std::size_t submit = find(reader, TraceEvent::submit);
    while (reader.operation_name(submit) != "ACCEPT") submit = find(reader, TraceEvent::submit, submit + 1);
    std::size_t completions = 0, last = submit;
    for (std::size_t i = 0; i < reader.size(); ++i) {
        if (reader[i].kind == TraceEvent::complete && reader.cause_of(i) == submit) ++completions, last = i;
    }
    CHECK(completions == 4);  // three connections, and its cancellation
    CHECK(reader.end_of(submit) == last);
    CHECK_FALSE(reader[last].flag);
}

TEST_CASE("a full trace keeps what it has, counts what it drops, and needs no memory while it records") {
    Trace trace(50);
    auto executor = make_traced(trace);
    executor->run([]() -> Co<void> {
        for (int i = 0; i < 10; ++i) co_await yield_now();
        long made = counted_new::made;
        for (int i = 0; i < 1000; ++i) co_await yield_now();
        CHECK(counted_new::made == made);
    });
    CHECK(trace.events().size() == 50);
    CHECK(trace.dropped() >= 2 * 1010 - 50);
    CHECK(occurrences(json_of(trace), "\"dropped_events\":" + std::to_string(trace.dropped())) == 1);
}

TEST_CASE("what is not over when the trace ends goes on to its last event, and has no arrow") {
    Trace trace(6);  // up to the poll after the root's first run
    make_traced(trace)->run([]() -> Co<void> { co_await round_trip(); });
    TraceReader reader(trace);
    CHECK(reader[5].kind == TraceEvent::submit);
    CHECK(reader.end_of(find(reader, TraceEvent::turn_begin)) == TraceReader::none);
    CHECK(reader.end_time_of(find(reader, TraceEvent::turn_begin)) == reader.time_of(5));
    std::string json = json_of(trace);
    CHECK(occurrences(json, "\"ph\":\"s\"") == 1);  // of the wake
    CHECK(occurrences(json, "\"ph\":\"f\"") == 1);
    CHECK(occurrences(json, "\"ph\":\"b\"") == 1);
    CHECK(occurrences(json, "\"ph\":\"e\"") == 1);
}

TEST_CASE("names are escaped, and times have nanoseconds") {
    Trace trace(10);
    trace.begin("a \"b\" \\ c");
    trace.name_queue(0, "tab\t\n");
    auto at = [](Duration time) { return CycleTime(1s + time); };
    trace.add({.at = at(0ns), .kind = TraceEvent::turn_begin});
    trace.add({.at = at(1'002'003ns), .kind = TraceEvent::turn_end});
    std::string json = json_of(trace);
    CHECK(occurrences(json, R"("name":"executor a \"b\" \\ c")") == 1);
    CHECK(occurrences(json, R"("ts":0.000,"name":"tab  ","cat":"turn","dur":1002.003})") == 1);
}

TEST_CASE("an empty trace is an empty document") {
    Trace trace(10);
    CHECK(occurrences(json_of(trace), "\"ph\":\"X\"") == 0);
    CHECK(TraceReader(trace).size() == 0);
}

TEST_CASE("without a trace nothing is noted, and a trace is for one executor") {
    auto executor = make_executor();
    executor->run([]() -> Co<void> { co_await round_trip(); });
    CHECK(executor->current_queue().wake_to_run() == nullptr);

    auto end = run_in_child([] {
        Trace trace(10);
        make_traced(trace);
        make_traced(trace);
    });
    CHECK(end.aborted());
    CHECK(end.says("a trace was given to a second executor"));
}

TEST_CASE("a trace may be read while its executor lives, from within a task") {
    Trace trace(1000);
    auto executor = make_traced(trace);
    executor->run([&]() -> Co<void> {
        co_await round_trip();
        CHECK(occurrences(json_of(trace), "complete NOP") == 1);
    });
}

TEST_CASE("numbers are written as JSON has them, whatever the locale of the stream") {
    struct Grouping : std::numpunct<char> {
        char do_thousands_sep() const override { return ','; }
        std::string do_grouping() const override { return "\1"; }
    };
    Trace trace(100);
    trace.begin("a");
    trace.name_queue(0, "b");
    for (int i = 0; i < 20; ++i) trace.add_task(TraceEvent::wake, &trace, 0);
    trace.add_task(TraceEvent::run, &trace, 0);
    std::ostringstream plain, grouped;
    grouped.imbue(std::locale(std::locale::classic(), new Grouping()));
    write_trace_json(trace, plain);
    write_trace_json(trace, grouped);
    CHECK(grouped.str() == plain.str());
    CHECK(plain.str().find("\"id\":19") != std::string::npos);
    grouped << 12;
    CHECK(grouped.str().ends_with("1,2"));  // it has its locale again
}

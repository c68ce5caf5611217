// Task queues: who spawns where, first in and first out within a queue, a turn for every queue.
#include "support.hpp"

#include <algorithm>
#include <numeric>

using namespace support;

namespace {

// Lets a test decide which ready task runs next.
class Chooses : public hook::Hooks {
public:
    Chooses() { hook::installed = this; }
    Chooses(const Chooses&) = delete;
    Chooses& operator=(const Chooses&) = delete;
    ~Chooses() override { hook::installed = nullptr; }

    std::size_t choose(std::size_t count) override {
        counts.push_back(count);
        return pick(count);
    }
    void point(const char*) override {}

    std::vector<std::size_t> counts;
    std::size_t (*pick)(std::size_t count) = [](std::size_t count) { return count - 1; };
};

Co<void> log_name(Log& log, std::string name, int rounds) {
    for (int round = 0; round < rounds; ++round) {
        log.push_back(name);
        co_await yield_now();
    }
}

Log only(const Log& log, char queue) {
    Log found;
    std::ranges::copy_if(log, std::back_inserter(found),
                         [&](const std::string& name) { return name[0] == queue; });
    return found;
}

}  // namespace

TEST_CASE("an executor has a default queue, and creates others by name") {
    auto executor = make_executor();
    CHECK(executor->current_queue().name() == "default");
    TaskQueueHandle first = executor->create_task_queue("first");
    TaskQueueHandle second = executor->create_task_queue("second");
    CHECK_FALSE(first == second);
    CHECK(first == TaskQueueHandle(first));
    std::string seen[2];
    auto look = [](std::string& into) -> Co<void> {
        into = current_executor()->current_queue().name();
        co_return;
    };
    executor->run([&]() -> Co<void> {
        auto one = spawn_local_into(first, look(seen[0])).value();
        auto two = executor->spawn_local_into(second, look(seen[1])).value();
        co_await join(one, two);
    });
    CHECK(seen[0] == "first");
    CHECK(seen[1] == "second");
    CHECK(executor->current_queue().name() == "default");
}

TEST_CASE("two queues of the same name are two queues") {
    auto executor = make_executor();
    CHECK_FALSE(executor->create_task_queue("same") == executor->create_task_queue("same"));
}

TEST_CASE("a task spawns into its own queue, and stays in it across wakes") {
    Log log;
    Event event;
    auto executor = make_executor();
    TaskQueueHandle queue = executor->create_task_queue("own");
    auto note = [&] { log.push_back(current_executor()->current_queue().name()); };
    auto grandchild = [&]() -> Co<void> {
        note();
        co_await event.wait();
        note();
    };
    auto child = [&]() -> Co<void> {
        note();
        auto handle = spawn_local(grandchild());
        co_await handle;
        note();
    };
    executor->run([&]() -> Co<void> {
        auto handle = spawn_local_into(queue, child()).value();
        while (event.polls == 0) co_await yield_now();
        event.open();
        co_await handle;
        note();
    });
    CHECK(log == Log{"own", "own", "own", "own", "default"});
}

TEST_CASE("the root runs in the default queue, and a spawn from outside goes there") {
    std::string names[2];
    auto executor = make_executor();
    executor->create_task_queue("other");
    auto handle = executor->spawn_local([&]() -> Co<void> {
        names[0] = current_executor()->current_queue().name();
        co_return;
    });
    executor->run([&]() -> Co<void> {
        names[1] = current_executor()->current_queue().name();
        co_await handle;
    });
    CHECK(names[0] == "default");
    CHECK(names[1] == "default");
}

TEST_CASE("within a queue, tasks run first in, first out, round after round") {
    Log log;
    auto executor = make_executor();
    TaskQueueHandle a = executor->create_task_queue("a");
    TaskQueueHandle b = executor->create_task_queue("b");
    executor->run([&]() -> Co<void> {
        std::vector<JoinHandle<void>> handles;
        for (const char* number : {"1", "2", "3"}) {
            handles.push_back(spawn_local_into(a, log_name(log, std::string("a") + number, 2)).value());
            handles.push_back(spawn_local_into(b, log_name(log, std::string("b") + number, 2)).value());
        }
        for (auto& handle : handles) co_await handle;
    });
    CHECK(only(log, 'a') == Log{"a1", "a2", "a3", "a1", "a2", "a3"});
    CHECK(only(log, 'b') == Log{"b1", "b2", "b3", "b1", "b2", "b3"});
}

TEST_CASE("a queue whose tasks yield for ever does not keep the others from their turn") {
    bool stop = false;
    int spins = 0;
    int done = 0;
    auto executor = make_executor();
    std::vector<TaskQueueHandle> queues;
    for (const char* name : {"hog", "first", "second"}) queues.push_back(executor->create_task_queue(name));
    auto hog = [&]() -> Co<void> {
        while (!stop) {
            ++spins;
            co_await yield_now();
        }
    };
    auto short_one = [&]() -> Co<void> {
        for (int i = 0; i < 1000; ++i) co_await yield_now();
        ++done;
    };
    executor->run([&]() -> Co<void> {
        auto spinning = spawn_local_into(queues[0], hog()).value();
        auto first = spawn_local_into(queues[1], short_one()).value();
        auto second = spawn_local_into(queues[2], short_one()).value();
        co_await join(first, second);
        CHECK(spins > 0);
        stop = true;
        co_await spinning;
    });
    CHECK(done == 2);
}

TEST_CASE("a queue can be created while tasks run") {
    int ran = 0;
    auto executor = make_executor();
    executor->run([&]() -> Co<void> {
        for (int i = 0; i < 100; ++i) {
            TaskQueueHandle queue = create_task_queue("queue " + std::to_string(i));
            auto handle = spawn_local_into(queue, map(ready(), [&] { ++ran; })).value();
            co_await handle;
        }
    });
    CHECK(ran == 100);
}

TEST_CASE("a handle that names no queue of this executor is an error that says so") {
    int drops = 0;
    auto executor = make_executor();
    auto other = make_executor();
    TaskQueueHandle foreign = other->create_task_queue("foreign");
    TaskQueueHandle missing = executor->create_task_queue("last");
    ++missing.index;
    for (TaskQueueHandle queue : {foreign, missing, TaskQueueHandle()}) {
        drops = 0;
        auto future = [&] {
            return poll_fn([token = Token(drops)](Context&) -> Poll<void> { return Unit{}; });
        };
        auto outside = executor->spawn_local_into(queue, future());
        REQUIRE_FALSE(outside);
        CHECK(outside.error().queue == queue);
        executor->run([&]() -> Co<void> {
            auto inside = spawn_local_into(queue, future());
            CHECK_FALSE(inside);
            co_return;
        });
        CHECK(drops == 2);
    }
    CHECK(executor->current_queue().size() == 0);
}

TEST_CASE("hook::choose decides which ready task runs next") {
    Log log;
    Chooses chooses;
    auto executor = make_executor();
    auto run_four = [&] {
        log.clear();
        chooses.counts.clear();
        for (const char* name : {"1", "2", "3", "4"}) executor->spawn_local(log_name(log, name, 1)).detach();
        settle(*executor);
    };
    SUBCASE("the last") {
        run_four();
        CHECK(log == Log{"4", "3", "2", "1"});
    }
    SUBCASE("the first") {
        chooses.pick = [](std::size_t) -> std::size_t { return 0; };
        run_four();
        CHECK(log == Log{"1", "2", "3", "4"});
    }
    SUBCASE("the second, or the only one") {
        chooses.pick = [](std::size_t count) -> std::size_t { return count > 1 ? 1 : 0; };
        run_four();
        CHECK(log == Log{"2", "3", "4", "1"});
    }
    // Each of the four runs, yields, and runs again; it chooses among those that are ready.
    REQUIRE(chooses.counts.size() == 8);
    CHECK(chooses.counts[0] == 4);
    CHECK(chooses.counts[7] == 1);
}

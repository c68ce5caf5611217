// R50: an exception in a task is kept for whoever awaits it, or reported; every other task runs on.
#include "support.hpp"

#include <optional>

using namespace support;

namespace {

Co<int> fail(const char* text, bool later) {
    if (later) co_await yield_now();
    throw std::runtime_error(text);
}

// Throws something that is no std::exception.
Co<void> fail_oddly() {
    throw 42;
    co_return;
}

Co<void> count_turns(int& turns) {
    for (int i = 0; i < 5; ++i) {
        ++turns;
        co_await yield_now();
    }
}

}  // namespace

TEST_CASE("R50: an exception surfaces where the handle is awaited") {
    Reports reports;
    auto executor = make_executor();
    for (bool later : {false, true}) {
        CAPTURE(later);
        std::string caught = executor->run([&]() -> Co<std::string> {
            auto handle = spawn_local(fail("kept", later));
            try {
                co_await handle;
            } catch (const std::runtime_error& error) {
                co_return error.what();
            }
            co_return "nothing";
        });
        CHECK(caught == "kept");
    }
    CHECK(Reports::texts.empty());
}

TEST_CASE("R50: an exception of the root leaves run()") {
    auto executor = make_executor();
    CHECK_THROWS_WITH(executor->run(fail("root", false)), "root");
    CHECK_THROWS_WITH(executor->run(fail("root later", true)), "root later");
    CHECK_THROWS_WITH(executor->run(executor->spawn_local(fail("handle", true))), "handle");
    CHECK_THROWS_AS(executor->run(fail_oddly()), int);
    CHECK(executor->run(ready(1)) == 1);
}

TEST_CASE("R50: a detached task's exception is reported, and the others run on") {
    Reports reports;
    int turns = 0;
    auto executor = make_executor();
    executor->run([&]() -> Co<void> {
        auto before = spawn_local(count_turns(turns));
        spawn_local(fail("detached", false)).detach();
        spawn_local(fail("detached later", true)).detach();
        spawn_local(fail_oddly()).detach();
        auto behind = spawn_local(count_turns(turns));
        co_await join(before, behind);
    });
    CHECK(Reports::texts == std::vector<std::string>{"detached", "unknown", "detached later"});
    CHECK(turns == 10);
}

TEST_CASE("R50: a task in every queue throws, and all others in every queue run on") {
    constexpr int queue_count = 4;
    Reports reports;
    int turns = 0;
    int caught = 0;
    auto executor = make_executor();
    std::vector<TaskQueueHandle> queues;
    for (int i = 0; i < queue_count; ++i) queues.push_back(executor->create_task_queue("queue"));
    executor->run([&]() -> Co<void> {
        std::vector<JoinHandle<int>> failing;
        std::vector<JoinHandle<void>> counting;
        for (TaskQueueHandle queue : queues) {
            failing.push_back(*spawn_local_into(queue, fail("awaited", true)));
            counting.push_back(*spawn_local_into(queue, count_turns(turns)));
            spawn_local_into(queue, fail("detached", true)).value().detach();
        }
        for (auto& handle : failing) {
            try {
                co_await handle;
            } catch (const std::runtime_error&) {
                ++caught;
            }
        }
        for (auto& handle : counting) co_await handle;
    });
    CHECK(caught == queue_count);
    CHECK(turns == 5 * queue_count);
    CHECK(Reports::texts == std::vector<std::string>(queue_count, "detached"));
}

TEST_CASE("R50: an exception that no one awaits any more is reported when the handle is dropped") {
    Reports reports;
    auto executor = make_executor();
    {
        auto handle = executor->spawn_local(fail("dropped", false));
        settle(*executor);
        CHECK(Reports::texts.empty());
    }
    CHECK(Reports::texts == std::vector<std::string>{"dropped"});
}

TEST_CASE("R50: an exception that was delivered is not reported again") {
    Reports reports;
    auto executor = make_executor();
    {
        auto handle = executor->spawn_local(fail("delivered", false));
        settle(*executor);
        CHECK_THROWS_WITH(static_cast<void>(poll(handle)), "delivered");
        CHECK(handle.is_finished());
    }
    CHECK(Reports::texts.empty());
}

TEST_CASE("R50: a handle that outlives the executor delivers the exception") {
    Reports reports;
    auto executor = make_executor();
    auto handle = executor->spawn_local(fail("outlives", false));
    settle(*executor);
    executor.reset();
    CHECK_THROWS_WITH(static_cast<void>(poll(handle)), "outlives");
}

TEST_CASE("an exception drops the future, once, before it is delivered") {
    Log log;
    auto executor = make_executor();
    executor->run([&]() -> Co<void> {
        auto body = [&]() -> Co<void> {
            LogsEnd end(log, "future dropped");
            co_await yield_now();
            throw std::runtime_error("later");
        };
        auto handle = spawn_local(body());
        try {
            co_await handle;
        } catch (const std::runtime_error&) {
            log.push_back("delivered");
        }
    });
    CHECK(log == Log{"future dropped", "delivered"});
}

TEST_CASE("an exception passes from task to task") {
    Reports reports;
    struct Nest {
        static Co<int> at(int level) {
            if (level == 0) throw std::runtime_error("bottom");
            auto below = co_await spawn_local(at(level - 1));
            co_return *below;
        }
    };
    auto executor = make_executor();
    CHECK_THROWS_WITH(executor->run(Nest::at(20)), "bottom");
    CHECK(Reports::texts.empty());
}

TEST_CASE("without a handler of the program's own the report goes to stderr") {
    ChildEnd end = run_in_child([] {
        auto executor = make_executor();
        executor->spawn_local(fail("for stderr", false)).detach();
        executor->spawn_local(fail_oddly()).detach();
        settle(*executor);
    });
    CHECK(end.exited_well());
    CHECK(end.says("ringlet: a detached task ended with an exception: for stderr"));
    CHECK(end.says("ringlet: a detached task ended with an exception of unknown type"));
}

TEST_CASE("setting the handler gives the one before") {
    UnhandledExceptionHandler mine = [](std::exception_ptr) noexcept {};
    UnhandledExceptionHandler first = set_unhandled_exception_handler(mine);
    CHECK(bool(first));
    UnhandledExceptionHandler second = set_unhandled_exception_handler(first);
    CHECK(bool(second == mine));
}

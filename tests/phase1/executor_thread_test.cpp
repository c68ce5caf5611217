// Executors on threads of their own: start, name, join, and where an exception of the root goes.
#include "support.hpp"

#include <atomic>
#include <pthread.h>
#include <thread>

using namespace support;

namespace {

std::string thread_name() {
    char name[16] = {};
    pthread_getname_np(pthread_self(), name, sizeof name);
    return name;
}

// The root of a thread that only ends when the test lets it.
struct Gate {
    std::atomic<bool> is_open = false;

    Co<void> passed() {
        while (!is_open.load()) co_await yield_now();
    }
};

ExecutorThread started(std::expected<ExecutorThread, StartError> thread) {
    REQUIRE_MESSAGE(bool(thread), thread.error().text);
    return std::move(*thread);
}

}  // namespace

TEST_CASE("a root runs on a thread of its own, with an executor of its own") {
    std::thread::id seen;
    std::string executor_name;
    std::string kernel_name;
    auto thread = started(LocalExecutorBuilder().name("worker").spawn([&]() -> Co<void> {
        seen = std::this_thread::get_id();
        executor_name = current_executor()->name();
        kernel_name = thread_name();
        auto handle = spawn_local(ready(1));
        auto one = co_await handle;
        CHECK(one == 1);
    }));
    thread.join();
    CHECK(seen != std::thread::id());
    CHECK(seen != std::this_thread::get_id());
    CHECK(executor_name == "worker");
    CHECK(kernel_name == "worker");
}

TEST_CASE("the kernel gets the first 15 characters of a long name") {
    std::string executor_name;
    std::string kernel_name;
    auto thread = started(LocalExecutorBuilder().name("a name of 22 letters..").spawn([&]() -> Co<void> {
        executor_name = current_executor()->name();
        kernel_name = thread_name();
        co_return;
    }));
    thread.join();
    CHECK(executor_name == "a name of 22 letters..");
    CHECK(kernel_name == "a name of 22 le");
}

TEST_CASE("a builder starts as many threads as one likes") {
    constexpr int count = 8;
    std::atomic<int> ran = 0;
    LocalExecutorBuilder builder;
    builder.name("many");
    std::vector<ExecutorThread> threads;
    for (int i = 0; i < count; ++i) {
        threads.push_back(started(builder.spawn([&]() -> Co<void> {
            co_await yield_now();
            ++ran;
        })));
    }
    for (ExecutorThread& thread : threads) thread.join();
    CHECK(ran == count);
}

TEST_CASE("spawn returns while the root still runs, and join waits for it") {
    Gate gate;
    bool ended = false;
    auto thread = started(LocalExecutorBuilder().spawn([&]() -> Co<void> {
        co_await gate.passed();
        ended = true;
    }));
    CHECK_FALSE(gate.is_open);
    gate.is_open = true;
    thread.join();
    CHECK(ended);
}

TEST_CASE("join waits for the end of the executor, and of all its tasks") {
    int drops = 0;
    auto thread = started(LocalExecutorBuilder().spawn([&]() -> Co<void> {
        spawn_local([&]() -> Co<void> {
            Token token(drops);
            for (;;) co_await yield_now();
        }).detach();
        for (int i = 0; i < 3; ++i) co_await yield_now();
    }));
    thread.join();
    CHECK(drops == 1);
}

TEST_CASE("an ExecutorThread that is dropped joins") {
    Gate gate;
    bool ended = false;
    {
        auto thread = started(LocalExecutorBuilder().spawn([&]() -> Co<void> {
            co_await gate.passed();
            ended = true;
        }));
        auto moved = std::move(thread);
        gate.is_open = true;
    }
    CHECK(ended);
}

TEST_CASE("join throws what the root threw") {
    Reports reports;
    {
        auto thread = started(LocalExecutorBuilder().spawn([]() -> Co<void> {
            co_await yield_now();
            throw std::runtime_error("root on a thread");
        }));
        CHECK_THROWS_WITH(thread.join(), "root on a thread");
    }
    CHECK(Reports::texts.empty());
}

TEST_CASE("an exception of a root that nobody joins is reported") {
    Reports reports;
    {
        auto thread = started(LocalExecutorBuilder().spawn([]() -> Co<void> {
            throw std::runtime_error("never joined");
            co_return;
        }));
    }
    CHECK(Reports::texts == std::vector<std::string>{"never joined"});
}

TEST_CASE("an executor that cannot start is an error, and its root is dropped unpolled") {
    int drops = 0;
    bool ran = false;
    auto root = [&, token = Token(drops)]() -> Co<void> {
        ran = true;
        co_return;
    };
    auto thread = LocalExecutorBuilder().placement(Placement::Fixed{100'000}).spawn(std::move(root));
    REQUIRE_FALSE(thread);
    CHECK(thread.error().code == std::errc::invalid_argument);
    CHECK(thread.error().text.find("cannot run on CPU 100000") == 0);
    CHECK_FALSE(ran);
    CHECK(drops == 1);
}

TEST_CASE("a thread that the system refuses is an error") {
    ChildEnd child = run_in_child([] {
        rlimit one_task{1, 1};  // which does not bind root
        setrlimit(RLIMIT_NPROC, &one_task);
        if (geteuid() == 0 && setuid(65534) != 0) _exit(2);
        auto thread = LocalExecutorBuilder().spawn([]() -> Co<void> { co_return; });
        if (thread) _exit(3);
        std::fputs(thread.error().text.c_str(), stderr);
        if (thread.error().code != std::errc::resource_unavailable_try_again) _exit(4);
    });
    CHECK(child.exited_well());
    CHECK(child.says("cannot start a thread: "));
}

TEST_CASE("every thread enters its own executor") {
    Gate gate;
    std::atomic<LocalExecutor*> theirs = nullptr;
    auto mine = make_executor();
    auto thread = started(LocalExecutorBuilder().spawn([&]() -> Co<void> {
        theirs = current_executor();
        co_await gate.passed();
    }));
    mine->run([&]() -> Co<void> {
        while (theirs.load() == nullptr) co_await yield_now();
        CHECK(current_executor() == mine.get());
        CHECK(theirs.load() != mine.get());
    });
    gate.is_open = true;
    thread.join();
}

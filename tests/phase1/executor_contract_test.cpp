// What a program must not do aborts, with a sentence that says what it did. Each case runs in a child
// process.
#include "support.hpp"

#include <optional>
#include <thread>

using namespace support;

namespace {

template <class Body>
void check_aborts(const char* text, Body body) {
    ChildEnd end = run_in_child(body);
    CAPTURE(end.errors);
    CHECK(end.aborted());
    CHECK(end.says(text));
}

Co<int> one() { co_return 1; }

}  // namespace

TEST_CASE("a wake on a thread that does not run the executor aborts") {
    const char* text = "a task was woken on a thread that does not run its executor";
    SUBCASE("on a thread that runs nothing") {
        check_aborts(text, [] {
            Event event;
            auto executor = make_executor();
            auto handle = executor->spawn_local(event.wait());
            executor->run([&]() -> Co<void> {
                while (event.polls == 0) co_await yield_now();
                std::thread([&] { event.open(); }).join();
            });
        });
    }
    SUBCASE("even if the task is scheduled already") {
        check_aborts(text, [] {
            Event event;
            auto executor = make_executor();
            auto handle = executor->spawn_local(event.wait());
            executor->run([&]() -> Co<void> {
                while (event.polls == 0) co_await yield_now();
                event.waker.wake_by_ref();
                std::thread([&] { event.waker.wake_by_ref(); }).join();
            });
        });
    }
    SUBCASE("on a thread that runs another executor") {
        check_aborts(text, [] {
            Event event;
            auto executor = make_executor();
            auto handle = executor->spawn_local(event.wait());
            executor->run([&]() -> Co<void> {
                while (event.polls == 0) co_await yield_now();
                auto other = LocalExecutorBuilder().spawn([&]() -> Co<void> {
                    event.open();
                    co_return;
                });
                other->join();
            });
        });
    }
}

TEST_CASE("a spawn or a cancel on such a thread aborts as well") {
    const char* text = "a task was woken on a thread that does not run its executor";
    check_aborts(text, [] {
        auto executor = make_executor();
        executor->run([&]() -> Co<void> {
            std::thread([&] { executor->spawn_local(one()).detach(); }).join();
            co_return;
        });
    });
    check_aborts(text, [] {
        Event event;
        auto executor = make_executor();
        auto handle = executor->spawn_local(event.wait());
        executor->run([&]() -> Co<void> {
            while (event.polls == 0) co_await yield_now();
            std::thread([&] { handle.cancel(); }).join();
        });
    });
}

TEST_CASE("two threads inside one executor abort") {
    check_aborts("two threads are inside one executor", [] {
        auto executor = make_executor();
        executor->run([&]() -> Co<void> {
            std::thread([&] { executor->turn(false); }).join();
            co_return;
        });
    });
}

TEST_CASE("an executor destroyed by a task aborts") {
    check_aborts("an executor was destroyed from inside a run", [] {
        auto executor = make_executor();
        executor->run([&]() -> Co<void> {
            executor.reset();
            co_return;
        });
    });
}

TEST_CASE("the free functions abort outside of a run") {
    const char* text = "called outside of LocalExecutor::run()";
    check_aborts(text, [] { spawn_local(one()).detach(); });
    check_aborts(text, [] { static_cast<void>(spawn_local_into(TaskQueueHandle(), one())); });
    check_aborts(text, [] { create_task_queue("queue"); });
}

TEST_CASE("taking from a pending poll aborts") {
    check_aborts("Poll::take() on a pending poll", [] {
        auto never = poll_fn([](Context&) -> Poll<int> { return pending; });
        poll(never).take();
    });
}

TEST_CASE("a Co that has returned or is empty aborts when it is polled or awaited") {
    check_aborts("a Co was polled after it had returned", [] {
        auto co = one();
        static_cast<void>(poll(co));
        static_cast<void>(poll(co));
    });
    check_aborts("an empty Co was polled", [] {
        auto co = one();
        auto taken = std::move(co);
        static_cast<void>(poll(co));
    });
    check_aborts("a Co was awaited twice", [] {
        auto twice = []() -> Co<void> {
            auto co = one();
            co_await co;
            co_await co;
        };
        auto co = twice();
        static_cast<void>(poll(co));
    });
    check_aborts("an empty Co was awaited", [] {
        auto moved_from = []() -> Co<void> {
            auto co = one();
            auto taken = std::move(co);
            co_await co;
        };
        auto co = moved_from();
        static_cast<void>(poll(co));
    });
    check_aborts("a Co was awaited twice, or polled while another coroutine awaits it", [] {
        auto child = []() -> Co<void> { co_await yield_now(); };
        auto shared = child();
        auto awaits = [&]() -> Co<void> { co_await shared; };
        auto first = awaits();
        static_cast<void>(poll(first));
        static_cast<void>(poll(shared));
    });
}

TEST_CASE("a Co that is destroyed by its own body aborts") {
    check_aborts("a Co was destroyed while it was being polled", [] {
        std::optional<Co<void>> self;
        auto body = [&]() -> Co<void> {
            self.reset();
            co_return;
        };
        self.emplace(body());
        static_cast<void>(poll(*self));
    });
}

TEST_CASE("an empty handle aborts when it is used") {
    auto executor = make_executor();
    auto handle = executor->spawn_local(one());
    std::move(handle).detach();
    check_aborts("an empty JoinHandle was awaited", [&] { static_cast<void>(poll(handle)); });
    check_aborts("an empty JoinHandle was cancelled", [&] { handle.cancel(); });
    check_aborts("an empty JoinHandle was detached", [&] { std::move(handle).detach(); });
    check_aborts("an empty JoinHandle was asked", [&] { static_cast<void>(handle.is_finished()); });
}

TEST_CASE("a waker that gives its reference up twice aborts") {
    check_aborts("a task's reference was given up twice", [] {
        auto executor = make_executor();
        std::optional<Waker> borrowed;
        auto handle = executor->spawn_local(poll_fn([&](Context& context) -> Poll<void> {
            // Takes over a reference that the waker of the poll, which only borrows one, still has.
            Waker kept = context.waker().clone();
            alignas(Waker) unsigned char copy[sizeof(Waker)];
            std::copy_n(reinterpret_cast<unsigned char*>(&kept), sizeof(Waker), copy);
            reinterpret_cast<Waker*>(copy)->~Waker();
            return pending;
        }));
        settle(*executor);
    });
}

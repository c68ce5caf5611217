// RawTask<F>: the one allocation of a task: header, then the future, in whose place the output or the
// exception stands once it has ended. The only file of this layer that knows the future's type.
#pragma once

#include <ringlet/base/recycle.hpp>
#include <ringlet/future/future.hpp>
#include <ringlet/task/report.hpp>
#include <ringlet/task/run.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <new>

namespace ringlet {

template <Future F>
class RawTask : public Header {
public:
    using Output = typename F::Output;
    static_assert(std::is_nothrow_move_constructible_v<Stored<Output>>,
                  "a task's output moves to its JoinHandle, and that move must not throw");
    static_assert(std::is_nothrow_destructible_v<F> && std::is_nothrow_destructible_v<Stored<Output>>,
                  "a future or an output whose destructor throws is not supported");
    static_assert(alignof(F) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__ &&
                      alignof(Stored<Output>) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__,
                  "over-aligned futures are not supported: hold them through a pointer");

    // Born scheduled, not yet pushed. Throws what the allocation or F's constructor throws.
    template <class... Args>
    static Header& make(ReadyQueue& queue, Args&&... args) {
        void* memory = recycle::allocate(sizeof(RawTask));
        try {
            return *new (memory) RawTask(queue, std::forward<Args>(args)...);
        } catch (...) {
            recycle::deallocate(memory, sizeof(RawTask));
            throw;
        }
    }

private:
    union Body {
        F future;
        Stored<Output> output;
        std::exception_ptr error;
        Body() noexcept {}
        ~Body() {}
    };

    template <class... Args>
    explicit RawTask(ReadyQueue& queue, Args&&... args) : Header(vtable_for_type, queue) {
        new (&body_.future) F(std::forward<Args>(args)...);
    }

    static RawTask& of(Header& header) noexcept { return static_cast<RawTask&>(header); }

    static bool poll(Header& header, Context& context) noexcept {
        Body& body = of(header).body_;
        try {
            Poll<Output> polled = body.future.poll(context);
            if (polled.is_pending()) return false;
            body.future.~F();
            new (&body.output) Stored<Output>(polled.take_stored());
        } catch (...) {
            body.future.~F();
            new (&body.error) std::exception_ptr(std::current_exception());
            header.threw = true;
        }
        return true;
    }

    static void drop_future(Header& header) noexcept { of(header).body_.future.~F(); }

    static void drop_output(Header& header) noexcept {
        Body& body = of(header).body_;
        if (header.threw) {
            report_unhandled_exception(body.error);
            std::destroy_at(&body.error);
        } else {
            std::destroy_at(&body.output);
        }
    }

    static void deallocate(Header& header) noexcept {
        RawTask* task = &of(header);
        std::destroy_at(task);
        recycle::deallocate(task, sizeof(RawTask));
    }

    static constexpr std::size_t body_offset() {
        constexpr std::size_t align = alignof(Body) > alignof(Header) ? alignof(Body) : alignof(Header);
        return (sizeof(Header) + align - 1) / align * align;
    }
    static constexpr TaskVTable vtable_for_type = {&poll, &drop_future, &drop_output, &deallocate,
                                                   body_offset()};

    Body body_;
};

// A callable and the future that it returned: keeps a lambda alive for as long as the coroutine that
// reads its captures.
template <class Fn>
class Invoked {
public:
    using F = std::invoke_result_t<Fn&>;
    using Output = typename F::Output;
    explicit Invoked(Fn fn) : fn_(std::move(fn)), future_(fn_()) {}
    Poll<Output> poll(Context& context) { return future_.poll(context); }

private:
    [[no_unique_address]] Fn fn_;
    F future_;
};

// What can be spawned: a future, or a function that returns one.
template <class F>
concept Spawnable = Future<std::decay_t<F>> || Future<std::invoke_result_t<std::decay_t<F>&>>;

template <class F>
struct SpawnedAs {
    using type = Invoked<F>;
};
template <Future F>
struct SpawnedAs<F> {
    using type = F;
};
template <class F>
using Spawned = typename SpawnedAs<std::decay_t<F>>::type;

}  // namespace ringlet

// LocalExecutorPoolBuilder: starts a pool of executors, each on a thread of its own. ExecutorPool: what its
// maker holds: hands work in from outside, stops it, joins it. Programs that want a pool include this file.
//
//     auto pool = LocalExecutorPoolBuilder(PoolPlacement::MaxSpread{4}).on_all_shards(
//         [](Shard& shard) -> Co<void> { ... });
//     if (!pool) ...                  // says which shard could not start, and why
//     pool->join_all();
#pragma once

#include <ringlet/future/select.hpp>
#include <ringlet/pool/submit_to.hpp>
#include <ringlet/runtime.hpp>
#include <ringlet/task/report.hpp>

#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

namespace ringlet {

// What a plain thread waits for. Not std::future: that shares a caught exception between two threads and
// counts the references where no sanitizer sees it.
template <class T>
class [[nodiscard]] OutsideResult {
public:
    // Waits. Throws what the function threw; a CallError is returned. Once; not inside an executor. Dropped
    // without it, an exception is reported.
    std::expected<T, CallError> get() {
        RINGLET_CHECK(!current_executor(),
                      "a shard's task waited as plain threads do: await submit_to() instead");
        state_->done.acquire();
        if (state_->error) std::rethrow_exception(std::exchange(state_->error, nullptr));
        if (!state_->value) return std::unexpected(state_->why);
        if constexpr (std::is_void_v<T>) {
            return {};
        } else {
            return restore<T>(std::move(*state_->value));
        }
    }

private:
    friend class PoolThreads;
    template <class>
    friend class OutsideCall;

    struct State {
        std::binary_semaphore done{0};  // the call has let go of the rest
        std::optional<Stored<T>> value;
        std::exception_ptr error;
        CallError why = CallError::shard_gone;  // there is no value

        ~State() {
            if (error) report_unhandled_exception(std::move(error));
        }
    };

    std::shared_ptr<State> state_ = std::make_shared<State>();
};

// The threads of a pool. For plain threads: none of this may be called inside an executor where it says so.
class PoolThreads {
public:
    PoolThreads(PoolThreads&&) noexcept = default;
    PoolThreads& operator=(PoolThreads&&) = delete;
    // Cancels all shards and joins them; an exception that nobody has asked for is reported.
    ~PoolThreads();

    unsigned size() const noexcept { return pool_->size(); }
    Pool& pool() const noexcept { return *pool_; }
    // Which CPU each shard has got, and why.
    std::string explain() const { return ringlet::explain(pool_->placements()); }

    // Any thread: as Pool's.
    void request_stop() const noexcept { pool_->request_stop(); }
    void cancel() const noexcept { pool_->cancel(); }

    // Any plain thread: calls `fn` as a task of the shard; it returns a value or a future. get() on what this
    // gives waits for the end.
    template <class Fn>
    auto submit_to(ShardId shard, Fn&& fn) const;

protected:
    friend class LocalExecutorPoolBuilder;

    PoolThreads(std::shared_ptr<Pool> pool, std::vector<std::thread> threads) noexcept
        : pool_(std::move(pool)), threads_(std::move(threads)) {}

    // Waits for the ends of all shards; throws what the first of them has thrown, if one has. Refused
    // (std::logic_error) inside an executor, and on the pool's blocking threads, which would wait for
    // themselves.
    void join();

    // The body of a shard's root task.
    template <class Fn, class T>
    static Co<void> run_root(Shard& shard, Fn& fn, std::optional<Stored<T>>& output);

private:
    bool is_on_own_thread() const noexcept;

    std::shared_ptr<Pool> pool_;
    std::vector<std::thread> threads_;
};

// A pool whose roots return a T.
template <class T>
class ExecutorPool : public PoolThreads {
public:
    // As PoolThreads::join(). Gives what the roots returned, in the order of the shards; nothing for those
    // that were cancelled. A blocking function whose future was dropped may run on until the pool is
    // destroyed, which waits for it.
    std::vector<std::optional<Stored<T>>> join_all() {
        join();
        return std::move(*outputs_);
    }

private:
    friend class LocalExecutorPoolBuilder;
    using Outputs = std::vector<std::optional<Stored<T>>>;

    ExecutorPool(PoolThreads threads, std::shared_ptr<Outputs> outputs) noexcept
        : PoolThreads(std::move(threads)), outputs_(std::move(outputs)) {}

    std::shared_ptr<Outputs> outputs_;  // each written by its shard's thread before it ends
};

class LocalExecutorPoolBuilder {
public:
    explicit LocalExecutorPoolBuilder(PoolPlacement placement) : placement_(std::move(placement)) {}

    // What each shard's executor is made with; its placement is the pool's business, its name gets the
    // shard's number.
    LocalExecutorPoolBuilder& executor(LocalExecutorBuilder builder);
    // The same, for each shard its own: a trace, for one, is for one executor.
    LocalExecutorPoolBuilder& executors(std::function<LocalExecutorBuilder(ShardId)> builder_of);
    LocalExecutorPoolBuilder& name(std::string name);
    // Threads for spawn_blocking(), shared by all shards; 4 on all CPUs if not set.
    LocalExecutorPoolBuilder& blocking(unsigned threads_max,
                                       Placement placement = Placement::Fenced{allowed_cpus()});
    // SIGINT and SIGTERM stop the pool: the first asks, as request_stop(), one that comes later cancels. They
    // are blocked in the calling thread, and in those that it starts from now on. A thread that runs already
    // and does not block them, of another pool say, lets them end the process as ever.
    LocalExecutorPoolBuilder& stop_on_signals();

    // Starts all shards and runs on each, as its root, what `fn(shard)` returns. Returns once they all stand;
    // if one cannot be made, none runs. A shard whose root has ended goes on serving the others until all
    // have. An exception of one root cancels the other roots. Refused (std::logic_error) inside an executor,
    // where the pool could neither be joined nor destroyed.
    template <class Fn>
        requires Future<std::invoke_result_t<Fn&, Shard&>>
    auto on_all_shards(Fn fn) const
        -> std::expected<ExecutorPool<typename std::invoke_result_t<Fn&, Shard&>::Output>, StartError>;

private:
    using Body = std::move_only_function<void(LocalExecutor&, Shard&)>;

    std::expected<std::shared_ptr<Pool>, StartError> make_pool() const;
    std::string name_of(ShardId id) const { return name_ + "-" + std::to_string(id); }
    LocalExecutorBuilder builder_of(const Pool& pool, ShardId id) const;
    static void run_shard(const LocalExecutorBuilder& builder, Pool& pool, ShardId id, Body& body,
                          UniqueFd signals, std::promise<std::expected<void, StartError>> made,
                          const std::shared_future<bool>& all_stand);
    std::expected<PoolThreads, StartError> start(const std::shared_ptr<Pool>& pool,
                                                 std::vector<Body> bodies) const;

    PoolPlacement placement_;
    std::function<LocalExecutorBuilder(ShardId)> executor_ = [](ShardId) { return LocalExecutorBuilder(); };
    std::string name_ = "shard";
    unsigned blocking_threads_ = 4;
    Placement blocking_placement_ = Placement::Fenced{allowed_cpus()};
    bool stop_on_signals_ = false;
};

// Inside a shard: calls `fn` on one of the pool's blocking threads.
template <class Fn>
auto spawn_blocking(Fn&& fn) {
    return Shard::current().pool().blocking().spawn(std::forward<Fn>(fn));
}

// Implementation.

template <class Fn, class T>
Co<void> PoolThreads::run_root(Shard& shard, Fn& fn, std::optional<Stored<T>>& output) {
    try {
        auto end = co_await select(fn(shard), shard.reached(PoolStage::cancelled));
        if (end.index() == 0) output.emplace(std::get<0>(std::move(end)));
    } catch (...) {
        shard.pool().fail(std::current_exception());
    }
    shard.leave();
    co_await shard.reached(PoolStage::finished);
}

template <class Fn>
    requires Future<std::invoke_result_t<Fn&, Shard&>>
auto LocalExecutorPoolBuilder::on_all_shards(Fn fn) const
    -> std::expected<ExecutorPool<typename std::invoke_result_t<Fn&, Shard&>::Output>, StartError> {
    using T = typename std::invoke_result_t<Fn&, Shard&>::Output;
    auto pool = make_pool();
    if (!pool) return std::unexpected(pool.error());
    auto outputs = std::make_shared<std::vector<std::optional<Stored<T>>>>((*pool)->size());
    std::vector<Body> bodies;
    for (auto& output : *outputs) {
        bodies.push_back([fn, outputs, &output](LocalExecutor& executor, Shard& shard) mutable {
            executor.run(PoolThreads::run_root<Fn, T>(shard, fn, output));
        });
    }
    auto threads = start(*pool, std::move(bodies));
    if (!threads) return std::unexpected(threads.error());
    return ExecutorPool<T>(std::move(*threads), std::move(outputs));
}

// A call from outside: a message on its way, then what the shard's task works on.
template <class Fn>
class OutsideCall final : public Message {
public:
    using Value = ValueOfCall<Fn>;
    using State = typename OutsideResult<Value>::State;

    OutsideCall(Fn&& fn, std::shared_ptr<State> state) : end_{std::move(state)}, fn_(std::move(fn)) {}

private:
    void arrive() noexcept override {
        try {
            spawn_local(answer(std::unique_ptr<OutsideCall>(this))).detach();
        } catch (...) {
            return;  // without memory for a task there is no result
        }
    }

    static Co<void> answer(std::unique_ptr<OutsideCall> call) {
        State& state = *call->end_.state;
        try {
            if constexpr (!Future<std::invoke_result_t<Fn&>>) {
                state.value.emplace(call_stored(call->fn_));
            } else if constexpr (std::is_void_v<Value>) {
                co_await call->fn_();
                state.value.emplace();
            } else {
                state.value.emplace(co_await call->fn_());
            }
        } catch (CallError why) {
            state.why = why;
        } catch (...) {
            state.error = std::current_exception();
        }
        co_return;
    }

    // Dies last: then the waiting thread may go on.
    struct End {
        std::shared_ptr<State> state;
        ~End() { state->done.release(); }
    };
    End end_;
    Fn fn_;
};

template <class Fn>
auto PoolThreads::submit_to(ShardId shard, Fn&& fn) const {
    using Made = OutsideCall<std::decay_t<Fn>>;
    OutsideResult<typename Made::Value> result;
    auto call = std::make_unique<Made>(std::decay_t<Fn>(std::forward<Fn>(fn)), result.state_);
    if (pool_->shard(shard).address().post(*call)) static_cast<void>(call.release());
    return result;
}

}  // namespace ringlet

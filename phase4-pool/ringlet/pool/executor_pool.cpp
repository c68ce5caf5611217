#include <ringlet/pool/executor_pool.hpp>

#include <ringlet/pool/stop_signals.hpp>

#include <algorithm>
#include <pthread.h>
#include <stdexcept>

namespace ringlet {

namespace {

using Started = std::expected<void, StartError>;

StartError of_shard(ShardId id, const StartError& error) {
    return {error.code, "shard " + std::to_string(id) + ": " + error.text};
}

// Whether the shards that stand may run: said once, whatever happens.
struct Decision {
    std::promise<bool> made;
    bool is_made = false;

    void make(bool all_stand) {
        if (!std::exchange(is_made, true)) made.set_value(all_stand);
    }
};
// If the start fails half way. The threads are joined here, before anybody tells the shards of the end: an
// address that is still being made must not be read.
struct DecideNo {
    Decision& decision;
    std::vector<std::thread>& threads;
    ~DecideNo() {
        if (decision.is_made) return;
        decision.make(false);
        for (std::thread& thread : threads) thread.join();
        threads.clear();
    }
};

// The executor of a shard whose thread this is, with all that the pool gives it.
std::expected<std::unique_ptr<LocalExecutor>, StartError> make_executor(const LocalExecutorBuilder& builder,
                                                                        Shard& shard, Unparker& address,
                                                                        UniqueFd signals) try {
    Placement::unbind_this_thread();
    auto executor = builder.make();
    if (!executor) return std::unexpected(executor.error());
    auto unparker = (*executor)->unparker();
    if (!unparker) return std::unexpected(StartError{unparker.error(), unparker.error().message()});
    address = std::move(*unparker);
    (*executor)->join_pool(shard);
    if (signals) {
        auto readable = Async<>::adopt(std::move(signals));
        if (!readable) return std::unexpected(StartError{readable.error(), readable.error().message()});
        (*executor)->spawn_local(StopSignals::listen(std::move(*readable))).detach();
    }
    return executor;
} catch (const std::bad_alloc&) {
    return std::unexpected(StartError{std::make_error_code(std::errc::not_enough_memory), "out of memory"});
}

}  // namespace

// --- The builder -------------------------------------------------------------------------------------

LocalExecutorPoolBuilder& LocalExecutorPoolBuilder::executor(LocalExecutorBuilder builder) {
    executor_ = [builder = std::move(builder)](ShardId) { return builder; };
    return *this;
}

LocalExecutorPoolBuilder& LocalExecutorPoolBuilder::executors(
    std::function<LocalExecutorBuilder(ShardId)> builder_of) {
    executor_ = std::move(builder_of);
    return *this;
}

LocalExecutorPoolBuilder& LocalExecutorPoolBuilder::name(std::string name) {
    name_ = std::move(name);
    return *this;
}

LocalExecutorPoolBuilder& LocalExecutorPoolBuilder::blocking(unsigned threads_max, Placement placement) {
    blocking_threads_ = threads_max;
    blocking_placement_ = std::move(placement);
    return *this;
}

LocalExecutorPoolBuilder& LocalExecutorPoolBuilder::stop_on_signals() {
    stop_on_signals_ = true;
    return *this;
}

std::expected<std::shared_ptr<Pool>, StartError> LocalExecutorPoolBuilder::make_pool() const {
    if (current_executor())
        throw std::logic_error("a pool was started inside an executor, where nobody could join it");
    auto topology = Topology::read();
    if (!topology) return std::unexpected(topology.error());
    auto placements = placement_.resolve(*topology);
    if (!placements) return std::unexpected(placements.error());
    return std::make_shared<Pool>(std::move(*placements), blocking_threads_, blocking_placement_);
}

LocalExecutorBuilder LocalExecutorPoolBuilder::builder_of(const Pool& pool, ShardId id) const {
    LocalExecutorBuilder builder = executor_(id);
    builder.name(name_of(id)).placement(pool.placements()[id].placement());
    return builder;
}

std::expected<PoolThreads, StartError> LocalExecutorPoolBuilder::start(const std::shared_ptr<Pool>& pool,
                                                                       std::vector<Body> bodies) const {
    std::optional<StopSignals> blocked;
    UniqueFd signals;
    if (stop_on_signals_) {
        blocked.emplace();
        auto made = StopSignals::descriptor();
        if (!made) {
            return std::unexpected(
                StartError{made.error(), "cannot wait for signals: " + made.error().message()});
        }
        signals = std::move(*made);
    }
    Decision decision;
    std::shared_future<bool> all_stand(decision.made.get_future());
    std::vector<std::future<Started>> starts;
    std::optional<StartError> error;
    PoolThreads threads(pool, {});
    DecideNo unless_decided{decision, threads.threads_};
    for (ShardId id = 0; id < pool->size() && !error; ++id) {
        LocalExecutorBuilder builder = builder_of(*pool, id);
        std::promise<Started> made;
        starts.push_back(made.get_future());
        try {
            threads.threads_.emplace_back(
                [builder = std::move(builder), name = name_of(id), pool, id, body = std::move(bodies[id]),
                 signals = std::exchange(signals, UniqueFd()), made = std::move(made), all_stand]() mutable {
                    pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
                    run_shard(builder, *pool, id, body, std::move(signals), std::move(made), all_stand);
                });
        } catch (const std::system_error& refused) {
            error = of_shard(id, {refused.code(), "cannot start a thread: " + refused.code().message()});
            starts.pop_back();
        }
    }
    for (ShardId id = 0; id < starts.size(); ++id) {
        Started stands = starts[id].get();
        if (!stands && !error) error = of_shard(id, stands.error());
    }
    if (blocked && !error) {
        StopSignals::add_listener(*pool);
        blocked->keep();
    }
    decision.make(!error);
    if (error) return std::unexpected(*error);  // joins those that stand
    return threads;
}

// The life of a shard's thread. Others are told that it stands, or why not, and it waits until all are known
// to.
void LocalExecutorPoolBuilder::run_shard(const LocalExecutorBuilder& builder, Pool& pool, ShardId id,
                                         Body& body, UniqueFd signals, std::promise<Started> made,
                                         const std::shared_future<bool>& all_stand) {
    Shard& shard = pool.shard(id);
    auto executor = make_executor(builder, shard, shard.address_, std::move(signals));
    made.set_value(executor ? Started() : std::unexpected(std::move(executor.error())));
    if (!all_stand.get()) return;
    try {
        body(**executor, shard);
    } catch (...) {
        pool.fail(std::current_exception());
    }
    shard.leave();
}

// --- Its threads -------------------------------------------------------------------------------------

PoolThreads::~PoolThreads() {
    if (!pool_) return;
    RINGLET_CHECK(!current_executor(), "a pool was destroyed inside an executor: that would not end");
    RINGLET_CHECK(!is_on_own_thread(), "a pool was destroyed on a thread of its own: that would not end");
    pool_->cancel();
    for (std::thread& thread : threads_) {
        if (thread.joinable()) thread.join();
    }
    if (auto error = pool_->take_error()) report_unhandled_exception(std::move(error));
}

bool PoolThreads::is_on_own_thread() const noexcept {
    auto is_here = [](const std::thread& thread) { return thread.get_id() == std::this_thread::get_id(); };
    return std::ranges::any_of(threads_, is_here) || pool_->blocking().is_on_own_thread();
}

void PoolThreads::join() {
    if (current_executor())
        throw std::logic_error("a pool was joined inside an executor: that would not end");
    if (is_on_own_thread())
        throw std::logic_error("a pool was joined on a thread of its own: that would not end");
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    if (auto error = pool_->take_error()) std::rethrow_exception(error);
}

}  // namespace ringlet

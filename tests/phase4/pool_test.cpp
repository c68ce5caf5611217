// The pool: it starts whole or not at all, ends when asked, and tells whoever joins it what went wrong.
#include "support.hpp"

#include "../phase2/raw_ring.hpp"

#include <ringlet/net/tcp.hpp>

#include <deque>
#include <fstream>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>

using namespace support;

namespace {

int threads_of_this_process() {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
        if (word == "Threads:") {
            int count = 0;
            status >> count;
            return count;
        }
    }
    return 0;
}

Co<void> never() { co_await sleep(1h); }

}  // namespace

TEST_CASE("each shard has a number, a thread of its own that bears it, and an executor") {
    auto pool = start_pool(3, [](Shard& shard) -> Co<std::string> {
        char name[16];
        pthread_getname_np(pthread_self(), name, sizeof name);
        CHECK(&Shard::current() == &shard);
        CHECK(shard.pool().size() == 3);
        co_return name;
    });
    CHECK(pool.size() == 3);
    auto names = pool.join_all();
    CHECK(names == std::vector<std::optional<std::string>>{"shard-0", "shard-1", "shard-2"});
}

TEST_CASE("each shard may have a builder of its own, with a trace of its own") {
    std::deque<Trace> traces(2);
    auto pool =
        LocalExecutorPoolBuilder(PoolPlacement::Unbound{2})
            .executors([&](ShardId id) { return LocalExecutorBuilder().trace(traces[id]); })
            .on_all_shards([](Shard& shard) -> Co<void> { co_await submit_to(1 - shard.id(), [] {}); });
    REQUIRE(pool);
    pool->join_all();
    for (Trace& trace : traces) CHECK(!trace.events().empty());
}

TEST_CASE("everyone() lets nobody past before all are there") {
    std::atomic<int> arrived = 0;
    auto pool = start_pool(3, [&](Shard& shard) -> Co<void> {
        for (int meeting = 1; meeting <= 100; ++meeting) {
            ++arrived;
            co_await shard.everyone();
            CHECK(arrived >= 3 * meeting);
        }
    });
    pool.join_all();
    CHECK(arrived == 300);
}

TEST_CASE("everyone() counts each shard for itself") {
    std::atomic<bool> second_is_there = false;
    auto pool = start_pool(2, [&](Shard& shard) -> Co<void> {
        if (shard.id() == 0) {
            auto first = shard.everyone();
            auto second = shard.everyone();
            CHECK_FALSE(co_await poll_once(first));  // twice here is not once there
            second_is_there = true;
            co_await first;
            co_await second;
        } else {
            wait_until([&] { return second_is_there.load(); });
            co_await shard.everyone();
            co_await shard.everyone();
        }
    });
    pool.join_all();
}

TEST_CASE("on a machine with two nodes, memory that a shard touches first lies on its own") {
    if (!std::getenv("RINGLET_TWO_NODES")) return;
    auto node_of = [](void* memory) {
        long page = sysconf(_SC_PAGESIZE);
        void* start = reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(memory) & -page);
        int node = -1;
        return syscall(SYS_move_pages, 0, 1, &start, nullptr, &node, 0) == 0 ? node : -2;
    };
    // In a process of its own: memory that other threads have used before would stay where they touched it.
    auto child = run_in_child([&] {
        auto root = [&](Shard& shard) -> Co<int> {
            int node = static_cast<int>(shard.pool().placements()[shard.id()].location->node);
            auto memory = std::make_unique<char[]>(1 << 20);
            memory[1 << 19] = 1;
            CHILD_REQUIRE(node_of(&memory[1 << 19]) == node);
            co_return node;
        };
        auto pool = LocalExecutorPoolBuilder(PoolPlacement::MaxSpread{2}).on_all_shards(root);
        CHILD_REQUIRE(pool);
        auto nodes = pool->join_all();
        CHILD_REQUIRE(nodes[0] != nodes[1]);
    });
    CHECK(child.errors == "");
    CHECK(child.exited_well());
}

TEST_CASE("R4: a shard that cannot start undoes the others, and the error names it and the cause") {
    auto child = run_in_child([] {
        std::size_t before = open_descriptors();
        int threads = threads_of_this_process();
        rlimit few{before + 3 + 7, before + 3 + 7};  // an executor takes four or five
        setrlimit(RLIMIT_NOFILE, &few);
        std::atomic<int> ran = 0;
        auto pool =
            LocalExecutorPoolBuilder(PoolPlacement::Unbound{6}).on_all_shards([&](Shard&) -> Co<void> {
                ++ran;
                co_return;
            });
        CHILD_REQUIRE(!pool);  // it struck
        CHILD_REQUIRE(pool.error().code == std::errc::too_many_files_open);
        CHILD_REQUIRE(pool.error().text.starts_with("shard "));
        CHILD_REQUIRE(ran == 0);
        CHILD_REQUIRE(open_descriptors() == before);
        CHILD_REQUIRE(threads_of_this_process() == threads);
        // The limit lets one shard live.
        auto one = LocalExecutorPoolBuilder(PoolPlacement::Unbound{1}).on_all_shards([&](Shard&) -> Co<void> {
            ++ran;
            co_return;
        });
        CHILD_REQUIRE(one);
        one->join_all();
        CHILD_REQUIRE(ran == 1);
    });
    // Not `errors == ""`: UBSan needs a descriptor to look at an object, and without one takes it for a wrong
    // one.
    CAPTURE(child.errors);
    CHECK(child.exited_well());
}

TEST_CASE("R4: an exception while the shards are made reaches who starts them, and none runs") {
    bool ran = false;
    auto root = [&](Shard&) -> Co<void> {
        ran = true;
        co_return;
    };
    for (int round = 0; round < 20; ++round) {
        auto builder_of = [round](ShardId id) {
            if (id == 1 && round % 2 == 0) throw std::runtime_error("no builder");
            if (id == 1) throw std::system_error(std::make_error_code(std::errc::io_error));
            return LocalExecutorBuilder();
        };
        auto builder = LocalExecutorPoolBuilder(PoolPlacement::Unbound{2}).executors(builder_of);
        CHECK_THROWS_AS(static_cast<void>(builder.on_all_shards(root)), std::runtime_error);  // both are
    }
    CHECK_FALSE(ran);
}

TEST_CASE("a CPU that may not be used refuses the pool") {
    auto pool = LocalExecutorPoolBuilder(PoolPlacement::Custom{{CpuSet({9999})}}).on_all_shards([](Shard&) {
        return never();
    });
    REQUIRE_FALSE(pool);
    CHECK(pool.error().text.find("9999") != std::string::npos);
}

TEST_CASE("an unbound shard may run on all CPUs, whatever the thread that starts it is bound to") {
    std::thread([] {
        CHECK(Placement(Placement::Fixed{allowed_cpus().front()}).apply_to_this_thread());
        auto pool = start_pool(2, [](Shard&) -> Co<std::size_t> { co_return cpus_of_this_thread(); });
        for (auto cpus : pool.join_all()) CHECK(cpus == allowed_cpus().size());
    }).join();
}

TEST_CASE("an exception on one shard cancels the others and reaches join_all") {
    std::atomic<int> dropped = 0;
    struct Counter {
        std::atomic<int>& count;
        ~Counter() { ++count; }
    };
    auto pool = start_pool(3, [&](Shard& shard) -> Co<void> {
        Counter counter{dropped};
        co_await shard.everyone();
        if (shard.id() == 1) throw std::runtime_error("shard 1 is ill");
        co_await never();
    });
    CHECK_THROWS_WITH(pool.join_all(), "shard 1 is ill");
    CHECK(dropped == 3);
}

TEST_CASE("an exception that nobody joins for is reported") {
    Reports reports;
    {
        auto pool = start_pool(2, [](Shard& shard) -> Co<void> {
            if (shard.id() == 0) throw std::runtime_error("unheard");
            co_await never();
        });
    }
    CHECK(Reports::texts == std::vector<std::string>{"unheard"});
}

TEST_CASE("R55: a pool that is joined by one of its own shards refuses, and lives on") {
    std::optional<ExecutorPool<void>> pool;
    std::atomic<bool> stands = false;
    pool.emplace(start_pool(2, [&](Shard& shard) -> Co<void> {
        wait_until([&] { return stands.load(); });
        if (shard.id() == 0) CHECK_THROWS_AS(pool->join_all(), std::logic_error);
        co_return;
    }));
    stands = true;
    CHECK(pool->join_all().size() == 2);
}

TEST_CASE("R55: a pool that is started inside an executor refuses, and none of its shards runs") {
    bool ran = false;
    auto root = [&](Shard&) -> Co<void> {
        ran = true;
        co_return;
    };
    make_executor()->run([&]() -> Co<void> {
        LocalExecutorPoolBuilder builder(PoolPlacement::Unbound{1});
        CHECK_THROWS_AS(static_cast<void>(builder.on_all_shards(root)), std::logic_error);
        co_return;
    });
    CHECK_FALSE(ran);
}

TEST_CASE("a task that awaits the news of another shard aborts") {
    auto child = run_in_child([] {
        auto pool = start_pool(2, [](Shard& shard) -> Co<void> {
            shard.pool().request_stop();
            auto abroad = [&shard]() -> Co<void> { co_await shard.stop_requested(); };
            co_await submit_to(1 - shard.id(), abroad);
        });
        pool.join_all();
    });
    CHECK(child.aborted());
    CHECK(child.says("a task awaited the news of another shard"));
}

TEST_CASE("request_stop() lets roots end by themselves, cancel() does not") {
    for (bool gracefully : {true, false}) {
        CAPTURE(gracefully);
        auto pool = start_pool(2, [](Shard& shard) -> Co<int> {
            co_await shard.stop_requested();
            co_await sleep(1ms);
            co_return 7;
        });
        gracefully ? pool.request_stop() : pool.cancel();
        auto ends = pool.join_all();
        CHECK(ends.size() == 2);
        for (const auto& end : ends) CHECK(end == (gracefully ? std::optional(7) : std::nullopt));
    }
}

TEST_CASE("a pool that is dropped cancels its shards") {
    int drops = 0;
    {
        auto pool =
            start_pool(1, [token = std::make_shared<Token>(drops)](Shard&) -> Co<void> { return never(); });
    }
    CHECK(drops == 1);
}

TEST_CASE("R30: a shard ends with operations in flight only after the kernel has given them back") {
    // What becomes of those of a thread that just ends, when what they wait for comes:
    {
        Pipe pipe = make_pipe();
        std::byte byte[1];
        io_uring ring{};
        std::thread([&] {
            REQUIRE(io_uring_queue_init(8, &ring, 0) == 0);
            io_uring_prep_read(io_uring_get_sqe(&ring), pipe.reader.get(), byte, 1, 0);
            REQUIRE(io_uring_submit(&ring) == 1);
        }).join();
        REQUIRE(put(pipe.writer.get(), "x"));
        io_uring_cqe* completion = nullptr;
        REQUIRE(io_uring_wait_cqe(&ring, &completion) == 0);
        CHECK(completion->res == -ECANCELED);
        io_uring_queue_exit(&ring);
    }
    std::size_t before = open_descriptors();
    {
        auto pool = start_pool(2, [](Shard& shard) -> Co<void> {
            auto listener = value_of(TcpListener::bind(value_of(SocketAddress::parse("127.0.0.1:0"))));
            spawn_local([](TcpListener listener) -> Co<void> {
                static_cast<void>(co_await listener.accept());
            }(std::move(listener)))
                .detach();
            co_await yield_now();
            CHECK(Reactor::current().in_flight() == 1);
            co_await shard.everyone();
        });
        pool.join_all();
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("R60: a task stays on its thread, and finds its executor there after each wait") {
    auto pool = start_pool(2, [](Shard& shard) -> Co<void> {
        auto thread = std::this_thread::get_id();
        auto* executor = current_executor();
        auto* freed = &recycle::free_lists;  // an address that a compiler may keep across a wait
        for (int i = 0; i < 1000; ++i) {
            co_await submit_to(1 - shard.id(), [] {});
            REQUIRE(std::this_thread::get_id() == thread);
            REQUIRE(current_executor() == executor);
            REQUIRE(&recycle::free_lists == freed);
        }
    });
    pool.join_all();
}

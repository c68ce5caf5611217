// A program that knows Ringlet only as it is installed: two shards, a call from one to the other.
#include <ringlet/pool/executor_pool.hpp>

#include <cstdio>

using namespace ringlet;

int main() {
    auto pool =
        LocalExecutorPoolBuilder(PoolPlacement::Unbound{2}).on_all_shards([](Shard& shard) -> Co<void> {
            if (shard.id() != 0) co_return;
            auto answer = co_await submit_to(1, [] { return Shard::current().id() + 41; });
            std::printf("shard 1 says %u\n", answer.value());
        });
    if (!pool) {
        std::fprintf(stderr, "%s\n", pool.error().text.c_str());
        return 1;
    }
    pool->join_all();
}

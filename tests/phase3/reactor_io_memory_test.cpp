// The memory of direct I/O: blocks that split and join, buffers from it and from the heap, registration with
// the rings.
#include "dma_support.hpp"

#include <ringlet/reactor/buddy_blocks.hpp>

#include <map>

#if defined(RINGLET_ASAN)
#include <sanitizer/asan_interface.h>
#endif

using namespace support;

namespace {

struct Memory {
    std::unique_ptr<IoMemory, ReleaseIoMemory> owner;
    explicit Memory(std::size_t bytes) : owner(new IoMemory(bytes)) {}
    DmaBuffer buffer(std::size_t bytes) { return DmaBuffer(*owner, bytes); }
};

constexpr std::size_t page = 4096;

bool is_poisoned([[maybe_unused]] const void* address) {
#if defined(RINGLET_ASAN)
    return __asan_address_is_poisoned(address);
#else
    return false;
#endif
}

// The kernel counts locked memory per user: one that nobody else on this machine is.
void become_nobody(rlim_t memlock) {
    rlimit limit{memlock, memlock};
    uid_t user = 10'000 + static_cast<uid_t>(getpid()) % 50'000;
    CHILD_REQUIRE(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
    CHILD_REQUIRE(setgid(user) == 0);
    CHILD_REQUIRE(setuid(user) == 0);
}

int register_raw(std::size_t bytes) {
    io_uring ring{};
    CHILD_REQUIRE(io_uring_queue_init(8, &ring, 0) == 0);
    std::vector<char> memory(bytes);
    iovec whole{memory.data(), memory.size()};
    int result = io_uring_register_buffers(&ring, &whole, 1);
    io_uring_queue_exit(&ring);
    return result;
}

}  // namespace

TEST_CASE("blocks taken at random do not overlap, and join again when all are back") {
    constexpr std::size_t pages = 256;
    BuddyBlocks blocks(pages);
    std::mt19937_64 random(1);
    std::map<std::size_t, unsigned> taken;  // first page, order
    std::size_t taken_pages = 0;
    int refused = 0;
    for (int step = 0; step < 20'000; ++step) {
        unsigned order = random() % 6;
        if (random() % 2) {
            auto page = blocks.take(order);
            if (!page) {
                ++refused;
                continue;
            }
            REQUIRE(*page % (std::size_t{1} << order) == 0);
            auto next = taken.lower_bound(*page);
            REQUIRE((next == taken.end() || *page + (std::size_t{1} << order) <= next->first));
            if (next != taken.begin()) {
                --next;
                REQUIRE(next->first + (std::size_t{1} << next->second) <= *page);
            }
            taken[*page] = order;
            taken_pages += std::size_t{1} << order;
            REQUIRE(taken_pages <= pages);
        } else if (!taken.empty()) {
            auto victim = std::next(taken.begin(), static_cast<long>(random() % taken.size()));
            blocks.give_back(victim->first, victim->second);
            taken_pages -= std::size_t{1} << victim->second;
            taken.erase(victim);
        }
    }
    CHECK(refused > 100);
    for (auto [page, order] : taken) blocks.give_back(page, order);
    CHECK(blocks.take(8) == 0);
    CHECK(!blocks.take(0));
}

TEST_CASE("a buffer is aligned, has the size that was asked for, and can grow to whole pages") {
    Memory memory(1 << 20);
    for (std::size_t bytes : {1u, 512u, 4096u, 4097u, 100'000u}) {
        DmaBuffer buffer = memory.buffer(bytes);
        CHECK(buffer.is_pooled());
        CHECK(reinterpret_cast<std::uintptr_t>(buffer.data()) % DmaBuffer::alignment == 0);
        CHECK(buffer.size() == bytes);
        CHECK(buffer.capacity() == (bytes + page - 1) / page * page);
        std::memset(buffer.data(), 1, buffer.capacity());
        buffer.resize(buffer.capacity());
        CHECK(buffer.size() == buffer.capacity());
    }
    auto child = run_in_child([&] { memory.buffer(10).resize(page + 1); });
    CHECK(child.aborted());
}

TEST_CASE("when the memory is used up, buffers come from the heap, until some come back") {
    Memory memory(64 << 10);
    std::vector<DmaBuffer> buffers;
    for (int i = 0; i < 20; ++i) buffers.push_back(memory.buffer(page));
    CHECK(buffers[15].is_pooled());
    CHECK(!buffers[16].is_pooled());
    CHECK(reinterpret_cast<std::uintptr_t>(buffers[16].data()) % DmaBuffer::alignment == 0);
    CHECK(memory.owner->buffers() == 20);
    CHECK(memory.owner->heap_buffers() == 4);
    buffers.clear();
    CHECK(memory.buffer(64 << 10).is_pooled());
    CHECK(!memory.buffer((64 << 10) + 1).is_pooled());
    CHECK(!Memory(0).buffer(page).is_pooled());
    CHECK_THROWS_AS(memory.buffer(SIZE_MAX), std::bad_alloc);
}

TEST_CASE("a moved buffer is given back once, by its last owner") {
    Memory memory(page);
    DmaBuffer buffer = memory.buffer(page);
    DmaBuffer moved = std::move(buffer);
    CHECK(buffer.data() == nullptr);
    CHECK(!memory.buffer(page).is_pooled());
    DmaBuffer other;
    other = std::move(moved);
    CHECK(!memory.buffer(page).is_pooled());
    other = DmaBuffer();
    CHECK(memory.buffer(page).is_pooled());
}

TEST_CASE("the memory outlives its reactor as long as a buffer is left") {
    DmaBuffer kept;
    run_io([&]() -> Co<void> {
        kept = DmaBuffer(Reactor::current().io_memory(), 8192);
        std::memset(kept.data(), 7, kept.size());
        co_return;
    });
    CHECK(kept.is_pooled());
    CHECK(kept.data()[8191] == std::byte{7});
}

TEST_CASE("sanitizers see the use of memory that belongs to no buffer") {
    Memory memory(64 << 10);
    const std::byte* address = nullptr;
    {
        DmaBuffer buffer = memory.buffer(5000);
        address = buffer.data();
        CHECK(!is_poisoned(address + 8191));
    }
#if defined(RINGLET_ASAN)
    CHECK(is_poisoned(address));
    CHECK(is_poisoned(address + 8191));
#endif
}

TEST_CASE("reads and writes name registered memory; those from the heap do not, and both work") {
    in_each_folder([](const DiskFolder& folder) {
        make_file(folder / "file", pattern(8192));
        for (std::size_t bytes : {std::size_t{1} << 20, std::size_t{0}}) {
            ParkerOptions options;
            options.io_memory = bytes;
            auto root = [&]() -> Co<void> {
                auto file = value_of(co_await DmaFile::open(folder / "file", O_RDWR));
                auto read = co_await file.read_at_aligned(file.alloc_dma_buffer(8192), 0);
                CHECK(value_of(read.n) == 8192);
                CHECK(read.buffer.text() == pattern(8192));
                auto written = co_await file.write_at(std::move(read.buffer), 0);
                CHECK(value_of(written.n) == 8192);
                Reactor& reactor = Reactor::current();
                CHECK(reactor.stats().fixed + reactor.poll_stats().fixed == (bytes ? 2 : 0));
                CHECK(reactor.stats().unregistered + reactor.poll_stats().unregistered == 0);
            };
            run_io(root, options);
        }
    });
}

TEST_CASE("memory that may not be locked is used unregistered, which is counted") {
    if (!is_root()) return skip(2, "only root can become a user whose memory is counted");
    DiskFolder folder(usual_folder());
    make_file(folder / "file", pattern(8192));
    auto child = run_in_child([&] {
        become_nobody(1 << 20);
        CHILD_REQUIRE(register_raw(4 << 20) == -ENOMEM);
        run_io([&]() -> Co<void> {
            auto file = value_of(co_await DmaFile::open(folder / "file"));
            auto read = co_await file.read_at_aligned(file.alloc_dma_buffer(8192), 0);
            CHILD_REQUIRE(value_of(read.n) == 8192);
            CHILD_REQUIRE(read.buffer.is_pooled());
            CHILD_REQUIRE(read.buffer.text() == pattern(8192));
            Reactor& reactor = Reactor::current();
            bool polled = file.io_path() == IoPath::polled;
            const RingStats stats = polled ? reactor.poll_stats() : reactor.stats();
            CHILD_REQUIRE(stats.unregistered == 1);
            CHILD_REQUIRE(stats.fixed == 0);
        });
    });
    CHECK_MESSAGE(child.exited_well(), child.errors);
}

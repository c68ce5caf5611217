// Recycled memory: a freed block comes back, on the thread that freed it, up to a cap, and for as long as
// that thread has lists. Under AddressSanitizer every block goes straight to operator new and delete instead.
#include "counted_new.hpp"
#include "support.hpp"

#include <cstdint>
#include <cstring>
#include <thread>

using namespace support;

#if defined(OPERATOR_NEW_IS_FIXED)

TEST_CASE("operator new cannot be counted here; every other build runs this suite") {}

#else

namespace {

#if defined(RINGLET_ASAN)
constexpr bool recycles = false;
#else
constexpr bool recycles = true;
#endif

// Runs `body` on a thread whose lists are empty at its start, and gone at the end of this call.
template <class Body>
void on_new_thread(Body body) {
    std::thread(std::move(body)).join();
}

}  // namespace

TEST_CASE("a freed block comes back for its size, last in, first out") {
    on_new_thread([] {
        void* first = recycle::allocate(100);
        void* second = recycle::allocate(100);
        recycle::deallocate(first, 100);
        recycle::deallocate(second, 100);
        long made = counted_new::made;
        void* again = recycle::allocate(100);
        void* and_again = recycle::allocate(100);
        if (recycles) {
            CHECK(again == second);
            CHECK(and_again == first);
        }
        CHECK(counted_new::made - made == (recycles ? 0 : 2));
        recycle::deallocate(again, 100);
        recycle::deallocate(and_again, 100);
    });
}

TEST_CASE("a block never comes back for a larger size") {
    on_new_thread([] {
        recycle::deallocate(recycle::allocate(100), 100);
        long made = counted_new::made;
        void* larger = recycle::allocate(100 + recycle::bytes_step);
        CHECK(counted_new::made - made == 1);
        recycle::deallocate(larger, 100 + recycle::bytes_step);
    });
}

TEST_CASE("a block of any size is aligned, holds what was asked for, and overlaps no other") {
    on_new_thread([] {
        // Twice: from operator new, and from the lists.
        for (int round = 0; round < 2; ++round) {
            std::vector<unsigned char*> blocks;
            const std::size_t sizes = recycle::bytes_max + 64;
            for (std::size_t bytes = 0; bytes < sizes; ++bytes) {
                auto* block = static_cast<unsigned char*>(recycle::allocate(bytes));
                CHECK(reinterpret_cast<std::uintptr_t>(block) % __STDCPP_DEFAULT_NEW_ALIGNMENT__ == 0);
                std::memset(block, static_cast<int>(bytes % 251), bytes);
                blocks.push_back(block);
            }
            int overwritten = 0;
            for (std::size_t bytes = 0; bytes < sizes; ++bytes) {
                for (std::size_t i = 0; i < bytes; ++i) overwritten += blocks[bytes][i] != bytes % 251;
                recycle::deallocate(blocks[bytes], bytes);
            }
            CHECK(overwritten == 0);
        }
    });
}

TEST_CASE("a large block goes straight to operator new and delete") {
    on_new_thread([] {
        long living = counted_new::living;
        void* block = recycle::allocate(recycle::bytes_max + 1);
        CHECK(counted_new::living - living == 1);
        recycle::deallocate(block, recycle::bytes_max + 1);
        CHECK(counted_new::living == living);
    });
}

TEST_CASE("a thread keeps so many bytes and no more") {
    long before = counted_new::living;
    on_new_thread([] {
        constexpr std::size_t bytes = 1000;
        constexpr std::size_t kept = recycle::size_of(recycle::index_of(bytes));
        recycle::deallocate(recycle::allocate(bytes), bytes);
        if (recycles) CHECK(recycle::free_lists.bytes_left == recycle::bytes_kept_max - kept);

        // As if so much had been freed before that this one and nine more fit.
        recycle::free_lists.bytes_left = 9 * kept + kept / 2;
        void* blocks[15];
        // Twice: blocks that are taken back make room for as many.
        for (int round = 0; round < 2; ++round) {
            CAPTURE(round);
            long living = counted_new::living;
            for (void*& block : blocks) block = recycle::allocate(bytes);
            CHECK(counted_new::living - living == (!recycles ? 15 : round == 0 ? 14 : 5));
            living = counted_new::living;
            for (void* block : blocks) recycle::deallocate(block, bytes);
            CHECK(living - counted_new::living == (recycles ? 5 : 15));
        }
    });
    CHECK(counted_new::living == before);
}

TEST_CASE("the lists are emptied when their thread ends") {
    long before = counted_new::living;
    on_new_thread([] {
        for (std::size_t bytes = 8; bytes <= recycle::bytes_max; bytes += 8) {
            recycle::deallocate(recycle::allocate(bytes), bytes);
        }
    });
    CHECK(counted_new::living == before);
}

TEST_CASE("a block freed on another thread joins the lists of that thread") {
    long before = counted_new::living;
    on_new_thread([] {
        void* block = recycle::allocate(200);
        on_new_thread([&] {
            recycle::deallocate(block, 200);
            void* again = recycle::allocate(200);
            if (recycles) CHECK(again == block);
            recycle::deallocate(again, 200);
        });
        // It went with the other thread, and nothing of it is left here.
        long made = counted_new::made;
        recycle::deallocate(recycle::allocate(200), 200);
        CHECK(counted_new::made - made == 1);
    });
    CHECK(counted_new::living == before);
}

TEST_CASE("a block outlives the thread that allocated it") {
    long before = counted_new::living;
    on_new_thread([] {
        void* block = nullptr;
        on_new_thread([&] { block = recycle::allocate(200); });
        std::memset(block, 1, 200);
        recycle::deallocate(block, 200);
        void* again = recycle::allocate(200);
        if (recycles) CHECK(again == block);
        recycle::deallocate(again, 200);
    });
    CHECK(counted_new::living == before);
}

namespace {

struct Late {
    void* block = nullptr;
    bool* lists_were_gone = nullptr;

    ~Late() {
        *lists_were_gone = !recycles || recycle::free_lists.bytes_left == 0;
        recycle::deallocate(block, 200);
        recycle::deallocate(recycle::allocate(300), 300);
    }
};

}  // namespace

TEST_CASE("a block freed after the lists of its thread are gone goes to operator delete") {
    long before = counted_new::living;
    bool lists_were_gone = false;
    on_new_thread([&] {
        // Thread-local objects die in the reverse order of their first use, so this one outlives the lists.
        static thread_local Late late;
        late.lists_were_gone = &lists_were_gone;
        late.block = recycle::allocate(200);
        recycle::deallocate(recycle::allocate(200), 200);
    });
    CHECK(lists_were_gone);
    CHECK(counted_new::living == before);
}

TEST_CASE("coroutine frames and tasks are recycled") {
    auto executor = make_executor();
    auto body = [](int value) -> Co<int> { co_return value; };
    auto spawn_and_run = [&] {
        auto handle = executor->spawn_local(body(1));
        settle(*executor);
        CHECK(poll(handle).take() == 1);
    };
    spawn_and_run();
    long made = counted_new::made;
    auto handle = executor->spawn_local(body(2));
    CHECK(counted_new::made - made == (recycles ? 0 : 2));
    settle(*executor);
}

#endif

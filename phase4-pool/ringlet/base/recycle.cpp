#include <ringlet/base/recycle.hpp>

namespace ringlet::recycle {

namespace {

// Its destructor runs when the thread ends. `registered` stays set, so that blocks freed by destructors
// that run even later go to operator delete.
struct AtThreadEnd {
    ~AtThreadEnd() {
        for (FreeBlock*& head : free_lists.heads) {
            while (FreeBlock* block = head) {
                head = block->next;
                ::operator delete(block);
            }
        }
        free_lists.bytes_left = 0;
    }
};

void register_thread() {
    static thread_local AtThreadEnd at_thread_end;
    // Naming the object is what constructs it and registers its destructor.
    static_cast<void>(&at_thread_end);
    free_lists.registered = true;
    free_lists.bytes_left = bytes_kept_max;
}

}  // namespace

void deallocate_slowly(void* block, std::size_t index) noexcept {
    if (free_lists.registered) return ::operator delete(block);
    register_thread();
    deallocate(block, size_of(index));
}

}  // namespace ringlet::recycle

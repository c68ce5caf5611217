#include <ringlet/executor/inbox.hpp>

#include <ringlet/base/hook.hpp>

#include <bit>
#include <utility>

namespace ringlet {

Inbox::Posted Inbox::post(Message& message) noexcept {
    std::atomic_ref head(head_);
    // A guess, mostly right: to look first would bring the line over from the owner twice, to read and to
    // write.
    std::uintptr_t before = empty;
    // Acquire: who is refused may free the message, and sees all that the owner did to it before it closed.
    do {
        if (before == closed) return Posted::refused;
        message.next_ = std::bit_cast<Message*>(before);
        hook::point("inbox: post");
    } while (!head.compare_exchange_weak(before, std::bit_cast<std::uintptr_t>(&message),
                                         std::memory_order_seq_cst, std::memory_order_acquire));
    return before == empty ? Posted::first : Posted::more;
}

void Inbox::deliver_and_leave(std::uintptr_t state) noexcept {
    std::uintptr_t head = std::atomic_ref(head_).exchange(state, std::memory_order_acq_rel);
    if (head == closed) return;
    Message* oldest = nullptr;
    for (Message* next = std::bit_cast<Message*>(head); next;) {
        Message* older = std::exchange(next->next_, oldest);
        oldest = std::exchange(next, older);
    }
    while (oldest) {
        Message& message = *std::exchange(oldest, oldest->next_);
        message.arrive();
    }
}

}  // namespace ringlet

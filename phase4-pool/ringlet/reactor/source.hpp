// Source: one operation in the kernel's hands, and everything that the kernel may touch on its behalf.
//
//     co_await op -> SQE -> kernel -> CQE -> Source -> Waker -> TaskQueue -> LocalExecutor -> poll -> resume
//
// A source lives until its last completion, whatever happens meanwhile to the future that started it.
// When the future goes first, it abandons the source: the driver asks the kernel to cancel, and the source
// frees itself when the last completion has come. Derived classes hold buffers, addresses, descriptors.
//
// Threads: owner thread only.
#pragma once

#include <ringlet/base/check.hpp>
#include <ringlet/base/intrusive_list.hpp>
#include <ringlet/base/recycle.hpp>
#include <ringlet/reactor/ring.hpp>

#include <cstdint>
#include <memory>
#include <span>

namespace ringlet {

class RingDriver;  // reactor/ring_driver.hpp

// As a ListNode: on the driver's backlog, while it waits for a free submission entry, be it for itself or
// for its cancellation.
class Source : public ListNode {
public:
    virtual ~Source() {
        RINGLET_CHECK(!is_in_flight(), "a source was freed while the kernel may still use it");
    }

    // Handed to the kernel, last completion not seen.
    bool is_in_flight() const noexcept { return driver_ != nullptr; }
    bool is_abandoned() const noexcept { return abandoned_; }

    static void* operator new(std::size_t bytes) { return recycle::allocate(bytes); }
    static void operator delete(void* source, std::size_t bytes) noexcept {
        recycle::deallocate(source, bytes);
    }

protected:
    // Fills the submission entry, all but the user data. Called once per submission, perhaps later than
    // Reactor::submit, never after a cancellation has been asked for.
    virtual void prepare(io_uring_sqe& entry) noexcept = 0;

    // A completion. `is_in_flight()` is false at the last one; a source may then be submitted again.
    virtual void complete(int result, unsigned flags) noexcept = 0;

    // A completion after nobody waits any more: gives back what it brought (a descriptor, a buffer).
    virtual void discard(int result, unsigned flags) noexcept = 0;

    // The memory that the kernel reads or writes for this operation. Sanitizer builds check at each
    // completion that it has not been freed, since they cannot see the kernel write.
    virtual std::span<const std::byte> kernel_memory() const noexcept { return {}; }

private:
    friend class Reactor;
    friend class RingDriver;
    friend struct AbandonSource;

    RingDriver* driver_ = nullptr;  // while in flight
    RingDriver* home_ = nullptr;    // where it was submitted first, and will be again
    std::uint32_t slot_ = 0;        // in the driver's table, while in flight
    bool submitted_ = false;        // its entry was filled
    bool cancelling_ = false;
    bool abandoned_ = false;
    bool leaked_ = false;  // the driver is gone, the kernel may not be: never to be freed
};

// Lets go of a source: frees it now, or after its last completion if the kernel still has it.
struct AbandonSource {
    void operator()(Source* source) const noexcept;
};

// Owns a source on behalf of a future, stream or listener.
template <class S>
using SourcePtr = std::unique_ptr<S, AbandonSource>;

}  // namespace ringlet

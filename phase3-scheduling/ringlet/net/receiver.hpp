// Receiver: the reading side of a stream socket: one multishot receive that the kernel answers with a
// filled buffer whenever data arrives, and the queue of buffers that nobody has read yet. The bytes belong
// to the stream and not to a read: dropping a read loses nothing. Past its budget of buffers, the receive is
// cancelled until a lease comes back; what the kernel fills before it hears of that, up to all that the
// socket holds, is copied, so that one slow reader does not take the buffers of all.
//
// Threads: owner thread only. One task at a time reads.
#pragma once

#include <ringlet/net/source_link.hpp>
#include <ringlet/reactor/buffer_group.hpp>
#include <ringlet/reactor/operations.hpp>
#include <ringlet/reactor/reactor.hpp>

#include <deque>
#include <memory>
#include <span>

namespace ringlet {

class Receiver final : public Source {
public:
    explicit Receiver(SharedFd socket) : socket_(std::move(socket)) {}
    ~Receiver() override;

    // The next bytes; an empty lease at the end of the stream. Errors stay: each further read repeats them.
    Poll<Result<Lease>> poll_lease(Context& context);
    // Copies as much as is there and fits; 0 at the end of the stream.
    Poll<Result<std::size_t>> poll_read(Context& context, std::span<std::byte> target);

private:
    friend class SourceLink<Receiver>;

    void prepare(io_uring_sqe& entry) noexcept override;
    void complete(int result, unsigned flags) noexcept override;
    void discard(int result, unsigned flags) noexcept override;

    // Ready: `current_` holds bytes, or the stream is over.
    Poll<Result<void>> poll_filled(Context& context);
    Result<void> arm_or_wait(const Waker& waker);
    void keep(Lease lease) noexcept;
    Lease next_lease() noexcept;

    SharedFd socket_;
    // The reactor's, set when first armed; kept, so that no later group can be mistaken for it.
    std::unique_ptr<BufferGroup, ReleaseBufferGroup> group_;
    LeaseBudget* budget_ = new LeaseBudget();
    LeaseQueue queue_;
    std::unique_ptr<std::deque<Lease>> copies_;  // arrived after those in the queue; null if there are none
    Lease current_;                              // being read
    BufferWaiter waits_for_buffer_;
    Waker reader_;
    int error_ = 0;         // errno, once reading has failed
    bool ended_ = false;    // the peer has ended the stream
    bool pausing_ = false;  // cancelled because the budget is spent, to be armed again
    SourceLinks<Receiver> links_;
};

}  // namespace ringlet

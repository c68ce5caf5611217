// Acceptor: the heart of a listener: one multishot accept, and the queue of connections that nobody has
// asked for yet. They belong to the listener and not to an accept(): dropping an accept() loses none.
//
// Threads: owner thread only. One task at a time accepts.
#pragma once

#include <ringlet/net/source_link.hpp>
#include <ringlet/reactor/operations.hpp>
#include <ringlet/reactor/reactor.hpp>

#include <cstdint>
#include <deque>

namespace ringlet {

class Acceptor final : public Source {
public:
    explicit Acceptor(SharedFd listener) : listener_(std::move(listener)) {}
    // Whoever accepts still learns that nothing more will come.
    ~Acceptor() override { std::move(acceptor_).wake(); }

    // When the process or the machine runs out of descriptors or memory, accepting pauses for `back_off`
    // and goes on; connections wait in the kernel's backlog meanwhile, and nothing is returned. Other
    // errors are, once each.
    Poll<Result<UniqueFd>> poll_accept(Context& context);

    static constexpr std::chrono::milliseconds back_off{50};
    std::uint64_t back_offs() const noexcept { return back_offs_; }

private:
    friend class SourceLink<Acceptor>;

    // Waiting connections beyond which accepting pauses until some are taken. What the kernel accepts before
    // the pause has reached it, up to its whole backlog, comes on top.
    static constexpr std::size_t waiting_max = 256;

    void prepare(io_uring_sqe& entry) noexcept override;
    void complete(int result, unsigned flags) noexcept override;
    void discard(int result, unsigned flags) noexcept override;

    void keep(UniqueFd connection) noexcept;
    void note_error(int error) noexcept;
    bool may_arm(std::size_t waiting) const noexcept { return !is_in_flight() && waiting < waiting_max; }
    void arm_or_back_off(const Waker& waker);

    SharedFd listener_;
    std::deque<UniqueFd> waiting_;
    Waker acceptor_;
    Timer retry_timer_;
    Time retry_at_{};
    std::uint64_t back_offs_ = 0;
    int error_ = 0;
    bool pausing_ = false;
    SourceLinks<Acceptor> links_;
};

}  // namespace ringlet

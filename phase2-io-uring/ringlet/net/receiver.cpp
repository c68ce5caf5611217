#include <ringlet/net/receiver.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

namespace ringlet {

Receiver::~Receiver() {
    // A task that reads still learns that there is nothing more to wait for.
    std::move(reader_).wake();
    while (!queue_.empty()) queue_.pop(*budget_);
    // Leases that the program still holds keep the budget alive.
    budget_->release();
}

Poll<Result<Lease>> Receiver::poll_lease(Context& context) {
    auto filled = poll_filled(context);
    if (filled.is_pending()) return pending;
    if (auto result = filled.take(); !result) return Result<Lease>(std::unexpect, result.error());
    return Result<Lease>(std::move(current_));
}

Poll<Result<std::size_t>> Receiver::poll_read(Context& context, std::span<std::byte> target) {
    auto filled = poll_filled(context);
    if (filled.is_pending()) return pending;
    if (auto result = filled.take(); !result) return Result<std::size_t>(std::unexpect, result.error());
    std::size_t count = std::min(target.size(), current_.size());
    if (count > 0) std::memcpy(target.data(), current_.data(), count);
    current_.remove_prefix(count);
    // The buffer goes back at once: this stream may not be read again for long, and others wait for buffers.
    if (current_.empty()) current_ = Lease();
    return Result<std::size_t>(count);
}

Poll<Result<void>> Receiver::poll_filled(Context& context) {
    if (current_.empty()) current_ = next_lease();
    bool over = ended_ || error_ != 0;
    if (!over) {
        if (auto armed = arm_or_wait(context.waker()); !armed && current_.empty()) return armed;
    }
    if (!current_.empty()) return Result<void>();
    if (ended_) return Result<void>();
    if (error_ != 0) return Result<void>(failure(operations::receive_category, error_));
    reader_.remember(context.waker());
    return pending;
}

Result<void> Receiver::arm_or_wait(const Waker& waker) {
    if (is_in_flight()) return {};
    auto group = Reactor::current().buffers();
    if (!group) return std::unexpected(group.error());
    if (!group_) group_.reset((*group)->share());
    if (group_.get() != *group) {
        // It has been read on another executor, which has ended, or where it can be read on.
        return failure(operations::receive_category, ECANCELED);
    } else if (budget_->is_spent() || copies_) {
        budget_->wait(waker);
    } else if (!group_->has_free()) {
        group_->wait(waits_for_buffer_, waker);
    } else {
        Reactor::current().submit(*this);
    }
    return {};
}

void Receiver::prepare(io_uring_sqe& entry) noexcept {
    // Multishot receive: kernel 6.0. It goes on by itself until it ends with a completion without F_MORE.
    io_uring_prep_recv_multishot(&entry, socket_.get(), nullptr, 0, 0);
    entry.flags |= IOSQE_BUFFER_SELECT;
    entry.buf_group = BufferGroup::group_id;
}

void Receiver::complete(int result, unsigned flags) noexcept {
    if (flags & IORING_CQE_F_BUFFER) {
        auto id = static_cast<std::uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT);
        if (result > 0) {
            keep(group_->lease(id, static_cast<std::size_t>(result), *budget_));
        } else {
            group_->give_back_unread(id);
        }
    }
    bool paused = result == -ECANCELED && pausing_;
    if (result == 0) {
        ended_ = true;
    } else if (result < 0 && result != -ENOBUFS && !paused && error_ == 0) {
        // ENOBUFS: the group ran dry; the reader waits for a buffer and arms again.
        error_ = -result;
    }
    if (!is_in_flight()) {
        pausing_ = false;
    } else if (budget_->is_spent() && !pausing_) {
        pausing_ = true;
        Reactor::current().cancel(*this);
    }
    std::move(reader_).wake();
}

void Receiver::keep(Lease lease) noexcept {
    if (error_ != 0) return;  // bytes before these were lost
    if (!copies_ && !budget_->is_overdrawn()) return queue_.push(std::move(lease));
    try {
        if (!copies_) copies_ = std::make_unique<std::deque<Lease>>();
        copies_->push_back(lease.copy());
    } catch (const std::bad_alloc&) {
        error_ = ENOMEM;
        if (copies_ && copies_->empty()) copies_.reset();
    }
}

// Empty if there is none.
Lease Receiver::next_lease() noexcept {
    if (!queue_.empty()) return queue_.pop(*budget_);
    if (!copies_) return Lease();
    Lease next = std::move(copies_->front());
    copies_->pop_front();
    if (copies_->empty()) copies_.reset();
    return next;
}

void Receiver::discard(int, unsigned flags) noexcept {
    if (flags & IORING_CQE_F_BUFFER) {
        group_->give_back_unread(static_cast<std::uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT));
    }
}

}  // namespace ringlet

#include <ringlet/reactor/ring_driver.hpp>

#include <cerrno>
#include <cstdio>

#if defined(RINGLET_ASAN)
#include <sanitizer/asan_interface.h>
#endif

namespace ringlet {

namespace {

// How long to sleep when the kernel cannot take more work and has nothing to give back.
constexpr std::chrono::milliseconds back_off{1};

}  // namespace

void AbandonSource::operator()(Source* source) const noexcept {
    if (source->leaked_) return;
    if (!source->is_in_flight()) return delete source;
    source->abandoned_ = true;
    source->driver_->cancel(*source);  // may free it
}

Result<BufferGroup*> RingDriver::buffers(unsigned count, unsigned bytes) {
    if (!buffers_) {
        auto made = BufferGroup::make(*ring_, count, bytes);
        if (!made) return std::unexpected(made.error());
        buffers_.reset(*made);
    }
    return buffers_.get();
}

// Submission.

void RingDriver::submit(Source& source) {
    RINGLET_CHECK(!source.is_in_flight(), "a source was submitted twice");
    source.slot_ = take_slot(source);
    source.driver_ = this;
    source.submitted_ = source.cancelling_ = false;
    ++in_flight_;
    if (draining_) return finish(source, -ECANCELED, 0);
    if (!backlog_.empty() || !start(source)) {
        ++stats_.backlogged;
        backlog_.push_back(source);
    }
}

void RingDriver::cancel(Source& source) noexcept {
    if (source.cancelling_ || !source.is_in_flight()) return;
    if (!source.submitted_) {
        source.unlink();
        return finish(source, -ECANCELED, 0);
    }
    source.cancelling_ = true;
    if (!backlog_.empty() || !start(source)) backlog_.push_back(source);
}

// Fills a submission entry: with the source's operation, or, if that is under way, with its cancellation.
bool RingDriver::start(Source& source) noexcept {
    io_uring_sqe* entry;
    if (!find_entry(entry)) return false;
    if (source.cancelling_) {
        io_uring_prep_cancel64(entry, user_data_of(source), 0);
        entry->user_data = user_data_of(source) | of_cancel;
    } else {
        source.prepare(*entry);
        entry->user_data = user_data_of(source);
        source.submitted_ = true;
        // A close cannot be called back, so it counts as if that had been asked: cancelled while a thread of
        // the kernel flushes, it would leave open whether the number is gone.
        source.cancelling_ = entry->opcode == IORING_OP_CLOSE;
    }
    ++stats_.submitted;
    return true;
}

std::uint64_t RingDriver::user_data_of(const Source& source) const noexcept {
    return std::uint64_t{slots_[source.slot_].generation} << 32 | source.slot_;
}

bool RingDriver::find_entry(io_uring_sqe*& entry) noexcept {
    entry = ring_->next_sqe();
    if (entry) return true;
    enter(false, std::nullopt);
    entry = ring_->next_sqe();
    return entry != nullptr;
}

void RingDriver::work_off_backlog() noexcept {
    while (!backlog_.empty() && start(backlog_.front())) backlog_.front().unlink();
}

// What is refused here, nobody comes back to before the next turn, and a hog's timer has to be armed before.
void RingDriver::flush() noexcept {
    for (int tries = 3; tries > 0 && has_unsubmitted(); --tries) {
        work_off_backlog();
        enter(false, std::nullopt);
    }
}

// The turn of the loop.

void RingDriver::poll() noexcept {
    work_off_backlog();
    if (ring_->queued() > 0 || ring_->has_deferred()) enter(false, std::nullopt);
    reap();
}

void RingDriver::wait(std::optional<Time> deadline) noexcept {
    work_off_backlog();
    // What is not with the kernel cannot end the sleep, and the wake that it was to be would be lost.
    if (!backlog_.empty()) deadline = std::min(deadline.value_or(Time::max()), after(Clock::now(), back_off));
    enter(true, deadline);
    reap();
}

void RingDriver::enter(bool wait, std::optional<Time> deadline) noexcept {
    ++stats_.enters;
    if (ring_->has_overflowed()) ++stats_.overflows;
    int result = wait ? ring_->enter_and_wait(deadline) : ring_->enter();
    if (result != -EAGAIN && result != -EBUSY) return;
    // The kernel takes no more until completions are reaped, which our callers do next, or until it has
    // memory again. If there are none, a nap keeps the loop from spinning.
    ++stats_.back_pressure;
    if (wait && reap() == 0) ring_->wait_only(back_off);
}

// Completion.

unsigned RingDriver::reap() noexcept {
    unsigned count = 0;
    for (Completion completion; ring_->pop(completion); ++count) dispatch(completion);
    stats_.completions += count;
    return count;
}

void RingDriver::dispatch(const Completion& completion) noexcept {
    bool is_of_cancel = completion.user_data & of_cancel;
    auto index = static_cast<std::uint32_t>(completion.user_data & ~of_cancel);
    auto generation = static_cast<std::uint32_t>(completion.user_data >> 32);
    if (index >= slots_.size() || slots_[index].generation != generation || !slots_[index].source) {
        stats_.stale += !is_of_cancel;
        return;
    }
    Source& source = *slots_[index].source;
    if (is_of_cancel) return cancel_again_if_missed(source, completion.result);
    check_memory_alive(source);
    if (!(completion.flags & IORING_CQE_F_MORE)) return finish(source, completion.result, completion.flags);
    if (source.abandoned_) {
        source.discard(completion.result, completion.flags);
    } else {
        source.complete(completion.result, completion.flags);
    }
}

// A request to cancel may find nothing although its target goes on: on Linux 6.1 (not on 6.18) while a thread
// of the kernel takes it up. That struck a third of 3,600 reads with IOSQE_ASYNC that were cancelled within
// 400 us (in QEMU). The kernel says the same of a target whose completion is on its way: to ask once more
// does no harm then.
void RingDriver::cancel_again_if_missed(Source& source, int result) noexcept {
    if (result != -ENOENT) return;
    ++stats_.missed_cancels;
    if (!backlog_.empty() || !start(source)) backlog_.push_back(source);
}

// The kernel has written through an address that it was given. If that memory was freed meanwhile, no
// sanitizer has noticed: ask.
void RingDriver::check_memory_alive([[maybe_unused]] const Source& source) noexcept {
#if defined(RINGLET_ASAN)
    std::span<const std::byte> memory = source.kernel_memory();
    if (memory.empty()) return;
    void* poisoned = __asan_region_is_poisoned(const_cast<std::byte*>(memory.data()), memory.size());
    RINGLET_CHECK(!poisoned, "a buffer was freed while an operation in the kernel still used it");
#endif
}

// The last completion: the kernel has let go.
void RingDriver::finish(Source& source, int result, unsigned flags) noexcept {
    RINGLET_CHECK(in_flight_ > 0, "more operations completed than were submitted");
    if (source.is_linked()) source.unlink();  // its cancellation is not needed any more
    release_slot(source.slot_);
    source.driver_ = nullptr;
    --in_flight_;
    if (source.abandoned_) {
        source.discard(result, flags);
        delete &source;
    } else {
        source.complete(result, flags);
    }
}

std::uint32_t RingDriver::take_slot(Source& source) {
    if (first_free_ == no_slot) {
        slots_.push_back({nullptr, 0, no_slot});
        first_free_ = static_cast<std::uint32_t>(slots_.size() - 1);
    }
    std::uint32_t index = first_free_;
    first_free_ = slots_[index].next_free;
    slots_[index].source = &source;
    return index;
}

void RingDriver::release_slot(std::uint32_t index) noexcept {
    slots_[index].source = nullptr;
    ++slots_[index].generation;
    slots_[index].next_free = first_free_;
    first_free_ = index;
}

// Tear-down.

void RingDriver::cancel_all() noexcept {
    for (std::size_t index = 0; index < slots_.size(); ++index) {
        if (slots_[index].source) cancel(*slots_[index].source);
    }
}

void RingDriver::drain(Time give_up) noexcept {
    if (!ring_) return;
    draining_ = true;
    cancel_all();
    while (in_flight_ > 0 && Clock::now() < give_up) wait(give_up);
    if (in_flight_ > 0) leak();
    ring_.reset();
    buffers_.reset();
}

void RingDriver::leak() noexcept {
    std::fprintf(stderr, "ringlet: %zu operations did not end; their memory and ring are leaked\n",
                 in_flight_);
    stats_.leaked += in_flight_;
    for (Slot& slot : slots_) {
        if (slot.source && slot.source->is_linked()) slot.source->unlink();
        if (slot.source) slot.source->leaked_ = true;
    }
    ring_->leak();
    static_cast<void>(buffers_.release());
}

}  // namespace ringlet

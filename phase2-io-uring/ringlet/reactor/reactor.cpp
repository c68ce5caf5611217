#include <ringlet/reactor/reactor.hpp>

#include <ringlet/executor/local_executor.hpp>

#include <cerrno>
#include <cstdio>

#if defined(RINGLET_ASAN)
#include <sanitizer/asan_interface.h>
#endif

namespace ringlet {

namespace {

// Longest time that tear-down waits for operations it has cancelled. Far more than the kernel needs; what
// is not back by then (a disk that hangs) is leaked, with a word on stderr.
constexpr std::chrono::seconds drain_max{5};

// How long to sleep when the kernel cannot take more work and has nothing to give back.
constexpr std::chrono::milliseconds back_off{1};

}  // namespace

void AbandonSource::operator()(Source* source) const noexcept {
    if (source->leaked_) return;
    if (!source->is_in_flight()) return delete source;
    source->abandoned_ = true;
    source->reactor_->cancel(*source);  // may free it
}

std::expected<std::unique_ptr<Reactor>, StartError> Reactor::make(const ParkerOptions& options) {
    auto ring = Ring::make(options.ring_depth);
    if (!ring) return std::unexpected(ring.error());
    return std::unique_ptr<Reactor>(new Reactor(options, std::move(*ring)));
}

Reactor::~Reactor() { drain(); }

Reactor& Reactor::current() {
    LocalExecutor* executor = current_executor();
    RINGLET_CHECK(executor, "I/O and timers need a running executor: poll them inside LocalExecutor::run()");
    Reactor* reactor = executor->parker().as_reactor();
    RINGLET_CHECK(reactor, "this executor's parker does no I/O");
    return *reactor;
}

Result<BufferGroup*> Reactor::buffers() {
    if (!buffers_) {
        auto made = BufferGroup::make(*ring_, options_.buffer_count, options_.buffer_bytes);
        if (!made) return std::unexpected(made.error());
        buffers_.reset(*made);
    }
    return buffers_.get();
}

// Submission.

void Reactor::submit(Source& source) {
    RINGLET_CHECK(!source.is_in_flight(), "a source was submitted twice");
    source.slot_ = take_slot(source);
    source.reactor_ = this;
    source.submitted_ = source.cancelling_ = false;
    ++in_flight_;
    if (draining_) return finish(source, -ECANCELED, 0);
    if (!backlog_.empty() || !start(source)) {
        ++stats_.backlogged;
        backlog_.push_back(source);
    }
}

void Reactor::cancel(Source& source) noexcept {
    if (source.cancelling_ || !source.is_in_flight()) return;
    if (!source.submitted_) {
        source.unlink();
        return finish(source, -ECANCELED, 0);
    }
    source.cancelling_ = true;
    if (!backlog_.empty() || !start(source)) backlog_.push_back(source);
}

// Fills a submission entry: with the source's operation, or, if that is under way, with its cancellation.
bool Reactor::start(Source& source) noexcept {
    io_uring_sqe* entry;
    if (!find_entry(entry)) return false;
    std::uint64_t user_data = std::uint64_t{slots_[source.slot_].generation} << 32 | source.slot_;
    if (source.cancelling_) {
        io_uring_prep_cancel64(entry, user_data, 0);
        entry->user_data = ignored;
    } else {
        source.prepare(*entry);
        entry->user_data = user_data;
        source.submitted_ = true;
    }
    ++stats_.submitted;
    return true;
}

bool Reactor::find_entry(io_uring_sqe*& entry) noexcept {
    entry = ring_->next_sqe();
    if (entry) return true;
    enter(false, std::nullopt);
    entry = ring_->next_sqe();
    return entry != nullptr;
}

void Reactor::work_off_backlog() noexcept {
    while (!backlog_.empty() && start(backlog_.front())) backlog_.front().unlink();
}

void Reactor::flush() noexcept {
    if (ring_ && ring_->queued() > 0) enter(false, std::nullopt);
}

// The turn of the loop.

void Reactor::poll() {
    work_off_backlog();
    if (ring_->queued() > 0 || ring_->has_deferred()) enter(false, std::nullopt);
    reap();
    expire_timers();
}

void Reactor::park(Recheck recheck) {
    if (recheck()) return poll();
    work_off_backlog();
    if (in_flight_ == 0 && timers_.empty()) {
        throw Deadlock("deadlock: the root task waits, no other task is ready, and no operation or timer "
                       "is pending that could wake one");
    }
    enter(true, timers_.earliest());
    reap();
    expire_timers();
}

void Reactor::enter(bool wait, std::optional<Time> deadline) noexcept {
    ++stats_.enters;
    if (ring_->has_overflowed()) ++stats_.overflows;
    int result = wait ? ring_->enter_and_wait(deadline) : ring_->enter();
    if (result != -EAGAIN && result != -EBUSY) return;
    // The kernel takes no more until completions are reaped, which our callers do next, or until it has
    // memory again. If there are none, a nap keeps the loop from spinning.
    ++stats_.back_pressure;
    if (wait && reap() == 0) ring_->wait_only(back_off);
}

void Reactor::expire_timers() noexcept {
    if (!timers_.empty()) timers_.expire(Clock::now());
}

// Completion.

unsigned Reactor::reap() noexcept {
    unsigned count = 0;
    for (Completion completion; ring_->pop(completion); ++count) dispatch(completion);
    stats_.completions += count;
    return count;
}

void Reactor::dispatch(const Completion& completion) noexcept {
    if (completion.user_data == ignored) return;
    auto index = static_cast<std::uint32_t>(completion.user_data);
    auto generation = static_cast<std::uint32_t>(completion.user_data >> 32);
    if (index >= slots_.size() || slots_[index].generation != generation || !slots_[index].source) {
        ++stats_.stale;
        return;
    }
    Source& source = *slots_[index].source;
    check_memory_alive(source);
    if (!(completion.flags & IORING_CQE_F_MORE)) return finish(source, completion.result, completion.flags);
    if (source.abandoned_) {
        source.discard(completion.result, completion.flags);
    } else {
        source.complete(completion.result, completion.flags);
    }
}

// The kernel has written through an address that it was given. If that memory was freed meanwhile, no
// sanitizer has noticed: ask.
void Reactor::check_memory_alive([[maybe_unused]] const Source& source) noexcept {
#if defined(RINGLET_ASAN)
    std::span<const std::byte> memory = source.kernel_memory();
    if (memory.empty()) return;
    void* poisoned = __asan_region_is_poisoned(const_cast<std::byte*>(memory.data()), memory.size());
    RINGLET_CHECK(!poisoned, "a buffer was freed while an operation in the kernel still used it");
#endif
}

// The last completion: the kernel has let go.
void Reactor::finish(Source& source, int result, unsigned flags) noexcept {
    RINGLET_CHECK(in_flight_ > 0, "more operations completed than were submitted");
    if (source.is_linked()) source.unlink();  // its cancellation is not needed any more
    release_slot(source.slot_);
    source.reactor_ = nullptr;
    --in_flight_;
    if (source.abandoned_) {
        source.discard(result, flags);
        delete &source;
    } else {
        source.complete(result, flags);
    }
}

std::uint32_t Reactor::take_slot(Source& source) {
    if (first_free_ == no_slot) {
        slots_.push_back({nullptr, 0, no_slot});
        first_free_ = static_cast<std::uint32_t>(slots_.size() - 1);
    }
    std::uint32_t index = first_free_;
    first_free_ = slots_[index].next_free;
    slots_[index].source = &source;
    return index;
}

void Reactor::release_slot(std::uint32_t index) noexcept {
    slots_[index].source = nullptr;
    ++slots_[index].generation;
    slots_[index].next_free = first_free_;
    first_free_ = index;
}

// Tear-down.

void Reactor::cancel_all() noexcept {
    for (std::size_t index = 0; index < slots_.size(); ++index) {
        if (slots_[index].source) cancel(*slots_[index].source);
    }
}

void Reactor::drain() noexcept {
    if (!ring_) return;
    draining_ = true;
    cancel_all();
    Time give_up = after(Clock::now(), drain_max);
    while (in_flight_ > 0 && Clock::now() < give_up) {
        work_off_backlog();
        enter(true, give_up);
        reap();
    }
    if (in_flight_ > 0) leak();
    ring_.reset();
    buffers_.reset();
}

void Reactor::leak() noexcept {
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

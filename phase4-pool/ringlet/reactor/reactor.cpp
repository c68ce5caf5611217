#include <ringlet/reactor/reactor.hpp>

#include <ringlet/executor/local_executor.hpp>
#include <ringlet/reactor/ring_message.hpp>

#include <cerrno>
#include <sys/eventfd.h>

namespace ringlet {

namespace {

// Longest time that tear-down waits for operations it has cancelled. Far more than the kernel needs; what
// is not back by then (a disk that hangs) is leaked, with a word on stderr.
constexpr std::chrono::seconds drain_max{5};

const constinit OperationCategory make_unparker{"make an unparker"};

// Tells the core that this is a loop that waits: it costs the other hardware thread less.
void relax() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

// Kernels before 5.19 have no COOP_TASKRUN. A ring without flags shows completions too, at the price of an
// interrupt each; only `main_flags` are asked of every kernel.
std::expected<std::unique_ptr<Ring>, StartError> make_latency_ring(unsigned depth) {
    auto ring = Ring::make(depth, Ring::latency_flags);
    if (!ring && ring.error().code == std::errc::invalid_argument) return Ring::make(depth, 0);
    return ring;
}

}  // namespace

std::expected<std::unique_ptr<Reactor>, StartError> Reactor::make(const ParkerOptions& options) {
    auto ring = Ring::make(options.ring_depth);
    if (!ring) return std::unexpected(ring.error());
    auto latency = make_latency_ring(options.ring_depth);
    if (!latency) {
        // The first may have taken all the memory that may be locked: two smaller ones may fit.
        if (latency.error().code != std::errc::not_enough_memory || (*ring)->depth() <= Ring::depth_min) {
            return std::unexpected(latency.error());
        }
        ParkerOptions smaller = options;
        smaller.ring_depth = (*ring)->depth() / 2;
        ring->reset();
        return make(smaller);
    }
    return std::unique_ptr<Reactor>(new Reactor(options, std::move(*ring), std::move(*latency)));
}

Reactor::~Reactor() { drain(); }

Reactor& Reactor::current() {
    LocalExecutor* executor = current_executor();
    RINGLET_CHECK(executor, "I/O and timers need a running executor: poll them inside LocalExecutor::run()");
    Reactor* reactor = executor->parker().as_reactor();
    RINGLET_CHECK(reactor, "this executor's parker does no I/O");
    return *reactor;
}

void Reactor::cancel(Source& source) noexcept {
    if (source.is_in_flight() && !source.leaked_) source.driver_->cancel(source);
}

bool Reactor::is_urgent() const noexcept {
    LocalExecutor* executor = current_executor();
    return executor && executor->current_queue().latency().matters();
}

// Direct I/O.

IoMemory& Reactor::io_memory() {
    if (!io_memory_) io_memory_.reset(new IoMemory(options_.io_memory));
    return *io_memory_;
}

std::shared_ptr<DirectDevice> Reactor::direct_device(dev_t number, const std::string& path) {
    std::shared_ptr<DirectDevice>& device = direct_devices_[number];
    if (!device) device = std::make_shared<DirectDevice>(number, path);
    device->reconsider();
    if (device->polls() && !make_poll_ring()) device->refuse("the kernel makes no ring for polling");
    return device;
}

// Not asked again once memory was lacking: that takes Ring::make a tenth of a second, in which nothing runs.
bool Reactor::make_poll_ring() {
    if (poll_ || poll_refused_) return poll_ != nullptr;
    auto ring = Ring::make(main_.ring().depth(), Ring::poll_flags);
    poll_refused_ = !ring && ring.error().code == std::errc::not_enough_memory;
    if (!ring) return false;
    poll_ = std::make_unique<RingDriver>(std::move(*ring));
    poll_->watch(options_.trace, 2, options_.histograms);
    return true;
}

bool Reactor::submit_direct(Source& source, bool may_poll) {
    note_outside();
    if (!may_poll && source.home_ == poll_.get()) source.home_ = nullptr;  // it came back
    if (may_poll && !source.home_ && !is_urgent()) source.home_ = poll_.get();
    RingDriver& home = home_of(source);
    if (io_memory_) home.offer_memory(io_memory_->bytes());
    home.submit(source);
    home.flush();
    return &home == poll_.get();
}

std::size_t Reactor::in_flight() const noexcept {
    std::size_t own = preempt_timer_->is_armed() + latency_poll_->is_in_flight() +
                      (doorbell_poll_ && doorbell_poll_->is_in_flight());
    return main_.in_flight() + latency_.in_flight() + (poll_ ? poll_->in_flight() : 0) - own;
}

void Reactor::poll() {
    note_quiet();
    main_.poll();
    latency_.poll();
    if (poll_) poll_->poll();
    begin_turn();
}

void Reactor::begin_turn() noexcept {
    expire_timers();
    attempts_left_ = attempts_max;
}

void Reactor::park(Recheck recheck) {
    note_quiet();
    if (recheck()) return poll();
    if (in_flight() == 0 && !earliest_timer() && !may_be_unparked()) {
        throw Deadlock("deadlock: the root task waits, no other task is ready, and no operation or timer "
                       "is pending that could wake one");
    }
    if (poll_ && poll_->must_poll()) return poll();
    if (spin(recheck) || !sleep(recheck)) return poll();
    latency_.poll();
    begin_turn();
}

// Going to sleep.

// Both rings' news reach the sleeper: the main ring's since it sleeps there, the latency ring's since the
// main ring polls its descriptor, from before the last look at it. False if there was something to do.
bool Reactor::sleep(Recheck recheck) {
    latency_.poll();
    if (latency_.in_flight() > preempt_timer_->is_armed()) latency_poll_->arm(main_);
    if (doorbell_) doorbell_poll_->arm(main_);
    bool is_rung = doorbell_ && !doorbell_->begin_sleep();
    hook::point("park: announced");
    bool may_sleep = !is_rung && !recheck() && !latency_.has_news();
    if (may_sleep) main_.wait(latency_.soon_if_unsubmitted(earliest_timer()));
    if (doorbell_) doorbell_->end_sleep();
    return may_sleep;
}

bool Reactor::has_news() const noexcept {
    return main_.has_news() || latency_.has_news() || (doorbell_ && doorbell_->is_rung());
}

// Looks for work for a while before going to sleep: to be woken costs 17 to 25 us in a VM (kernel 6.18).
// True if it found some.
bool Reactor::spin(Recheck recheck) noexcept {
    if (options_.spin == Duration::zero()) return false;
    main_.poll();  // submits: what the kernel does not have cannot end
    latency_.poll();
    if (recheck()) return true;
    std::optional<Time> timer = earliest_timer();
    CycleTime began = CycleClock::now();
    CycleTime now = began;
    bool found = look_around(timer);
    while (!found && now - began < options_.spin) {
        now = CycleClock::now();
        found = look_around(timer);
    }
    spun_ += now - began;
    if (found && doorbell_) doorbell_->hear();
    return found;
}

// Some looks for one reading of a clock, which takes longer than they do.
bool Reactor::look_around(std::optional<Time> timer) const noexcept {
    for (int i = 0; i < 4; ++i) {
        if (has_news()) return true;
        relax();
    }
    return timer && Clock::now() >= *timer;
}

ParkStats Reactor::park_stats() const noexcept { return {main_.stats().waits, main_.stats().waited, spun_}; }

Result<Unparker> Reactor::unparker() {
    if (!doorbell_) {
        UniqueFd event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        if (!event) return failure(make_unparker, errno);
        doorbell_poll_.reset(new WakePoll(event.get()));
        doorbell_ = std::make_shared<Doorbell>(std::move(event), main_.ring().fd());
    }
    return Unparker(doorbell_);
}

// At once, not with what else this turn submits: the sleeper's core stands idle.
bool Reactor::wake_ring(int ring, const std::shared_ptr<Doorbell>& sleeper) noexcept {
    if (ring < 0) return false;
    try {
        auto message = std::make_unique<RingMessage>(ring, sleeper);
        message->home_ = &main_;  // not one of the reactor's own, for which there is always room
        main_.submit(*message);
        static_cast<void>(message.release());
    } catch (const std::bad_alloc&) {
        return false;
    }
    main_.flush();
    // This thread may not come back to its ring for long.
    if (main_.has_unsubmitted()) sleeper->notify();
    return true;
}

// Timers.

std::optional<Time> Reactor::earliest_timer() const noexcept {
    std::optional<Time> earliest = timers_.earliest();
    std::optional<Time> urgent = latency_timers_.earliest();
    return !earliest || (urgent && *urgent < *earliest) ? urgent : earliest;
}

void Reactor::expire_timers() noexcept {
    if (!timers_.empty()) timers_.expire(Clock::now());
    if (!latency_timers_.empty()) latency_timers_.expire(Clock::now());
}

// A task of any queue may bring a timer forward that is another's, and for which the armed one is late.
void Reactor::note_reset_timer() noexcept {
    if (!latency_timers_.empty()) arm_preempt(CycleTime::max(), true);
}

// Before what has come is collected: it may be for the task that runs next, or for another part of it.
void Reactor::note_quiet() noexcept {
    was_quiet_ = is_quiet();
    unarmed_until_.reset();
}

// What the running task has just begun may make others ready, or itself be due, before the turn is over.
void Reactor::note_outside() noexcept {
    if (unarmed_until_) [[unlikely]]
        arm_preempt(*unarmed_until_, true);
}

// An armed timer stays as it is, even if it will end a slice early: to look costs nothing, to arm it anew a
// system call. It is armed about once in the time of a slice, however many turns there are in it.
void Reactor::arm_preempt(CycleTime until, bool others_ready) noexcept {
    unarmed_until_.reset();
    if (latency_timers_.empty()) {
        if (preempt_timer_->is_armed() && preempt_timer_->until() <= until) return;
        if (!others_ready && was_quiet_ && is_quiet()) {
            unarmed_until_ = until;
            return;
        }
    }
    CycleTime now = CycleClock::now();
    if (std::optional<Time> urgent = latency_timers_.earliest()) {
        // Compared as durations: the two clocks do not count from the same moment, and a sleep may be for
        // ever.
        Duration left = *urgent - Clock::now();
        if (left < until - now) until = now + left;
    }
    if (!preempt_timer_->is_armed() || until < preempt_timer_->until()) {
        preempt_timer_->arm(latency_, now, until);
    }
}

// Tear-down.

// One that hangs does not take the time of the others, which would then leak what has no fault.
void Reactor::drain() noexcept {
    latency_.drain(after(Clock::now(), drain_max));
    main_.drain(after(Clock::now(), drain_max));
    if (poll_) poll_->drain(after(Clock::now(), drain_max));
}

}  // namespace ringlet

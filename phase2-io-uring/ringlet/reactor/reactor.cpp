#include <ringlet/reactor/reactor.hpp>

#include <ringlet/executor/local_executor.hpp>

namespace ringlet {

namespace {

// Longest time that tear-down waits for operations it has cancelled. Far more than the kernel needs; what
// is not back by then (a disk that hangs) is leaked, with a word on stderr.
constexpr std::chrono::seconds drain_max{5};

}  // namespace

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

void Reactor::cancel(Source& source) noexcept {
    if (source.is_in_flight() && !source.leaked_) source.driver_->cancel(source);
}

void Reactor::poll() {
    main_.poll();
    expire_timers();
}

void Reactor::park(Recheck recheck) {
    if (recheck()) return poll();
    if (in_flight() == 0 && timers_.empty()) {
        throw Deadlock("deadlock: the root task waits, no other task is ready, and no operation or timer "
                       "is pending that could wake one");
    }
    main_.wait(timers_.earliest());
    expire_timers();
}

void Reactor::expire_timers() noexcept {
    if (!timers_.empty()) timers_.expire(Clock::now());
}

void Reactor::drain() noexcept { main_.drain(after(Clock::now(), drain_max)); }

}  // namespace ringlet

#include <ringlet/pool/stop_signals.hpp>

#include <pthread.h>
#include <sys/signalfd.h>

namespace ringlet {

namespace {

// A signal so soon after another is the same wish: timeout(1), for one, tells first the process and then its
// group.
constexpr std::chrono::milliseconds same_wish{200};

struct Listener {
    Pool* pool;
    std::optional<Time> asked;
};
constinit std::mutex mutex;
// Guarded by mutex. Made for the first, and never destroyed: a pool may outlive main().
constinit std::vector<Listener>* listeners = nullptr;

void tell_listeners() noexcept {
    Time now = Clock::now();
    std::lock_guard lock(mutex);
    for (Listener& listener : *listeners) {
        if (listener.asked && now - *listener.asked > same_wish) listener.pool->cancel();
        if (!listener.asked) listener.asked = now;
        listener.pool->request_stop();
    }
}

sigset_t both() noexcept {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    return signals;
}

}  // namespace

StopSignals::StopSignals() noexcept {
    sigset_t signals = both();
    pthread_sigmask(SIG_BLOCK, &signals, &before_);
}

StopSignals::~StopSignals() {
    if (!kept_) pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

Result<UniqueFd> StopSignals::descriptor() { return sys::signal_fd(both()); }

Co<void> StopSignals::listen(Async<> descriptor) {
    while (true) {
        signalfd_siginfo signal;
        bool is_told = false;
        try {
            auto read = co_await descriptor.read(std::as_writable_bytes(std::span(&signal, 1)));
            is_told = read.has_value();
        } catch (const std::bad_alloc&) {
            is_told = false;
        }
        if (is_told) {
            tell_listeners();
        } else {
            // Without memory for it, again and again: deaf, the process could only be killed.
            co_await yield_now();
        }
    }
}

void StopSignals::add_listener(Pool& pool) {
    std::lock_guard lock(mutex);
    if (!listeners) listeners = new std::vector<Listener>();
    listeners->push_back({&pool, std::nullopt});
}

void StopSignals::forget_listener(Pool& pool) noexcept {
    std::lock_guard lock(mutex);
    if (!listeners) return;
    std::erase_if(*listeners, [&pool](const Listener& listener) { return listener.pool == &pool; });
}

}  // namespace ringlet

#include <ringlet/sync/semaphore.hpp>

namespace ringlet {

// Stops at the first that does not fit, so that small ones cannot keep a big one waiting for ever.
void Semaphore::grant() noexcept {
    while (!waiters_.empty() && waiters_.front().units_ <= available_) {
        available_ -= waiters_.front().units_;
        finish_front(Acquire::State::granted);
    }
}

void Semaphore::finish_front(Acquire::State state) noexcept {
    Acquire& first = waiters_.front();
    first.unlink();
    first.state_ = state;
    std::move(first.waker_).wake();
}

void Semaphore::close() noexcept {
    closed_ = true;
    while (!waiters_.empty()) finish_front(Acquire::State::refused);
}

void Semaphore::leave(Acquire& acquire) noexcept {
    if (acquire.state_ == Acquire::State::granted) return signal(acquire.units_);
    acquire.unlink();
    grant();  // those behind it may ask for less
}

}  // namespace ringlet

#include <ringlet/net/acceptor.hpp>

#include <cerrno>
#include <new>

namespace ringlet {

namespace {

bool is_shortage(int error) {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

// The connection died in the backlog, or the network hiccuped (accept(2) lists them): the next may work.
bool is_passing(int error) {
    switch (error) {
        case ECONNABORTED:
        case EINTR:
        case EPROTO:
        case ENETDOWN:
        case ENETUNREACH:
        case EHOSTDOWN:
        case EHOSTUNREACH:
        case ENONET:
        case ENOPROTOOPT: return true;
        default: return false;
    }
}

}  // namespace

Poll<Result<UniqueFd>> Acceptor::poll_accept(Context& context) {
    if (!waiting_.empty()) {
        // First what may throw.
        if (may_arm(waiting_.size() - 1) && error_ == 0) arm_or_back_off(context.waker());
        UniqueFd connection = std::move(waiting_.front());
        waiting_.pop_front();
        return Result<UniqueFd>(std::move(connection));
    }
    if (error_ != 0) {
        return Result<UniqueFd>(failure(operations::accept_category, std::exchange(error_, 0)));
    }
    acceptor_.remember(context.waker());
    if (may_arm(0)) arm_or_back_off(context.waker());
    return pending;
}

void Acceptor::arm_or_back_off(const Waker& waker) {
    if (retry_at_ != Time{} && Clock::now() < retry_at_) {
        return Reactor::current().timers().arm(retry_timer_, retry_at_, waker);
    }
    retry_at_ = Time{};
    Reactor::current().submit(*this);
}

void Acceptor::prepare(io_uring_sqe& entry) noexcept {
    // Multishot accept: kernel 5.19.
    io_uring_prep_multishot_accept(&entry, listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
}

void Acceptor::complete(int result, unsigned) noexcept {
    if (result >= 0) {
        keep(UniqueFd(result));
    } else {
        note_error(-result);
    }
    if (!is_in_flight()) {
        pausing_ = false;
    } else if (waiting_.size() >= waiting_max && !pausing_) {
        pausing_ = true;
        Reactor::current().cancel(*this);
    }
    std::move(acceptor_).wake();
}

// Without memory to remember it the connection is closed: the peer learns of it, and accepting goes on.
void Acceptor::keep(UniqueFd connection) noexcept {
    try {
        waiting_.push_back(std::move(connection));
    } catch (const std::bad_alloc&) {
        note_error(ENOMEM);
    }
}

void Acceptor::note_error(int error) noexcept {
    if (is_shortage(error)) {
        ++back_offs_;
        retry_at_ = after(Clock::now(), back_off);
    } else if (!is_passing(error) && !(error == ECANCELED && pausing_)) {
        error_ = error;
    }
}

void Acceptor::discard(int result, unsigned) noexcept { UniqueFd unwanted(result); }

}  // namespace ringlet

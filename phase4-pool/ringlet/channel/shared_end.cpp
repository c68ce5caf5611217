#include <ringlet/channel/shared_end.hpp>

#include <ringlet/executor/local_executor.hpp>

#include <system_error>

namespace ringlet {

void SharedEnd::connect() {
    Result<Unparker> address = require_executor().unparker();
    if (!address) throw std::system_error(address.error());
    address_ = std::move(*address);
}

// The other end's thread. What it calls this from holds the channel, and so the address: the message may have
// arrived, and this end be gone, before post() returns.
void SharedEnd::wake() noexcept {
    State expected = State::asked;
    if (!state_.compare_exchange_strong(expected, State::on_its_way, std::memory_order_seq_cst)) return;
    hook::point("channel: wake");
    if (address_.post(*this)) return;
    // The message is nobody's any more; and perhaps this end is gone meanwhile, and its reference with it.
    expected = State::on_its_way;
    if (!state_.compare_exchange_strong(expected, State::idle, std::memory_order_seq_cst)) channel_.release();
}

// From `on_its_way` only the owner leads on, so it need not exchange: that would have to wait for the line.
void SharedEnd::arrive() noexcept {
    if (is_gone()) return channel_.release();
    state_.store(State::idle, std::memory_order_relaxed);
    if (listener_) return listener_->on_news();
    look(0);
}

bool SharedEnd::ask() noexcept {
    hook::point("channel: ask");
    State before = State::idle;
    state_.compare_exchange_strong(before, State::asked, std::memory_order_seq_cst);
    hook::point("channel: asked");
    return before == State::idle;
}

SharedEnd::Turn SharedEnd::poll_slowly(Waiter& waiter, const Waker& waker) noexcept {
    if (waiting_.redeem(waiter)) {
        if (waiting_.promised() == 0) look(1);
        return Turn::go;
    }
    // Outside of all executors it may be polled by hand.
    RINGLET_CHECK(!current_executor() || address_.leads_here(),
                  "an end of a shared channel was used away from the executor that it is connected to");
    if (peer_.is_gone() && available(1) == 0) return Turn::closed;
    waiting_.wait(waiter, waker);
    look(0);
    return Turn::wait;
}

// On behalf of those who wait: what is free is promised to them, but for what was just `taken`. If there is
// nothing, the other end is asked. While somebody holds a promise that is left to the last who does: what
// comes meanwhile cannot be taken before in any case.
void SharedEnd::look(std::size_t taken) noexcept {
    for (;;) {
        bool closed = peer_.is_gone();  // looked at before the other's position, which then is final
        offer(available(SIZE_MAX) - taken);
        if (waiting_.is_idle() || waiting_.promised() > 0) return;
        if (closed) return waiting_.wake_all();
        if (!ask()) return;
    }
}

void SharedEnd::offer(std::size_t steps) noexcept {
    for (std::size_t promised = waiting_.promised(); promised < steps; ++promised) {
        waiting_.offer();
        if (waiting_.promised() == promised) return;  // nobody else waits
    }
}

// The channel is held for as long as this lasts: once `gone` is set, whoever gets back the message that was
// on its way may give up this end's reference.
void SharedEnd::close() noexcept {
    RINGLET_CHECK(waiting_.is_idle(), "an end of a shared channel was dropped while somebody waits at it");
    SharedEnds& channel = channel_;
    channel.retain();
    State before = state_.exchange(State::gone, std::memory_order_seq_cst);
    hook::point("channel: closed");
    peer_.wake_if_asked();
    if (this == &channel.receiver()) channel.discard();
    if (before != State::on_its_way) channel.release();
    channel.release();
}

void SharedEnds::discard() noexcept {
    if (discards_.fetch_add(1, std::memory_order_acq_rel) > 0) return;
    do {
        drop_items();
    } while (discards_.fetch_sub(1, std::memory_order_acq_rel) > 1);
}

void SharedEnds::release() noexcept {
    if (holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy();
}

}  // namespace ringlet

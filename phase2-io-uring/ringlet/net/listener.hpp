// Listener<S>: a listening socket that accepts streams of type S. TcpListener and UnixListener are such.
//
// Threads: owner thread only. One task at a time accepts.
// Lifetimes: the listener may be dropped by one task while another accepts; that ends with ECANCELED.
#pragma once

#include <ringlet/net/acceptor.hpp>
#include <ringlet/net/stream.hpp>

namespace ringlet {

// A socket bound to `address` that listens; with SO_REUSEADDR.
Result<UniqueFd> open_listener(const SocketAddress& address, int backlog);

template <class S>
class Listener {
public:
    // `backlog`: connections that the kernel holds until they are accepted; net.core.somaxconn caps it.
    static Result<Listener> bind(const SocketAddress& address, int backlog = 4096) {
        auto socket = open_listener(address, backlog);
        if (!socket) return std::unexpected(socket.error());
        return Listener(SharedFd(std::move(*socket)));
    }

    // Takes over a socket that listens, made elsewhere. Clears O_NONBLOCK, as Stream::adopt does.
    static Result<Listener> adopt(UniqueFd socket) {
        if (auto cleared = sys::set_nonblocking(socket.get(), false); !cleared)
            return std::unexpected(cleared.error());
        return Listener(SharedFd(std::move(socket)));
    }

    // The next connection. Dropping the future loses none.
    auto accept() {
        return poll_fn([link = SourceLink(*acceptor_)](Context& context) -> Poll<Result<S>> {
            Acceptor* acceptor = link.get();
            if (!acceptor) return Result<S>(failure(operations::accept_category, ECANCELED));
            auto polled = acceptor->poll_accept(context);
            if (polled.is_pending()) return pending;
            auto socket = polled.take();
            if (!socket) return Result<S>(std::unexpect, socket.error());
            return Result<S>(S(Stream(SharedFd(std::move(*socket)))));
        });
    }

    Result<SocketAddress> local_address() const { return address_of(&sys::local_address, listener_.get()); }

    // How often accepting has paused for want of descriptors or memory.
    std::uint64_t back_offs() const noexcept { return acceptor_->back_offs(); }

private:
    explicit Listener(SharedFd listener)
        : listener_(listener), acceptor_(new Acceptor(std::move(listener))) {}

    SharedFd listener_;
    SourcePtr<Acceptor> acceptor_;
};

}  // namespace ringlet

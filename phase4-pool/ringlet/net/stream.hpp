// Stream: a connected stream socket, TCP or Unix (net/tcp.hpp, net/unix.hpp).
//
// Threads: owner thread only. One task may read while another writes; not two of a kind at once.
// Lifetimes: the stream may be closed or dropped by one task while others wait for it: reads then end with
// ECANCELED; writes in flight keep the descriptor open by themselves.
#pragma once

#include <ringlet/future/co.hpp>
#include <ringlet/net/receiver.hpp>
#include <ringlet/net/socket_address.hpp>
#include <ringlet/reactor/sys.hpp>

#include <span>

namespace ringlet {

class Stream {
public:
    // Takes over a connected socket, made elsewhere or accepted. Clears O_NONBLOCK, with which not
    // every kernel's io_uring waits.
    static Result<Stream> adopt(UniqueFd socket);

    // A socket, connected or yet to be connected, that is not O_NONBLOCK.
    explicit Stream(SharedFd socket) : socket_(socket), receiver_(new Receiver(std::move(socket))) {}

    // The next received bytes, in the kernel's buffer, which goes back when the lease is dropped. An empty
    // lease is the end of the stream. Dropping the future loses nothing.
    auto read_lease() {
        return poll_fn([link = SourceLink(*receiver_)](Context& context) -> Poll<Result<Lease>> {
            if (Receiver* receiver = link.get()) return receiver->poll_lease(context);
            return Result<Lease>(failure(operations::receive_category, ECANCELED));
        });
    }

    // Copies received bytes, at least one unless the stream has ended (0) or `target` is empty. Dropping the
    // future loses nothing; `target` must live as long as the future.
    auto read(std::span<std::byte> target) {
        return poll_fn(
            [link = SourceLink(*receiver_), target](Context& context) -> Poll<Result<std::size_t>> {
                if (Receiver* receiver = link.get()) return receiver->poll_read(context, target);
                return Result<std::size_t>(failure(operations::receive_category, ECANCELED));
            });
    }

    // Sends the whole buffer and gives it back. An error may come after a part has been sent; the stream is
    // then of no use. Dropping the future may cut the sending short.
    template <OwnedBuffer B>
    Operation<operations::SendAll<B>> write_all(B buffer) {
        return Operation(operations::SendAll<B>(socket_, std::move(buffer)));
    }

    // Says that no more will be written; the peer reads to the end.
    Result<void> shutdown_write() { return sys::shutdown(socket_.get(), SHUT_WR); }

    // Ends all operations on the socket, waits until the kernel has let go of them, closes, and tells how
    // that went. Dropping the future of it, once polled, does the same without waiting. Dropping the stream
    // ends reads alone, and closes when the last write has ended.
    Co<Result<void>> close() && { return close(std::move(*this)); }

    Result<SocketAddress> local_address() const;
    Result<SocketAddress> peer_address() const;
    Result<void> set_option(int level, int option, int value) {
        return sys::set_option(socket_.get(), level, option, value);
    }
    int fd() const noexcept { return socket_.get(); }

private:
    static Co<Result<void>> close(Stream self);

    SharedFd socket_;
    SourcePtr<Receiver> receiver_;
};

Co<Result<Stream>> connect_stream(SocketAddress address);

// The address of a socket, as sys::local_address or sys::peer_address tells it.
Result<SocketAddress> address_of(Result<socklen_t> (*ask)(int, sockaddr_storage&), int fd);

}  // namespace ringlet

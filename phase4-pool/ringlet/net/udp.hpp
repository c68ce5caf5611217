// UdpSocket: datagrams. Each send and receive is one operation; the buffer is moved in and handed back.
//
// Threads: owner thread only.
#pragma once

#include <ringlet/net/stream.hpp>

namespace ringlet {

// A datagram and where it came from. A datagram longer than the buffer is cut off.
template <class B>
struct Datagram {
    Result<std::size_t> n;
    B buffer;
    SocketAddress from;
};

namespace operations {

template <WritableBuffer B>
struct ReceiveFrom : OpDefaults {
    using Output = Datagram<B>;
    SharedFd socket;
    B buffer;
    sockaddr_storage from{};
    iovec piece{};
    msghdr message{};

    ReceiveFrom(SharedFd fd, B target) noexcept : socket(std::move(fd)), buffer(std::move(target)) {}
    void prepare(io_uring_sqe& entry) noexcept {
        piece = {.iov_base = buffer.data(), .iov_len = buffer.size()};
        message.msg_name = &from;
        message.msg_namelen = sizeof from;
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        io_uring_prep_recvmsg(&entry, socket.get(), &message, 0);
    }
    Output finish(int result, unsigned) noexcept {
        return {count_or_error(receive_category, result), std::move(buffer),
                SocketAddress(from, message.msg_namelen)};
    }
    std::span<const std::byte> kernel_memory() const noexcept { return bytes_of(buffer); }
};

template <OwnedBuffer B>
struct SendTo : OpDefaults {
    using Output = IoResult<B>;
    SharedFd socket;
    B buffer;
    SocketAddress to;
    iovec piece{};
    msghdr message{};

    SendTo(SharedFd fd, B source, const SocketAddress& address) noexcept
        : socket(std::move(fd)), buffer(std::move(source)), to(address) {}
    void prepare(io_uring_sqe& entry) noexcept {
        // The kernel's structures know no const; it only reads these two.
        piece = {.iov_base = const_cast<void*>(static_cast<const void*>(buffer.data())),
                 .iov_len = buffer.size()};
        message.msg_name = const_cast<sockaddr*>(to.get());
        message.msg_namelen = to.bytes();
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        io_uring_prep_sendmsg(&entry, socket.get(), &message, MSG_NOSIGNAL);
    }
    Output finish(int result, unsigned) noexcept {
        return {count_or_error(send_category, result), std::move(buffer)};
    }
    std::span<const std::byte> kernel_memory() const noexcept { return bytes_of(buffer); }
};

}  // namespace operations

class UdpSocket {
public:
    static Result<UdpSocket> bind(const SocketAddress& address);
    // Takes over a datagram socket, bound elsewhere. Clears O_NONBLOCK, as Stream::adopt does.
    static Result<UdpSocket> adopt(UniqueFd socket);

    // Dropping the future may lose a datagram that has just arrived, as the network may; its own timeout()
    // does not.
    template <WritableBuffer B>
    auto receive_from(B buffer) {
        return Operation(operations::ReceiveFrom<B>(socket_, std::move(buffer)));
    }
    // Sends the whole buffer as one datagram.
    template <OwnedBuffer B>
    auto send_to(B buffer, const SocketAddress& to) {
        return Operation(operations::SendTo<B>(socket_, std::move(buffer), to));
    }

    Result<SocketAddress> local_address() const { return address_of(&sys::local_address, socket_.get()); }

private:
    explicit UdpSocket(SharedFd socket) noexcept : socket_(std::move(socket)) {}

    SharedFd socket_;
};

}  // namespace ringlet

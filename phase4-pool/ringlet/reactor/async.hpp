// Async<Fd>: any descriptor, made awaitable by readiness. Try without blocking; if that would block, ask
// the kernel with one POLL_ADD to say when to try again. For sockets and files, net/ and fs/ are faster,
// since there the kernel does the work and not only the waiting; this is for everything else: pipes,
// signalfd, inotify, a library's descriptor.
//
// Threads: owner thread only. Lifetimes: the Async outlives the futures made from it.
#pragma once

#include <ringlet/reactor/operations.hpp>
#include <ringlet/reactor/sys.hpp>
#include <ringlet/task/ready_queue.hpp>

#include <cerrno>
#include <concepts>
#include <optional>
#include <utility>

namespace ringlet {

// A type that owns a descriptor and shows its number, such as UniqueFd.
template <class Fd>
concept OwnsDescriptor = std::movable<Fd> && requires(const Fd& fd) {
    { fd.get() } -> std::convertible_to<int>;
};

// Ready when the descriptor is; however often it is polled, one POLL_ADD is in flight.
using Readiness = Operation<operations::PollAdd>;

// Calls `attempt` until it does not fail with EAGAIN; in between waits for readiness.
template <class Attempt>
class [[nodiscard]] TryWhenReady {
public:
    using Output = std::invoke_result_t<Attempt&>;

    TryWhenReady(int fd, unsigned events, Attempt attempt)
        : attempt_(std::move(attempt)), fd_(fd), events_(events) {}

    Poll<Output> poll(Context& context) {
        while (true) {
            if (!readiness_) {
                if (!Reactor::current().may_attempt()) {
                    context.waker().wake_by_ref();
                    return pending;
                }
                Output output = attempt_();
                if (output || output.error().value() != EAGAIN) return output;
                readiness_.emplace(operations::PollAdd(fd_, events_));
            }
            auto ready = readiness_->poll(context);
            if (ready.is_pending()) return pending;
            readiness_.reset();
            if (auto polled = ready.take(); !polled) return Output(std::unexpect, polled.error());
        }
    }

private:
    Attempt attempt_;
    int fd_;
    unsigned events_;
    std::optional<Readiness> readiness_;
};

template <OwnsDescriptor Fd = UniqueFd>
class Async {
public:
    // Takes the descriptor over and sets O_NONBLOCK; its other flags stay as they are. O_NONBLOCK belongs
    // to the open file, so that duplicates of the descriptor see it too.
    static Result<Async> adopt(Fd fd) {
        if (auto set = sys::set_nonblocking(fd.get(), true); !set) return std::unexpected(set.error());
        return Async(std::move(fd));
    }

    Async(Async&&) noexcept = default;
    Async& operator=(Async&&) noexcept = default;
    ~Async() {
        // An abandoned POLL_ADD may still stand in the submission queue. It must reach the kernel while
        // the number is this file's.
        if (fd_.get() >= 0 && current_executor()) Reactor::current().flush();
    }

    const Fd& get() const noexcept { return fd_; }

    // Wait until a read, or a write, would not block; or until there is an error to fetch with it.
    Readiness readable() const { return Readiness(operations::PollAdd(fd_.get(), POLLIN)); }
    Readiness writable() const { return Readiness(operations::PollAdd(fd_.get(), POLLOUT)); }

    // `attempt` takes the Fd and returns a Result, with EAGAIN for "would block".
    template <class Attempt>
    auto read_with(Attempt attempt) const {
        return when_ready(POLLIN, std::move(attempt));
    }
    template <class Attempt>
    auto write_with(Attempt attempt) const {
        return when_ready(POLLOUT, std::move(attempt));
    }

    // The two usual ones. The span is the caller's and must live as long as the future; the kernel never
    // sees it while the task sleeps.
    auto read(std::span<std::byte> target) const {
        return read_with([target](const Fd& fd) { return sys::read(fd.get(), target); });
    }
    auto write(std::span<const std::byte> source) const {
        return write_with([source](const Fd& fd) { return sys::write(fd.get(), source); });
    }

private:
    explicit Async(Fd fd) noexcept : fd_(std::move(fd)) {}

    template <class Attempt>
    auto when_ready(unsigned events, Attempt attempt) const {
        auto bound = [this, attempt = std::move(attempt)]() mutable { return attempt(fd_); };
        return TryWhenReady<decltype(bound)>(fd_.get(), events, std::move(bound));
    }

    Fd fd_;
};

}  // namespace ringlet

// Reactor: the parker of executors that do I/O. It owns the timers and the ring with its operations
// (reactor/ring_driver.hpp), and says when to call the kernel: once per turn of the executor's loop.
//
// Threads: made, used and destroyed on the thread of its executor.
#pragma once

#include <ringlet/executor/parker.hpp>
#include <ringlet/reactor/ring_driver.hpp>
#include <ringlet/reactor/timers.hpp>

#include <expected>
#include <memory>

namespace ringlet {

class Reactor final : public Parker {
public:
    static std::expected<std::unique_ptr<Reactor>, StartError> make(const ParkerOptions& options);
    ~Reactor() override;

    // Of the executor that runs on this thread. Aborts if there is none, or one without a reactor.
    static Reactor& current();

    void poll() override;
    void park(Recheck recheck) override;
    void drain() noexcept override;
    Reactor* as_reactor() noexcept override { return this; }

    Timers& timers() noexcept { return timers_; }
    Ring& ring() noexcept { return main_.ring(); }
    const RingStats& stats() const noexcept { return main_.stats(); }
    std::size_t in_flight() const noexcept { return main_.in_flight(); }

    // The buffers that the kernel picks from when data arrives; made at first use.
    Result<BufferGroup*> buffers() { return main_.buffers(options_.buffer_count, options_.buffer_bytes); }

    // Hands a source to the kernel: now, if a submission entry is free or can be freed, else as soon as one
    // is. Throws std::bad_alloc with nothing started.
    void submit(Source& source) { main_.submit(source); }

    // Asks the kernel to end a source early. Its last completion tells how it really ended: cancelled
    // (-ECANCELED), or with a result that came first.
    void cancel(Source& source) noexcept;

    // Submits what is queued. Before a descriptor that an entry may name is closed by hand.
    void flush() noexcept { main_.flush(); }

private:
    Reactor(const ParkerOptions& options, std::unique_ptr<Ring> ring)
        : options_(options), main_(std::move(ring)) {}

    void expire_timers() noexcept;

    ParkerOptions options_;
    Timers timers_;
    RingDriver main_;
};

}  // namespace ringlet

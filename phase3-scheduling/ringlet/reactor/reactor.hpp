// Reactor: the parker of executors that do I/O. It owns the timers and the ring with its operations
// (reactor/ring_driver.hpp), and says when to call the kernel: once per turn of the executor's loop.
//
// There are two rings. The main ring delivers when it is asked, which is cheapest. The latency ring delivers
// at once: need_preempt() looks at it, and what queues with Latency::Matters start, goes there, together
// with the preempt timer. The executor sleeps in the main ring, which polls the latency ring's descriptor.
// A third, the poll ring, is made for the first file on a device that can be polled: while operations are in
// flight on it, the executor does not sleep but asks for their completions at each turn.
//
// Threads: made, used and destroyed on the thread of its executor.
#pragma once

#include <ringlet/executor/parker.hpp>
#include <ringlet/reactor/direct_device.hpp>
#include <ringlet/reactor/io_memory.hpp>
#include <ringlet/reactor/preempt_timer.hpp>
#include <ringlet/reactor/ring_driver.hpp>
#include <ringlet/reactor/timers.hpp>

#include <expected>
#include <map>
#include <memory>
#include <string>

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
    PreemptWords preempt_words() const noexcept override { return latency_words_; }
    void arm_preempt(CycleTime until, bool others_ready) noexcept override;
    Result<Unparker> unparker() override;
    ParkStats park_stats() const noexcept override;

    // Of the class of the running queue: those of queues whose latency matters are kept apart, since they
    // preempt others.
    Timers& timers() noexcept {
        note_outside();
        return is_urgent() ? latency_timers_ : timers_;
    }
    // A timer that is armed has another deadline now.
    void note_reset_timer() noexcept;
    Ring& ring() noexcept { return main_.ring(); }
    const RingStats& stats() const noexcept { return main_.stats(); }
    const RingStats& latency_stats() const noexcept { return latency_.stats(); }
    RingStats poll_stats() const noexcept { return poll_ ? poll_->stats() : RingStats{}; }
    // Calls `visit(name, driver)` for each ring.
    template <class Visit>
    void for_each_ring(Visit visit) const {
        visit(Trace::ring_names[0], main_);
        visit(Trace::ring_names[1], latency_);
        if (poll_) visit(Trace::ring_names[2], *poll_);
    }
    // Operations of the program; not what the reactor keeps in the kernel for itself.
    std::size_t in_flight() const noexcept;

    // The buffers that the kernel picks from when data arrives; made at first use.
    Result<BufferGroup*> buffers() { return driver().buffers(options_.buffer_count, options_.buffer_bytes); }
    // Those of the ring that a source goes to: each ring has its own.
    Result<BufferGroup*> buffers(Source& source) {
        return home_of(source).buffers(options_.buffer_count, options_.buffer_bytes);
    }

    // Hands a source to the kernel: now, if a submission entry is free or can be freed, else as soon as one
    // is. Throws std::bad_alloc with nothing started. The class of the queue that first starts a source says
    // to which ring it goes, for good.
    void submit(Source& source) {
        note_outside();
        home_of(source).submit(source);
    }

    // The memory of direct I/O; made at first use. Throws std::bad_alloc.
    IoMemory& io_memory();

    // What is known of a device, of which a file is opened at `path`. Makes the poll ring if it is needed.
    std::shared_ptr<DirectDevice> direct_device(dev_t number, const std::string& path);

    // The same as submit() for a read or write of an O_DIRECT file, which perhaps may be polled for; but at
    // once: the device has that much more time. 85,000 instead of 74,000 reads a second at depth 32, for 0.7
    // us more CPU each (kernel 6.18, virtio). True if it went to the poll ring; what a queue with
    // Latency::Matters starts goes to the latency ring all the same, where need_preempt() sees its end.
    bool submit_direct(Source& source, bool may_poll);

    // Asks the kernel to end a source early. Its last completion tells how it really ended: cancelled
    // (-ECANCELED), or with a result that came first.
    void cancel(Source& source) noexcept;

    // Submits what is queued. Before a descriptor that an entry may name is closed by hand.
    void flush() noexcept {
        main_.flush();
        latency_.flush();
        if (poll_) poll_->flush();
    }

    // What tries without waiting (Async) asks before each attempt, so that a descriptor that is always ready
    // cannot keep a task running for ever. False: enough for this turn of the loop; yield.
    bool may_attempt() noexcept {
        if (attempts_left_ == 0) return false;
        --attempts_left_;
        return true;
    }

private:
    Reactor(const ParkerOptions& options, std::unique_ptr<Ring> main, std::unique_ptr<Ring> latency)
        : options_(options),
          main_(std::move(main)),
          latency_(std::move(latency)),
          latency_words_(latency_.ring().preempt_words()),
          latency_poll_(new WakePoll(latency_.ring().fd())) {
        main_.watch(options_.trace, 0, options_.histograms);
        latency_.watch(options_.trace, 1, options_.histograms);
    }

    bool is_urgent() const noexcept;
    RingDriver& driver() noexcept { return is_urgent() ? latency_ : main_; }
    // A source that was another executor's is settled anew.
    RingDriver& home_of(Source& source) noexcept {
        RingDriver* home = source.home_;
        if (!home || (home != &main_ && home != &latency_ && home != poll_.get())) source.home_ = &driver();
        return *source.home_;
    }
    bool is_quiet() const noexcept { return in_flight() == 0 && timers_.empty() && latency_timers_.empty(); }
    void note_quiet() noexcept;
    void note_outside() noexcept;
    bool make_poll_ring();
    void expire_timers() noexcept;
    void begin_turn() noexcept;
    std::optional<Time> earliest_timer() const noexcept;
    bool may_be_unparked() const noexcept {
        return doorbell_ && (doorbell_->has_holders() || doorbell_->is_rung());
    }
    bool has_news() const noexcept;
    bool spin(Recheck recheck) noexcept;
    bool look_around(std::optional<Time> timer) const noexcept;
    bool sleep(Recheck recheck);

    ParkerOptions options_;
    Timers timers_;
    Timers latency_timers_;
    RingDriver main_;
    RingDriver latency_;
    std::unique_ptr<RingDriver> poll_;  // made when a device can be polled
    bool poll_refused_ = false;         // for want of memory
    std::unique_ptr<IoMemory, ReleaseIoMemory> io_memory_;
    std::map<dev_t, std::shared_ptr<DirectDevice>> direct_devices_;
    PreemptWords latency_words_;
    bool was_quiet_ = true;                   // when the turn began: nothing was under way
    std::optional<CycleTime> unarmed_until_;  // the end of a turn in which nobody could want the core so far
    unsigned attempts_left_ = attempts_max;
    Duration spun_{};
    // In the kernel's hands until the rings are drained:
    SourcePtr<PreemptTimer> preempt_timer_{new PreemptTimer()};
    SourcePtr<WakePoll> latency_poll_;
    SourcePtr<WakePoll> doorbell_poll_;
    std::shared_ptr<Doorbell> doorbell_;  // made when first asked for

    static constexpr unsigned attempts_max = 128;
};

}  // namespace ringlet

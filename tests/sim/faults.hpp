// Faults: what can go wrong in the simulated kernel, how often in this run, and how often it did.
#pragma once

#include "chance.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace sim {

enum class Fault : unsigned {
    slow,             // a completion takes up to 100 ms
    interrupted,      // EINTR from enter
    woken,            // a wait that ends with nothing
    again,            // EAGAIN from enter
    busy,             // EBUSY from enter
    took_fewer,       // enter takes fewer entries than it was given
    shortened,        // a send, read or write moves fewer bytes than it could
    io_error,         // EIO of a file
    reset,            // a connection breaks
    no_descriptor,    // EMFILE where one would be made
    no_buffer,        // ENOBUFS although there are buffers
    multishot_ended,  // an operation that was to go on ends with its result
    cancel_lost,      // the target completes before its cancellation
    cancel_missed,    // the target goes on, and its cancellation says that there is none
    stale,            // a completion comes twice, the second time with a generation that is over
    overflowed,       // the completion queue was full
    full_disk,        // ENOSPC
    refused,          // nobody listens
    count,
};

inline constexpr std::array<const char*, static_cast<std::size_t>(Fault::count)> fault_names{
    "slow",        "interrupted",   "woken", "again",    "busy",      "took fewer",
    "shortened",   "io error",      "reset", "no descr", "no buffer", "shot ended",
    "cancel lost", "cancel missed", "stale", "overflow", "disk full", "refused"};

class Faults {
public:
    using Counts = std::array<std::uint64_t, static_cast<std::size_t>(Fault::count)>;

    // Nothing goes wrong until told so.
    explicit Faults(Chance& chance) noexcept : chance_(chance) {}

    // Each kind strikes once in 4 to 63 chances, or not at all in this run.
    void draw() noexcept {
        on_ = true;
        for (unsigned& rate : rates_) rate = chance_.once_in(2) ? 0 : chance_.between(4, 63);
    }
    void stop() noexcept { on_ = false; }
    bool is_on() const noexcept { return on_; }

    bool strikes(Fault fault) noexcept {
        if (!on_ || !chance_.once_in(rates_[static_cast<std::size_t>(fault)])) return false;
        note(fault);
        return true;
    }
    // It struck by itself.
    void note(Fault fault) noexcept { ++counts_[static_cast<std::size_t>(fault)]; }
    const Counts& counts() const noexcept { return counts_; }

private:
    Chance& chance_;
    bool on_ = false;
    std::array<unsigned, static_cast<std::size_t>(Fault::count)> rates_{};
    Counts counts_{};
};

}  // namespace sim

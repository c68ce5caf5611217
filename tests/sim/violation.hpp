// What a simulated run leaves behind: the last events, a digest over all of them, and, if an invariant does
// not hold, a report that ends the program.
#pragma once

#include <ringlet/base/clock.hpp>

#include <array>
#include <cstdint>

namespace sim {

struct LogEvent {
    ringlet::Time at;
    int shard;
    const char* what;
    std::uint64_t subject;
    std::int64_t value;
};

class Log {
public:
    void add(ringlet::Time at, int shard, const char* what, std::uint64_t subject,
             std::int64_t value) noexcept {
        events_[count_++ % events_.size()] = {at, shard, what, subject, value};
        for (std::uint64_t part :
             {static_cast<std::uint64_t>(at.time_since_epoch().count()), static_cast<std::uint64_t>(shard),
              subject, static_cast<std::uint64_t>(value)}) {
            digest_ = (digest_ ^ part) * 0x100000001b3;  // FNV-1a, by words
        }
    }
    std::uint64_t digest() const noexcept { return digest_; }
    std::uint64_t count() const noexcept { return count_; }
    // Oldest first.
    template <class Visit>
    void for_each(Visit visit) const {
        std::uint64_t kept = count_ < events_.size() ? count_ : events_.size();
        for (std::uint64_t i = count_ - kept; i < count_; ++i) visit(events_[i % events_.size()]);
    }

private:
    std::array<LogEvent, 512> events_;
    std::uint64_t count_ = 0;
    std::uint64_t digest_ = 0xcbf29ce484222325;
};

// An invariant does not hold: prints it, by its name, and what the run has left, and ends the program.
[[noreturn]] void violated(const char* invariant, const char* text, std::uint64_t subject = 0) noexcept;

}  // namespace sim

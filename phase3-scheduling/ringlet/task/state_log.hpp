// Only in builds with RINGLET_CHECKED: the record of all moves between task states.
#pragma once

#include <ringlet/base/check.hpp>
#include <ringlet/task/state.hpp>

#include <array>
#include <atomic>

namespace ringlet::state {

// moves_seen[from][to]: how often, in all threads of the program.
inline std::atomic<unsigned> moves_seen[32][32];

constexpr bool is_allowed(const Move& move, Flags from, Flags to) {
    bool had = (from & HANDLE) != 0;
    bool has = (to & HANDLE) != 0;
    if ((from & ~HANDLE) != move.from || (to & ~HANDLE) != move.to) return false;
    switch (move.handle) {
        case Move::EITHER: return had == has;
        case Move::KEPT: return had && has;
        case Move::ABSENT: return !had && !has;
        case Move::DROPPED: return had && !has;
    }
    return false;
}

// Looked up and not worked out each time: that took a fifth of a simulated run.
inline constexpr auto allowed_moves = [] {
    std::array<std::array<bool, 32>, 32> allowed{};
    for (const Move& move : moves) {
        for (bool had : {false, true}) {
            for (bool has : {false, true}) {
                auto from = static_cast<Flags>(move.from | (had ? HANDLE : 0));
                auto to = static_cast<Flags>(move.to | (has ? HANDLE : 0));
                allowed[from][to] |= is_allowed(move, from, to);
            }
        }
    }
    return allowed;
}();

inline void log_move(Flags from, Flags to) {
    RINGLET_CHECK(allowed_moves[from][to], "a task made a move that task/state.hpp does not list");
    moves_seen[from][to].fetch_add(1, std::memory_order_relaxed);
}

}  // namespace ringlet::state

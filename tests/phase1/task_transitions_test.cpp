// The table of moves in task/state.hpp, both ways: everything that can happen to a task is done here, in one
// process, and the set of moves that were recorded must then be the table: none is missing, none is unlisted.
#include "support.hpp"

#include <ringlet/task/state_log.hpp>

#include <algorithm>
#include <iterator>
#include <optional>

using namespace support;

namespace {

// What a task does to itself in its first poll, in this order.
struct Acts {
    bool drops_handle_first = false;
    bool wakes = false;
    bool cancels = false;
    bool drops_handle = false;
    bool completes = false;
};

// Runs one task that does so, and lets it complete in its second poll, if there is one.
void run_one(LocalExecutor& executor, Acts acts) {
    std::optional<JoinHandle<void>> handle;
    Waker waker;
    bool polled = false;
    handle.emplace(executor.spawn_local(poll_fn([&](Context& context) -> Poll<void> {
        if (std::exchange(polled, true)) return Unit{};
        waker = context.waker().clone();
        if (acts.drops_handle_first) handle.reset();
        if (acts.wakes) waker.wake_by_ref();
        if (acts.cancels && handle) handle->cancel();
        if (acts.drops_handle) handle.reset();
        if (acts.completes) return Unit{};
        return pending;
    })));
    settle(executor);
    waker.wake_by_ref();
    settle(executor);
}

// Each combination: the moves out of RUNNING, and those that stay there.
void run_in_every_way(LocalExecutor& executor) {
    for (unsigned bits = 0; bits < 32; ++bits) {
        run_one(executor, {.drops_handle_first = (bits & 1) != 0,
                           .wakes = (bits & 2) != 0,
                           .cancels = (bits & 4) != 0,
                           .drops_handle = (bits & 8) != 0,
                           .completes = (bits & 16) != 0});
    }
}

// What is done to a task from outside, one after the other.
enum class Does { polls, wakes, cancels, takes_output, drops_handle, drops_waker, ends_executor };

void treat_one(const std::vector<Does>& deeds) {
    auto executor = make_idle_executor();
    Event event;
    std::optional<JoinHandle<void>> handle(executor->spawn_local(event.wait()));
    for (Does deed : deeds) {
        switch (deed) {
            case Does::polls: settle(*executor); break;
            case Does::wakes: event.open(); break;
            case Does::cancels: handle->cancel(); break;
            case Does::takes_output: static_cast<void>(poll(*handle)); break;
            case Does::drops_handle: handle.reset(); break;
            case Does::drops_waker: event.waker = Waker(); break;
            case Does::ends_executor: executor.reset(); break;
        }
    }
}

// Every sequence of up to five deeds: polls as often as it likes, everything else once.
void treat_in_every_way() {
    using enum Does;
    const Does all[] = {polls, wakes, cancels, takes_output, drops_handle, drops_waker, ends_executor};
    std::vector<std::vector<Does>> sequences = {{}};
    for (std::size_t at = 0; at < sequences.size(); ++at) {
        treat_one(sequences[at]);
        if (sequences[at].size() == 5) continue;
        for (Does next : all) {
            auto longer = sequences[at];
            auto done = [&](Does deed) { return std::ranges::find(longer, deed) != longer.end(); };
            if ((next == cancels || next == takes_output) && done(drops_handle)) continue;
            if (next == polls && done(ends_executor)) continue;
            if (next != polls && done(next)) continue;
            longer.push_back(next);
            sequences.push_back(longer);
        }
    }
}

std::string describe(state::Flags flags) {
    std::string text;
    const std::pair<state::Flags, const char*> names[] = {{state::SCHEDULED, "SCHEDULED"},
                                                          {state::RUNNING, "RUNNING"},
                                                          {state::COMPLETED, "COMPLETED"},
                                                          {state::CLOSED, "CLOSED"},
                                                          {state::HANDLE, "HANDLE"}};
    for (auto [flag, name] : names) {
        if ((flags & flag) != 0) text += (text.empty() ? "" : "|") + std::string(name);
    }
    return text.empty() ? "0" : text;
}

// The event of the row that allows the move; null if none does.
const char* find_event(state::Flags from, state::Flags to) {
    for (const state::Move& move : state::moves) {
        if (state::is_allowed(move, from, to)) return move.event;
    }
    return nullptr;
}

}  // namespace

TEST_CASE("the moves that are made are the moves of the table") {
    {
        auto executor = make_idle_executor();
        run_in_every_way(*executor);
    }
    treat_in_every_way();

    constexpr auto states = static_cast<state::Flags>(std::size(state::moves_seen));
    for (state::Flags from = 0; from < states; ++from) {
        for (state::Flags to = 0; to < states; ++to) {
            const char* event = find_event(from, to);
            bool seen = state::moves_seen[from][to] > 0;
            INFO(describe(from), " -> ", describe(to), ": ", event ? event : "not in the table");
            CHECK(seen == (event != nullptr));
        }
    }
}

TEST_CASE("no row of the table is listed twice, and none is for nothing") {
    for (const state::Move& row : state::moves) {
        int same = 0;
        for (const state::Move& other : state::moves) {
            same += row.from == other.from && row.to == other.to && row.handle == other.handle;
        }
        INFO(row.event);
        CHECK(same == 1);
        CHECK((row.from != row.to || row.handle == state::Move::DROPPED));
    }
}

TEST_CASE("the table keeps what task/state.hpp says of each flag") {
    auto gains = [](const state::Move& row, state::Flags flag) { return (row.to & ~row.from & flag) != 0; };
    auto loses = [](const state::Move& row, state::Flags flag) { return (row.from & ~row.to & flag) != 0; };
    for (const state::Move& row : state::moves) {
        INFO(row.event);
        for (state::Flags flags : {row.from, row.to}) {
            bool completed = (flags & state::COMPLETED) != 0;
            CHECK_FALSE((completed && (flags & (state::SCHEDULED | state::RUNNING)) != 0));
        }
        CHECK_FALSE(loses(row, state::COMPLETED));
        CHECK_FALSE(loses(row, state::CLOSED));
        // A task only begins to run when it is taken from its queue.
        if (gains(row, state::RUNNING)) CHECK((row.from == state::SCHEDULED && row.to == state::RUNNING));
    }
    CHECK(state::BORN == 17);
}

TEST_CASE("a move that the table does not list aborts") {
    ChildEnd end = run_in_child([] { state::log_move(state::COMPLETED, state::SCHEDULED); });
    CHECK(end.aborted());
    CHECK(end.says("a task made a move that task/state.hpp does not list"));
    // HANDLE never comes back.
    end = run_in_child([] { state::log_move(state::SCHEDULED, state::SCHEDULED | state::HANDLE); });
    CHECK(end.aborted());
    CHECK(run_in_child([] { state::log_move(state::BORN, state::SCHEDULED); }).exited_well());
}

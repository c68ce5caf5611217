// StopSignals: SIGINT and SIGTERM as the wish that pools end. All pools that want to hear of them do,
// whichever has read the signal: the first asks them to stop, one that comes later cancels them.
//
// Threads: any. A pool that listens is forgotten before it is gone.
#pragma once

#include <ringlet/base/error.hpp>
#include <ringlet/base/unique_fd.hpp>
#include <ringlet/future/co.hpp>
#include <ringlet/pool/pool.hpp>
#include <ringlet/reactor/async.hpp>

#include <csignal>

namespace ringlet {

class StopSignals {
public:
    // Blocks both in the calling thread, and in those that it starts from now on; until the end of this, if
    // it is not kept.
    StopSignals() noexcept;
    StopSignals(const StopSignals&) = delete;
    StopSignals& operator=(const StopSignals&) = delete;
    ~StopSignals();
    void keep() noexcept { kept_ = true; }

    // Readable when one of them is pending.
    static Result<UniqueFd> descriptor();
    // Reads it, as a task, and tells all who listen; until its executor ends.
    static Co<void> listen(Async<> descriptor);

    // Throws std::bad_alloc. Its shards stand.
    static void add_listener(Pool& pool);
    static void forget_listener(Pool& pool) noexcept;

private:
    sigset_t before_;
    bool kept_ = false;
};

}  // namespace ringlet

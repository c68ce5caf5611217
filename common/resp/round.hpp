// One round of a connection: the requests that are answered together, on whatever shards their keys are, and
// the replies, in the order of the requests. For a server that has many shards:
//
//     round.ask(*command, arguments, now);       // for each request: runs what is here, notes the rest
//     do {
//         for each shard: if (auto errand = round.send(shard))
//             on that shard: errand->run(its store, now, reply_bytes_max); and back: round.bring_back(errand)
//         round.collect(); send round.replies()
//     } while (!round.is_over());
//     round.clear();
//
// On each shard requests run in the order in which they were asked; between shards there is no order, so a
// command with keys on several is not atomic.
//
// For the thread of the shard whose store it is given.
#pragma once

#include "resp/errand.hpp"

#include <memory>
#include <string>
#include <vector>

namespace resp {

class Round {
public:
    // `self`: the shard of `store`.
    Round(Store& store, unsigned self, unsigned shards, std::size_t reply_bytes_max);

    // For replies to requests that ask no shard, between the others.
    std::string& here() { return here_; }

    // Of any other reach than Reach::connection.
    void ask(const Command& command, Arguments arguments, Milliseconds now);

    // The replies that are here take enough memory: ask no more.
    bool is_full() const { return here_.size() + errands_[self_]->reply_bytes() > reply_bytes_max_; }

    // What the shard has to be asked before collect() can go on; nullptr: nothing.
    std::unique_ptr<Errand> send(unsigned shard);
    void bring_back(std::unique_ptr<Errand> errand);
    bool is_local() const { return slots_.empty(); }

    // Appends to replies() those that are next and have come. That may be not all: a shard stops at
    // reply_bytes_max, and must be asked again when its replies are sent.
    void collect();
    // Those to be sent; may be moved out while they are, and back.
    std::string& replies() { return replies_; }
    bool is_over() const { return next_slot_ == slots_.size(); }

    // Ready for other requests.
    void clear();
    std::size_t memory_bytes() const;

private:
    // A place in the order of the replies: behind here_[0, here_end) comes one of a shard's replies, or one
    // merged out of several.
    struct Slot {
        std::size_t here_end;
        unsigned merged_or_shard;
        bool is_merged;
    };
    struct Merged {
        const Command* command;
        std::vector<std::string> arguments;  // if they are wanted for merging
        std::vector<unsigned> asked;         // shards
    };

    void ask_several(const Command& command, Arguments arguments, Milliseconds now);
    void ask_part(Merged& merged, unsigned shard, Arguments part, Milliseconds now);
    bool has_come(const Slot& slot) const;
    void append_reply(const Slot& slot);
    void append_merged(const Merged& merged);

    Store& store_;
    unsigned self_;
    std::size_t reply_bytes_max_;
    std::string here_;
    std::string replies_;
    std::vector<std::unique_ptr<Errand>> errands_;  // one for each shard; nullptr while it is away
    std::vector<Slot> slots_;
    std::vector<Merged> merged_;
    std::size_t next_slot_ = 0;
    std::size_t here_taken_ = 0;
};

}  // namespace resp

// A command on several shards: which of them, what each is asked, and one reply out of theirs.
//
// A part of a command is a request of its own, of the same command with a shard's own keys: Command::run()
// runs it there and writes its reply, and merge() reads those. Any thread.
#pragma once

#include "resp/commands.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace resp {

// The shard that owns all keys of a command of Reach::one_key or many_keys; nothing if they have several
// owners. That one can be asked for the whole.
std::optional<unsigned> sole_owner(const Command& command, Arguments arguments, unsigned shards);

// A command of Reach::many_keys: what to ask each shard, and nothing if it is empty. The views are those of
// `arguments`.
std::vector<std::vector<std::string_view>> split(const Command& command, Arguments arguments,
                                                 unsigned shards);

// The reply to a command of Reach::many_keys or all_shards, appended to `reply`. `parts` are the shards'
// replies, one place for each shard, empty for those that were not asked. An error of one is the error of
// all.
void merge(const Command& command, Arguments arguments, std::span<const std::string_view> parts,
           std::string& reply);

}  // namespace resp

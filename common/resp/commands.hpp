// The commands of a sharded key-value server that speaks the Redis protocol, with the replies and errors of
// redis-server 7.0, byte for byte. What a server does with a request:
//
//     const Command* command = find_command(arguments, reply);   // nullptr: the error is in `reply`
//     Reach::connection   keep_open = answer(*command, arguments, settings, reply)
//     Reach::one_key      on the owner of arguments[1]: command->run(store, arguments, now, reply)
//     Reach::many_keys    split(), run() of each part on its shard, merge(); or as one_key if sole_owner()
//     Reach::all_shards   run() on every shard, merge()
//
// Nothing here has state of its own: any thread.
#pragma once

#include "resp/request.hpp"
#include "resp/store.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace resp {

enum class Reach : std::uint8_t {
    connection,  // no key
    one_key,     // arguments[1]
    many_keys,   // from arguments[1] to the end
    all_shards,
};

enum class Merge : std::uint8_t { none, sum, elements, status, info };

// What CONFIG GET tells.
struct Settings {
    std::size_t memory_bytes_max = unlimited;  // of all shards together
};

struct Command {
    std::string_view name;  // in lower case
    int arity;              // as Redis counts: with the name; negative: or more
    Reach reach;
    Merge merge = Merge::none;
    bool writes = false;
    unsigned key_step = 1;  // MSET: keys and values in turn

    // Runs it, or its part for this shard; not of Reach::connection.
    void (*run)(Store& store, Arguments arguments, Milliseconds now, std::string& reply) = nullptr;
    // Of Reach::connection only.
    void (*answer)(Arguments arguments, const Settings& settings, std::string& reply) = nullptr;
};

// The command that a request of one argument or more names, if it has a valid number of arguments; else
// nullptr, and the error is appended to `reply`.
const Command* find_command(Arguments arguments, std::string& reply);

// Answers a command of Reach::connection. False: send the reply, then close.
[[nodiscard]] bool answer(const Command& command, Arguments arguments, const Settings& settings,
                          std::string& reply);

}  // namespace resp

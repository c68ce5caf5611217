#include "resp/commands.hpp"

#include "resp/errors.hpp"
#include "resp/key_commands.hpp"
#include "resp/reply.hpp"
#include "resp/words.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

namespace resp {
namespace {

void append_wrong_arity(std::string& reply, std::string_view name) {
    append_error(reply, "ERR wrong number of arguments for '" + std::string(name) + "' command");
}

void append_unknown_subcommand(std::string& reply, std::string_view subcommand, std::string_view command) {
    append_error(reply, "ERR unknown subcommand '" + std::string(printed(subcommand.substr(0, 128))) +
                            "'. Try " + std::string(command) + " HELP.");
}

// Quotes 128 bytes of the name, and as much of the arguments.
void append_unknown_command(std::string& reply, Arguments arguments) {
    std::string quoted;
    for (const auto argument : arguments.subspan(1)) {
        if (quoted.size() >= 128) break;
        const auto shown = printed(argument.substr(0, 128 - quoted.size()));
        quoted.append("'").append(shown).append("' ");
    }
    append_error(reply, "ERR unknown command '" + std::string(printed(arguments[0].substr(0, 128))) +
                            "', with args beginning with: " + quoted);
}

// --- What a connection answers by itself -------------------------------------------------------

void answer_ping(Arguments arguments, const Settings&, std::string& reply) {
    if (arguments.size() > 2) return append_wrong_arity(reply, "ping");
    if (arguments.size() == 2) return append_bulk(reply, arguments[1]);
    append_simple(reply, "PONG");
}

void answer_echo(Arguments arguments, const Settings&, std::string& reply) {
    append_bulk(reply, arguments[1]);
}

void answer_quit(Arguments, const Settings&, std::string& reply) { reply += ok; }

void answer_command(Arguments arguments, const Settings& settings, std::string& reply);

bool is_asked_for(std::string_view name, std::string_view pattern) {
    return pattern == "*" ||
           (pattern.size() == name.size() && std::ranges::equal(pattern, name, {}, [](char c) {
                return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
            }));
}

// Few settings exist here: those that redis-benchmark asks for, and the limit.
void append_settings(Arguments patterns, const Settings& settings, std::string& reply) {
    const auto limit = settings.memory_bytes_max;
    const std::pair<std::string_view, std::string> all[] = {
        {"appendonly", "no"},
        {"maxmemory", std::to_string(limit == unlimited ? 0 : limit)},
        {"maxmemory-policy", "noeviction"},
        {"save", ""},
    };
    std::string found;
    std::size_t elements = 0;
    for (const auto& [name, value] : all) {
        const auto pattern = std::ranges::find_if(patterns, [&](auto p) { return is_asked_for(name, p); });
        if (pattern == patterns.end()) continue;
        append_bulk(found, *pattern == "*" ? name : *pattern);
        append_bulk(found, value);
        elements += 2;
    }
    append_array(reply, elements);
    reply += found;
}

void answer_config(Arguments arguments, const Settings& settings, std::string& reply) {
    if (word(arguments[1]) != word("get")) return append_unknown_subcommand(reply, arguments[1], "CONFIG");
    if (arguments.size() < 3) return append_wrong_arity(reply, "config|get");
    append_settings(arguments.subspan(2), settings, reply);
}

// --- The table ---------------------------------------------------------------------------------

// The ones asked for most come first.
constexpr Command commands[] = {
    {.name = "get", .arity = 2, .reach = Reach::one_key, .run = run_get},
    {.name = "set", .arity = -3, .reach = Reach::one_key, .writes = true, .run = run_set},
    {.name = "incr", .arity = 2, .reach = Reach::one_key, .writes = true, .run = run_incr},
    {.name = "decr", .arity = 2, .reach = Reach::one_key, .writes = true, .run = run_decr},
    {.name = "expire", .arity = -3, .reach = Reach::one_key, .writes = true, .run = run_expire},
    {.name = "ttl", .arity = 2, .reach = Reach::one_key, .run = run_ttl},
    {.name = "mget", .arity = -2, .reach = Reach::many_keys, .merge = Merge::elements, .run = run_mget},
    {.name = "mset",
     .arity = -3,
     .reach = Reach::many_keys,
     .merge = Merge::status,
     .writes = true,
     .key_step = 2,
     .run = run_mset},
    {.name = "del",
     .arity = -2,
     .reach = Reach::many_keys,
     .merge = Merge::sum,
     .writes = true,
     .run = run_del},
    {.name = "exists", .arity = -2, .reach = Reach::many_keys, .merge = Merge::sum, .run = run_exists},
    {.name = "ping", .arity = -1, .reach = Reach::connection, .answer = answer_ping},
    {.name = "echo", .arity = 2, .reach = Reach::connection, .answer = answer_echo},
    {.name = "dbsize", .arity = 1, .reach = Reach::all_shards, .merge = Merge::sum, .run = run_dbsize},
    {.name = "flushall",
     .arity = -1,
     .reach = Reach::all_shards,
     .merge = Merge::status,
     .writes = true,
     .run = run_flushall},
    {.name = "info", .arity = -1, .reach = Reach::all_shards, .merge = Merge::info, .run = run_info},
    {.name = "config", .arity = -2, .reach = Reach::connection, .answer = answer_config},
    {.name = "command", .arity = -1, .reach = Reach::connection, .answer = answer_command},
    {.name = "quit", .arity = -1, .reach = Reach::connection, .answer = answer_quit},
};

// Beside each other in memory, so that looking through all of them is cheap.
constexpr auto words = [] {
    std::array<std::uint64_t, std::size(commands)> packed{};
    std::ranges::transform(commands, packed.begin(), [](const Command& c) { return word(c.name); });
    return packed;
}();

bool arity_fits(const Command& command, std::size_t arguments) {
    const auto count = static_cast<int>(arguments);
    // MSET's last key must have a value too.
    return (command.arity < 0 ? count >= -command.arity : count == command.arity) &&
           (arguments - 1) % command.key_step == 0;
}

// As Redis 7 describes a command, without its groups, hints, key specifications and subcommands.
void append_description(const Command& command, std::string& reply) {
    const bool keys = command.reach == Reach::one_key || command.reach == Reach::many_keys;
    append_array(reply, 10);
    append_bulk(reply, command.name);
    append_integer(reply, command.arity);
    append_array(reply, 1);
    append_simple(reply, command.writes ? "write" : "readonly");
    append_integer(reply, keys ? 1 : 0);                                           // the first key
    append_integer(reply, command.reach == Reach::many_keys ? -1 : keys ? 1 : 0);  // the last
    append_integer(reply, keys ? static_cast<std::int64_t>(command.key_step) : 0);
    for (int list = 0; list < 4; ++list) append_array(reply, 0);
}

void answer_command(Arguments arguments, const Settings&, std::string& reply) {
    constexpr auto count = std::size(commands);
    if (arguments.size() == 1) {
        append_array(reply, count);
        for (const auto& command : commands) append_description(command, reply);
    } else if (word(arguments[1]) == word("docs")) {
        append_array(reply, 0);  // redis-cli asks for them; it has its own
    } else if (word(arguments[1]) != word("count")) {
        append_unknown_subcommand(reply, arguments[1], "COMMAND");
    } else if (arguments.size() > 2) {
        append_wrong_arity(reply, "command|count");
    } else {
        append_integer(reply, count);
    }
}

}  // namespace

const Command* find_command(Arguments arguments, std::string& reply) {
    const auto found = std::ranges::find(words, word(arguments[0]));
    if (found == words.end()) {
        append_unknown_command(reply, arguments);
        return nullptr;
    }
    const Command& command = commands[found - words.begin()];
    if (!arity_fits(command, arguments.size())) {
        append_wrong_arity(reply, command.name);
        return nullptr;
    }
    return &command;
}

bool answer(const Command& command, Arguments arguments, const Settings& settings, std::string& reply) {
    command.answer(arguments, settings, reply);
    return command.answer != answer_quit;
}

}  // namespace resp

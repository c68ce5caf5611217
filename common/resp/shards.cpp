#include "resp/shards.hpp"

#include "resp/integer.hpp"
#include "resp/reply.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace resp {
namespace {

// The number in a line such as ":12\r\n", which is taken off; the shards' replies are well-formed.
std::int64_t take_number(std::string_view& replies) {
    const auto end = replies.find('\r');
    const auto number = to_integer(replies.substr(1, end - 1));
    replies.remove_prefix(end + 2);
    return *number;
}

// One "$3\r\nabc\r\n" or "$-1\r\n".
std::string_view take_bulk(std::string_view& replies) {
    const auto begin = replies;
    const auto length = take_number(replies);
    if (length >= 0) replies.remove_prefix(static_cast<std::size_t>(length) + 2);
    return begin.substr(0, begin.size() - replies.size());
}

void append_sum(std::span<const std::string_view> parts, std::string& reply) {
    std::int64_t sum = 0;
    for (std::string_view part : parts) sum += part.empty() ? 0 : take_number(part);
    append_integer(reply, sum);
}

// The values of MGET, in the order in which their keys were asked for.
void append_elements(Arguments arguments, std::span<const std::string_view> parts, std::string& reply) {
    std::vector<std::string_view> rest(parts.begin(), parts.end());
    for (auto& part : rest) {
        if (!part.empty()) take_number(part);
    }
    append_array(reply, arguments.size() - 1);
    for (const auto key : arguments.subspan(1))
        reply += take_bulk(rest[owner_of(key, static_cast<unsigned>(parts.size()))]);
}

struct Totals {
    std::int64_t keys = 0;
    std::int64_t expiring = 0;
    std::int64_t memory_bytes = 0;
    std::int64_t memory_bytes_max = 0;
};

Totals total_of(std::span<const std::string_view> parts) {
    Totals totals;
    for (std::string_view part : parts) {
        take_number(part);
        for (auto* total : {&totals.keys, &totals.expiring, &totals.memory_bytes, &totals.memory_bytes_max})
            *total += take_number(part);
    }
    return totals;
}

bool same(std::string_view a, std::string_view b) {
    const auto lower = [](unsigned char c) { return std::tolower(c); };
    return std::ranges::equal(a, b, {}, lower, lower);
}

// A section is asked for by its title, by a word for all, or by asking for nothing.
bool is_asked_for(std::string_view title, Arguments sections) {
    return sections.empty() || std::ranges::any_of(sections, [title](std::string_view section) {
               return same(section, title) || same(section, "all") || same(section, "default") ||
                      same(section, "everything");
           });
}

void append_info(Arguments sections, std::span<const std::string_view> parts, std::string& reply) {
    const auto totals = total_of(parts);
    const auto line = [](std::string_view name, const auto& value) {
        return std::string(name) + ":" + value + "\r\n";
    };
    std::string keys;
    if (totals.keys > 0)
        keys = "db0:keys=" + std::to_string(totals.keys) + ",expires=" + std::to_string(totals.expiring) +
               ",avg_ttl=0\r\n";
    const std::pair<std::string_view, std::string> all[] = {
        {"Server", line("redis_version", "7.0.15") + line("redis_mode", "standalone") +
                       line("shards", std::to_string(parts.size()))},
        {"Memory", line("used_memory", std::to_string(totals.memory_bytes)) +
                       line("maxmemory", std::to_string(totals.memory_bytes_max)) +
                       line("maxmemory_policy", "noeviction")},
        {"Keyspace", keys},
    };
    std::string text;
    for (const auto& [title, lines] : all) {
        if (!is_asked_for(title, sections)) continue;
        if (!text.empty()) text += "\r\n";
        text.append("# ").append(title).append("\r\n").append(lines);
    }
    append_bulk(reply, text);
}

std::size_t key_end(const Command& command, Arguments arguments) {
    return command.reach == Reach::one_key ? 2 : arguments.size();
}

}  // namespace

std::optional<unsigned> sole_owner(const Command& command, Arguments arguments, unsigned shards) {
    const auto owner = owner_of(arguments[1], shards);
    for (auto i = 1 + command.key_step; i < key_end(command, arguments); i += command.key_step) {
        if (owner_of(arguments[i], shards) != owner) return std::nullopt;
    }
    return owner;
}

std::vector<std::vector<std::string_view>> split(const Command& command, Arguments arguments,
                                                 unsigned shards) {
    std::vector<std::vector<std::string_view>> parts(shards);
    for (std::size_t i = 1; i < arguments.size(); i += command.key_step) {
        auto& part = parts[owner_of(arguments[i], shards)];
        if (part.empty()) part.push_back(arguments[0]);
        const auto key = arguments.subspan(i, command.key_step);
        part.insert(part.end(), key.begin(), key.end());
    }
    return parts;
}

void merge(const Command& command, Arguments arguments, std::span<const std::string_view> parts,
           std::string& reply) {
    const auto fails = [](std::string_view part) { return part.starts_with('-'); };
    if (const auto error = std::ranges::find_if(parts, fails); error != parts.end()) {
        reply += *error;
        return;
    }
    switch (command.merge) {
        case Merge::none: break;
        case Merge::sum: append_sum(parts, reply); break;
        case Merge::elements: append_elements(arguments, parts, reply); break;
        case Merge::status: reply += ok; break;
        case Merge::info: append_info(arguments.subspan(1), parts, reply); break;
    }
}

}  // namespace resp

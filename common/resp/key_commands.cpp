#include "resp/key_commands.hpp"

#include "resp/errors.hpp"
#include "resp/integer.hpp"
#include "resp/reply.hpp"
#include "resp/words.hpp"

#include <optional>

namespace resp {
namespace {

constexpr Milliseconds a_second = 1000;

void append_value(std::string& reply, const Entry* entry) {
    if (entry) {
        append_bulk(reply, entry->value);
    } else {
        reply += null_bulk;
    }
}

void append_invalid_expiry(std::string& reply, std::string_view command) {
    append_error(reply, "ERR invalid expire time in '" + std::string(command) + "' command");
}

struct SetOptions {
    bool only_new = false;
    bool only_existing = false;
    bool keep_expiry = false;
    bool give_old = false;
    Milliseconds unit = 0;  // of `lifetime`; 0: none is given
    std::string_view lifetime;

    // From arguments[3] on; false if they make no sense.
    bool read(Arguments options);
    bool read_lifetime(Milliseconds option_unit, Arguments& rest);
};

bool SetOptions::read(Arguments options) {
    for (auto rest = options; !rest.empty(); rest = rest.subspan(1)) {
        switch (word(rest.front())) {
            case word("nx"):
                if (only_existing) return false;
                only_new = true;
                break;
            case word("xx"):
                if (only_new) return false;
                only_existing = true;
                break;
            case word("keepttl"):
                if (unit != 0) return false;
                keep_expiry = true;
                break;
            case word("get"): give_old = true; break;
            case word("ex"):
                if (!read_lifetime(a_second, rest)) return false;
                break;
            case word("px"):
                if (!read_lifetime(1, rest)) return false;
                break;
            default: return false;
        }
    }
    return true;
}

// Given twice in the same unit, the last one counts.
bool SetOptions::read_lifetime(Milliseconds option_unit, Arguments& rest) {
    if (keep_expiry || (unit != 0 && unit != option_unit) || rest.size() < 2) return false;
    unit = option_unit;
    rest = rest.subspan(1);
    lifetime = rest.front();
    return true;
}

// When a key set now expires; or nothing, and the error is in `reply`.
std::optional<Milliseconds> expiry_of(const SetOptions& options, Milliseconds now, std::string& reply) {
    if (options.unit == 0) return never;
    const auto lifetime = to_integer(options.lifetime);
    if (!lifetime) {
        reply += not_an_integer;
        return std::nullopt;
    }
    if (*lifetime <= 0 || *lifetime > (never - now) / options.unit) {
        append_invalid_expiry(reply, "set");
        return std::nullopt;
    }
    return now + *lifetime * options.unit;
}

void set_with_options(Store& store, Arguments arguments, Milliseconds now, std::string& reply) {
    SetOptions options;
    if (!options.read(arguments.subspan(3))) {
        reply += syntax_error;
        return;
    }
    auto expiry = expiry_of(options, now, reply);
    if (!expiry) return;

    const Entry* old = store.find(arguments[1], now);
    if (old && options.keep_expiry) expiry = old->expiry;
    const auto reply_begin = reply.size();
    if (options.give_old) append_value(reply, old);
    if (old ? options.only_new : options.only_existing) {
        if (!options.give_old) reply += null_bulk;
    } else if (!store.set(arguments[1], arguments[2], *expiry)) {
        reply.resize(reply_begin);
        reply += out_of_memory;
    } else if (!options.give_old) {
        reply += ok;
    }
}

void add(Store& store, std::string_view key, std::int64_t change, Milliseconds now, std::string& reply) {
    const Entry* old = store.find(key, now);
    const auto number = old ? to_integer(old->value) : 0;
    std::int64_t sum = 0;
    if (!number) {
        reply += not_an_integer;
    } else if (__builtin_add_overflow(*number, change, &sum)) {
        append_error(reply, "ERR increment or decrement would overflow");
    } else if (!store.set(key, std::to_string(sum), old ? old->expiry : never)) {
        reply += out_of_memory;
    } else {
        append_integer(reply, sum);
    }
}

struct ExpireOptions {
    bool only_without = false;  // NX: keys that have no expiry
    bool only_with = false;     // XX
    bool only_later = false;    // GT
    bool only_sooner = false;   // LT

    // False: they make no sense, and the error is in `reply`.
    bool read(Arguments options, std::string& reply);

    // To never expire counts as the latest of all.
    bool allow(Milliseconds old, Milliseconds expiry) const {
        return !(only_without && old != never) && !(only_with && old == never) &&
               !(only_later && expiry <= old) && !(only_sooner && expiry >= old);
    }
};

bool ExpireOptions::read(Arguments options, std::string& reply) {
    for (const auto option : options) {
        switch (word(option)) {
            case word("nx"): only_without = true; break;
            case word("xx"): only_with = true; break;
            case word("gt"): only_later = true; break;
            case word("lt"): only_sooner = true; break;
            default:
                append_error(reply, "ERR Unsupported option " + std::string(printed(option)));
                return false;
        }
    }
    if (only_without && (only_with || only_later || only_sooner)) {
        append_error(reply, "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if (only_later && only_sooner) {
        append_error(reply, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

}  // namespace

void run_get(Store& store, Arguments arguments, Milliseconds now, std::string& reply) {
    append_value(reply, store.find(arguments[1], now));
}

void run_set(Store& store, Arguments arguments, Milliseconds now, std::string& reply) {
    if (arguments.size() > 3) return set_with_options(store, arguments, now, reply);
    reply += store.set(arguments[1], arguments[2], never) ? ok : out_of_memory;
}

void run_incr(Store& store, Arguments arguments, Milliseconds now, std::string& reply) {
    add(store, arguments[1], 1, now, reply);
}

void run_decr(Store& store, Arguments arguments, Milliseconds now, std::string& reply) {
    add(store, arguments[1], -1, now, reply);
}

void run_expire(Store& store, Arguments arguments, Milliseconds now, std::string& reply) {
    ExpireOptions options;
    if (!options.read(arguments.subspan(3), reply)) return;
    const auto lifetime = to_integer(arguments[2]);
    if (!lifetime) {
        reply += not_an_integer;
        return;
    }
    if (*lifetime > (never - now) / a_second || *lifetime < -never / a_second)
        return append_invalid_expiry(reply, "expire");
    const auto expiry = now + *lifetime * a_second;
    const Entry* entry = store.find(arguments[1], now);
    const bool changes = entry && options.allow(entry->expiry, expiry);
    if (changes && expiry <= now) {
        store.erase(arguments[1], now);
    } else if (changes) {
        store.set_expiry(arguments[1], expiry);
    }
    append_integer(reply, changes);
}

void run_ttl(Store& store, Arguments arguments, Milliseconds now, std::string& reply) {
    const Entry* entry = store.find(arguments[1], now);
    if (!entry) return append_integer(reply, -2);
    append_integer(reply, entry->expiry == never ? -1 : (entry->expiry - now + a_second / 2) / a_second);
}

void run_del(Store& store, Arguments arguments, Milliseconds now, std::string& reply) {
    std::int64_t erased = 0;
    for (const auto key : arguments.subspan(1)) erased += store.erase(key, now);
    append_integer(reply, erased);
}

void run_exists(Store& store, Arguments arguments, Milliseconds now, std::string& reply) {
    std::int64_t found = 0;
    for (const auto key : arguments.subspan(1)) found += store.find(key, now) != nullptr;
    append_integer(reply, found);
}

void run_mget(Store& store, Arguments arguments, Milliseconds now, std::string& reply) {
    append_array(reply, arguments.size() - 1);
    for (const auto key : arguments.subspan(1)) append_value(reply, store.find(key, now));
}

// Where memory ends, the keys before are set: with several shards there is no all or nothing anyway.
void run_mset(Store& store, Arguments arguments, Milliseconds, std::string& reply) {
    for (std::size_t i = 1; i < arguments.size(); i += 2) {
        if (!store.set(arguments[i], arguments[i + 1], never)) {
            reply += out_of_memory;
            return;
        }
    }
    reply += ok;
}

void run_dbsize(Store& store, Arguments, Milliseconds, std::string& reply) {
    append_integer(reply, static_cast<std::int64_t>(store.size()));
}

void run_flushall(Store& store, Arguments arguments, Milliseconds, std::string& reply) {
    const auto how = arguments.size() == 2 ? word(arguments[1]) : 0;
    if (arguments.size() > 1 && how != word("sync") && how != word("async")) {
        reply += syntax_error;
        return;
    }
    store.clear();
    reply += ok;
}

void run_info(Store& store, Arguments, Milliseconds, std::string& reply) {
    const auto limit = store.memory_bytes_max();
    append_array(reply, 4);
    for (const auto count :
         {store.size(), store.expiring(), store.memory_bytes(), limit == unlimited ? 0 : limit})
        append_integer(reply, static_cast<std::int64_t>(count));
}

}  // namespace resp

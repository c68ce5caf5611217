// Numbers as Redis reads them: lengths in the protocol, values of INCR, seconds of EXPIRE. Any thread.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace resp {

// A decimal number of 64 bits in its one spelling: no blanks, no plus sign, no leading zero, no "-0".
constexpr std::optional<std::int64_t> to_integer(std::string_view text) {
    constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    const bool negative = text.starts_with('-');
    const auto digits = text.substr(negative);
    // 19 digits fit into 64 bits without a sign.
    if (digits.empty() || digits.size() > 19 || (digits.front() == '0' && text.size() > 1))
        return std::nullopt;
    std::uint64_t value = 0;
    for (const char digit : digits) {
        if (digit < '0' || digit > '9') return std::nullopt;
        value = value * 10 + static_cast<std::uint64_t>(digit - '0');
    }
    if (value > most + negative) return std::nullopt;
    return static_cast<std::int64_t>(negative ? 0 - value : value);
}

}  // namespace resp

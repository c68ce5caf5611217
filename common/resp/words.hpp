// Names of commands and options as numbers, so that a switch can tell them apart, in whatever case they are.
#pragma once

#include <cstdint>
#include <string_view>

namespace resp {

// Eight characters fit, and only words of letters are asked for: setting this bit makes letters lower case,
// and nothing else a letter. 0 for what is longer.
constexpr std::uint64_t word(std::string_view text) {
    if (text.size() > 8) return 0;
    std::uint64_t packed = 0;
    for (const char c : text) packed = packed << 8 | static_cast<unsigned char>(c | 0x20);
    return packed;
}

}  // namespace resp

// Writes RESP2 replies: each function appends one, or the head of one, to a connection's output. Any thread.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace resp {

constexpr std::string_view ok = "+OK\r\n";
constexpr std::string_view null_bulk = "$-1\r\n";

// `text` has no line ends in it.
inline void append_simple(std::string& reply, std::string_view text) {
    reply.append("+").append(text).append("\r\n");
}

// `text` begins with a code in capitals, such as ERR. What it quotes of a client's bytes may hold line ends,
// which would end the reply early: as Redis does it, they become blanks, and are dropped at the end.
inline void append_error(std::string& reply, std::string_view text) {
    text = text.substr(0, text.find_last_not_of("\r\n") + 1);
    reply += '-';
    for (const char c : text) reply += c == '\r' || c == '\n' ? ' ' : c;
    reply += "\r\n";
}

// One line of a type's mark and a number.
inline void append_number(std::string& reply, char mark, std::int64_t number) {
    char line[24];  // a mark, 20 characters at most, CRLF
    line[0] = mark;
    char* end = std::to_chars(line + 1, line + sizeof line, number).ptr;
    *end++ = '\r';
    *end++ = '\n';
    reply.append(line, end);
}

inline void append_integer(std::string& reply, std::int64_t number) { append_number(reply, ':', number); }

inline void append_bulk(std::string& reply, std::string_view bytes) {
    append_number(reply, '$', static_cast<std::int64_t>(bytes.size()));
    reply.append(bytes).append("\r\n");
}

// `elements` replies follow.
inline void append_array(std::string& reply, std::size_t elements) {
    append_number(reply, '*', static_cast<std::int64_t>(elements));
}

}  // namespace resp

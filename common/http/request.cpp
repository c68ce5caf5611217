#include "http/request.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace http {
namespace {

using Objection = std::optional<Bad>;

enum Kind : std::uint8_t {
    token = 1,        // RFC 9110 section 5.6.2
    text = 2,         // what a field value may hold: visible, blank, tab, obs-text
    target_char = 4,  // RFC 3986: pchar, "/", "?", and the "%" of escapes
    host_char = 8,    // RFC 3986: reg-name
    ip_literal = 16,  // between the brackets of an IPv6 address
    hex = 32,
    digit = 64,
};

constexpr auto kinds = [] {
    std::array<std::uint8_t, 256> table{};
    const auto mark = [&table](std::string_view characters, int kind) {
        for (const char c : characters)
            table[static_cast<unsigned char>(c)] |= static_cast<std::uint8_t>(kind);
    };
    for (int c = ' '; c < 256; ++c) table[static_cast<std::size_t>(c)] = c == 0x7f ? 0 : text;
    mark("\t", text);
    mark("0123456789", digit | hex | ip_literal | token | target_char | host_char);
    mark("abcdefABCDEF", hex | ip_literal);
    mark("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", token | target_char | host_char);
    mark("!$&'*+-._~", token | target_char | host_char);
    mark("#^`|", token);
    mark("(),;=", target_char | host_char);
    mark("%", token | target_char | host_char);
    mark(":@/?", target_char);
    mark(":.", ip_literal);
    return table;
}();

bool is(char c, Kind kind) { return (kinds[static_cast<unsigned char>(c)] & kind) != 0; }

bool all(std::string_view characters, Kind kind) {
    return std::ranges::all_of(characters, [kind](char c) { return is(c, kind); });
}

std::size_t length_of_token(std::string_view bytes) {
    const auto end = std::ranges::find_if_not(bytes, [](char c) { return is(c, token); });
    return static_cast<std::size_t>(end - bytes.begin());
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

bool same(std::string_view a, std::string_view b) {
    return a.size() == b.size() && std::ranges::equal(a, b, {}, lower, lower);
}

std::string_view trim(std::string_view value) {
    const auto blank = [](char c) { return c == ' ' || c == '\t'; };
    while (!value.empty() && blank(value.front())) value.remove_prefix(1);
    while (!value.empty() && blank(value.back())) value.remove_suffix(1);
    return value;
}

bool escapes_are_whole(std::string_view uri) {
    for (auto at = uri.find('%'); at != uri.npos; at = uri.find('%', at + 3)) {
        if (at + 2 >= uri.size() || !is(uri[at + 1], hex) || !is(uri[at + 2], hex)) return false;
    }
    return true;
}

// uri-host [ ":" port ], where an empty host is allowed; no user name (RFC 9110 section 4.2.4).
bool is_authority(std::string_view authority) {
    const bool bracket = authority.starts_with('[');
    const auto host_end = bracket ? authority.find(']') : std::min(authority.find(':'), authority.size());
    if (host_end == authority.npos || (bracket && host_end == 1)) return false;
    const auto host = authority.substr(bracket, host_end - bracket);
    const auto port = authority.substr(host_end + bracket);
    return all(host, bracket ? ip_literal : host_char) && escapes_are_whole(host) &&
           (port.empty() || (port.front() == ':' && all(port.substr(1), digit)));
}

// Splits scheme and authority off an absolute target; nothing if there are none or they are malformed.
std::optional<std::string_view> after_authority(std::string_view target) {
    const auto begins = [target](std::string_view scheme) {
        return same(target.substr(0, scheme.size()), scheme);
    };
    const std::size_t start = begins("http://") ? 7 : begins("https://") ? 8 : 0;
    const auto authority = target.substr(start, target.find_first_of("/?", start) - start);
    if (start == 0 || authority.empty() || authority.front() == ':' || !is_authority(authority))
        return std::nullopt;
    return target.substr(start + authority.size());
}

Objection read_target(Request& request) {
    constexpr Bad malformed{400, "malformed request target"};
    if (request.target == "*") {
        request.path = request.target;
        return request.method == "OPTIONS" ? Objection{} : malformed;
    }
    const auto rest = request.target.starts_with('/') ? request.target : after_authority(request.target);
    if (!rest || !all(*rest, target_char) || !escapes_are_whole(*rest)) return malformed;
    request.path = rest->substr(0, rest->find('?'));
    if (request.path.empty()) request.path = "/";
    return {};
}

Objection read_version(Request& request, std::string_view version) {
    if (version.size() != 8 || !version.starts_with("HTTP/") || !is(version[5], digit) || version[6] != '.' ||
        !is(version[7], digit))
        return Bad{400, "malformed HTTP version"};
    if (version[5] != '1') return Bad{505, "only HTTP/1 is spoken here"};
    request.version_minor = version[7] == '0' ? 0 : 1;
    return {};
}

Objection read_request_line(Request& request, std::string_view line, const Limits& limits) {
    const auto method_end = length_of_token(line);
    const auto target_end = line.find(' ', method_end + 1);
    if (method_end == 0 || method_end == line.size() || line[method_end] != ' ' || target_end == line.npos)
        return Bad{400, "malformed request line"};
    request.method = line.substr(0, method_end);
    request.target = line.substr(method_end + 1, target_end - method_end - 1);
    if (auto objection = read_version(request, line.substr(target_end + 1))) return objection;
    if (request.method.size() > method_bytes_max || request.method == "CONNECT")
        return Bad{501, "method not implemented"};
    if (request.target.size() > limits.target_bytes_max) return Bad{414, "request target too long"};
    return read_target(request);
}

// What the headers say about the connection and the body; judged as a whole when the last one is read.
struct Framing {
    std::size_t hosts = 0;
    std::optional<std::uint64_t> content_length;
    bool transfer_encoding = false;
    bool close = false;
    bool keep_alive = false;
    bool expects_continue = false;

    Objection note(Header header);
    Objection note_content_length(std::string_view value);
    void note_connection(std::string_view value);
    Objection conclude(Request& request, const Limits& limits) const;
};

Objection Framing::note(Header header) {
    if (same(header.name, "host")) {
        ++hosts;
        return is_authority(header.value) ? Objection{} : Bad{400, "malformed Host"};
    }
    if (same(header.name, "content-length")) return note_content_length(header.value);
    if (same(header.name, "connection"))
        note_connection(header.value);
    else if (same(header.name, "transfer-encoding"))
        transfer_encoding = true;
    else if (same(header.name, "expect"))
        expects_continue |= same(header.value, "100-continue");
    return {};
}

Objection Framing::note_content_length(std::string_view value) {
    std::uint64_t bytes = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), bytes);
    if (error == std::errc::invalid_argument || end != value.data() + value.size())
        return Bad{400, "malformed Content-Length"};
    if (error == std::errc::result_out_of_range) bytes = std::numeric_limits<std::uint64_t>::max();
    if (content_length && *content_length != bytes) return Bad{400, "two Content-Length headers that differ"};
    content_length = bytes;
    return {};
}

void Framing::note_connection(std::string_view value) {
    while (!value.empty()) {
        const auto length = std::min(value.find(','), value.size());
        const auto option = trim(value.substr(0, length));
        close |= same(option, "close");
        keep_alive |= same(option, "keep-alive");
        value.remove_prefix(std::min(length + 1, value.size()));
    }
}

Objection Framing::conclude(Request& request, const Limits& limits) const {
    if (hosts > 1 || (hosts == 0 && request.version_minor == 1))
        return Bad{400, "exactly one Host is required"};
    // Two lengths, or a coding that HTTP/1.0 does not have, are how requests are smuggled past a proxy
    // (RFC 9112 section 6.1).
    if (transfer_encoding && (content_length || request.version_minor == 0))
        return Bad{400, "ambiguous body length"};
    if (transfer_encoding) return Bad{501, "transfer codings are not implemented"};
    if (content_length.value_or(0) > limits.body_bytes_max) return Bad{413, "body too large"};
    request.body_bytes = content_length.value_or(0);
    request.keep_alive = !close && (keep_alive || request.version_minor == 1);
    request.expects_continue = expects_continue && request.version_minor == 1;
    return {};
}

std::optional<Header> read_header(std::string_view line) {
    const auto name_end = length_of_token(line);
    if (name_end == 0 || name_end == line.size() || line[name_end] != ':') return std::nullopt;
    const auto value = line.substr(name_end + 1);
    if (!all(value, text)) return std::nullopt;
    return Header{line.substr(0, name_end), trim(value)};
}

// Takes lines off the bytes. Without a line, `stopped` says why.
struct LineReader {
    std::string_view bytes;
    std::size_t at = 0;
    Parsed stopped;

    std::optional<std::string_view> next(std::size_t end_max, Bad too_long) {
        const auto lf = bytes.find('\n', at);
        if (std::min(lf, bytes.size() - 1) >= end_max)
            stopped = too_long;
        else if (lf == bytes.npos)
            stopped = Incomplete{bytes.size(), end_max};
        else if (lf == at || bytes[lf - 1] != '\r')
            stopped = Bad{400, "a line ends in CRLF"};
        else {
            const auto line = bytes.substr(at, lf - 1 - at);
            at = lf + 1;
            return line;
        }
        return std::nullopt;
    }
};

}  // namespace

Parsed parse(std::string_view bytes, const Limits& limits, Incomplete resume) {
    if (bytes.size() <= resume.bytes_max && bytes.find('\n', resume.scanned) == bytes.npos)
        return Incomplete{bytes.size(), resume.bytes_max};

    // One empty line before the request is forgiven: some clients end a body with it (RFC 9112 section 2.2).
    LineReader lines{bytes, bytes.starts_with("\r\n") ? 2uz : 0uz, {}};
    const auto first = lines.next(lines.at + limits.request_line_bytes_max(), {414, "request line too long"});
    if (!first) return lines.stopped;
    Request request;
    if (auto objection = read_request_line(request, *first, limits)) return *objection;

    Framing framing;
    const auto headers_at = lines.at;
    for (std::size_t count = 0;; ++count) {
        const auto line = lines.next(headers_at + limits.header_bytes_max, {431, "headers too large"});
        if (!line) return lines.stopped;
        if (line->empty()) break;
        if (count == limits.headers_max) return Bad{431, "too many headers"};
        const auto header = read_header(*line);
        if (!header) return Bad{400, "malformed header"};
        if (auto objection = framing.note(*header)) return *objection;
    }
    if (auto objection = framing.conclude(request, limits)) return *objection;
    request.header_lines = bytes.substr(headers_at, lines.at - 2 - headers_at);
    request.consumed = lines.at;
    return request;
}

std::optional<Header> pop_header(std::string_view& header_lines) {
    const auto end = header_lines.find("\r\n");
    if (end == header_lines.npos) return std::nullopt;
    const auto header = read_header(header_lines.substr(0, end));
    header_lines.remove_prefix(end + 2);
    return header;
}

std::optional<std::string_view> Request::header(std::string_view name) const {
    auto rest = header_lines;
    while (const auto header = pop_header(rest)) {
        if (same(header->name, name)) return header->value;
    }
    return std::nullopt;
}

}  // namespace http

// A strict HTTP/1.1 request parser (RFC 9112) for the example servers. Not part of the library.
//
// Why our own: the one C parser that Debian packages, libhttp-parser, has been unmaintained since 2020, and
// what the examples need of HTTP fits in this folder.
//
// parse() is a pure function: no allocation, no state, any thread. Every view in a Request points into the
// caller's bytes (or at a literal) and lives as long as they do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

namespace http {

constexpr std::size_t method_bytes_max = 32;  // a longer method is one that nobody implements: 501

struct Limits {
    std::size_t target_bytes_max = 8000;     // else 414; RFC 9112 section 3 recommends 8,000 at least
    std::size_t header_bytes_max = 8192;     // else 431; all header lines, and the empty one that ends them
    std::size_t headers_max = 100;           // else 431
    std::uint64_t body_bytes_max = 1 << 20;  // else 413

    // With its CRLF; else 414.
    constexpr std::size_t request_line_bytes_max() const {
        return method_bytes_max + target_bytes_max + sizeof("  HTTP/1.1\r\n") - 1;
    }
    // The buffer a server needs: on more bytes than this parse() never answers Incomplete.
    constexpr std::size_t head_bytes_max() const { return 2 + request_line_bytes_max() + header_bytes_max; }
};

// More bytes are needed. The fields are the resume hint of parse().
struct Incomplete {
    std::size_t scanned = 0;    // bytes seen so far; the unfinished line ends here
    std::size_t bytes_max = 0;  // beyond this size a limit is broken, whatever comes
};

struct Header {
    std::string_view name;   // as sent; compare without regard to case
    std::string_view value;  // without the blanks around it
};

// Takes the first header off lines that parse() accepted; empty when there are none left.
std::optional<Header> pop_header(std::string_view& header_lines);

// A complete, valid head. The body is not looked at: the server throws away `consumed + body_bytes` bytes,
// those in its buffer and then those still to arrive, and finds the next request there. So no body is ever
// held in memory.
struct Request {
    std::string_view method;        // a token, case-sensitive; any but CONNECT
    std::string_view target;        // as sent: "/a?b", "http://host/a?b", or "*" (OPTIONS only)
    std::string_view path;          // the target's path, without query, not decoded: "/a", or "*"
    std::string_view header_lines;  // for pop_header()
    std::size_t consumed = 0;       // bytes of the head, an empty line before it included
    std::uint64_t body_bytes = 0;   // Content-Length, at most Limits::body_bytes_max
    int version_minor = 1;          // 0 or 1; a client of HTTP/1.2 and later is served as 1.1
    bool keep_alive = true;
    bool expects_continue = false;  // the client waits for "100 Continue" before it sends the body

    // The value of the first header of that name, in whatever case.
    std::optional<std::string_view> header(std::string_view name) const;
};

// The request must be refused, and the connection closed after the answer: where the next one would begin is
// unknown.
struct Bad {
    int status = 400;         // 400, 413, 414, 431, 501 or 505
    std::string_view reason;  // a literal; one short clause for people
};

using Parsed = std::variant<Incomplete, Request, Bad>;

// Parses the request at the start of `bytes`, which may end anywhere. Lines are judged when they are
// complete, limits at once; so however the bytes arrive in pieces, the verdict is the same. On Incomplete:
// read more behind the same bytes and call again, with the same limits. Passing back the last Incomplete
// makes that cheap, however small the pieces: one that ends no line costs a search for LF in it, and only one
// that does is parsed for.
Parsed parse(std::string_view bytes, const Limits& limits = {}, Incomplete resume = {});

}  // namespace http

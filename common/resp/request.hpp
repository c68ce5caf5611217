// An incremental parser of RESP2 requests, for servers that speak the Redis protocol: arrays of bulk strings,
// and inline commands as a person types them. It accepts and refuses what redis-server 7.0 does, in its
// words, but for two things. An array has 1,048,576 elements at most, as up to Redis 6, not 2,147,483,647.
// And a line's limit does not depend on how its bytes arrive.
//
// A parser belongs to one connection and to one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace resp {

// A command's name and what follows it.
using Arguments = std::span<const std::string_view>;

struct Limits {
    std::size_t arguments_max = 1024 * 1024;
    std::size_t bulk_bytes_max = 512 << 20;
    std::size_t line_bytes_max = 64 * 1024;  // an inline command, or a length
};

// More bytes are needed.
struct Incomplete {
    std::size_t request_bytes_min = 0;  // the request will be this long or longer: what to reserve, or refuse
};

struct Request {
    Arguments arguments;       // of an empty line or array none: it has no answer
    std::size_t consumed = 0;  // bytes; the next request begins behind them
};

// To be answered with this error; then the connection must be closed, for where the next request would begin
// is unknown.
struct Bad {
    std::string_view message;  // "ERR Protocol error: ...", for append_error()
};

using Parsed = std::variant<Incomplete, Request, Bad>;

class RequestParser {
public:
    explicit RequestParser(const Limits& limits = {}) : limits_(limits) {}

    // Parses the request at the start of `bytes`. On Incomplete: read more behind the same bytes, which may
    // have moved meanwhile, and call again; what was understood is not read again. On Request: the arguments
    // are views, of an array into `bytes`, of an inline command into the parser, good until the next call.
    // After Bad there is no next call. However the bytes arrive in pieces, the outcome is the same.
    Parsed parse(std::string_view bytes);
    // The arguments of the last Request are no longer wanted: a large one's memory is freed. Not to be called
    // between an Incomplete and what follows it.
    void forget();

private:
    enum class Step : std::uint8_t { done, more, bad };
    struct Piece {
        std::size_t begin;  // an offset, not an address: the bytes may move
        std::size_t length;
    };

    Step read_array(std::string_view bytes);
    Step read_array_length(std::string_view bytes);
    Step read_bulk_length(std::string_view bytes);
    Step read_inline(std::string_view bytes);
    Step read_length_line(std::string_view bytes, const char* what, std::string_view& line);
    bool find_line_end(std::string_view bytes, char end);
    Step line_goes_on(std::string_view bytes, const char* what);
    bool split_line(std::string_view line);
    Step fail(std::string message);
    Request finish(const char* base);

    static constexpr std::size_t unknown = static_cast<std::size_t>(-1);

    Limits limits_;

    // How far the request at hand is understood.
    std::size_t position_ = 0;     // where the line or bulk begins that is to be read next
    std::size_t scanned_ = 0;      // the search for that line's end goes on here
    std::size_t missing_ = 0;      // elements of the array still to come
    std::size_t bulk_ = unknown;   // length of the bulk at position_, once its line is read
    std::size_t request_min_ = 0;  // for Incomplete
    std::vector<Piece> pieces_;    // the arguments so far
    std::string text_;             // those of an inline command, unquoted

    std::vector<std::string_view> arguments_;  // of the last Request
    std::string message_;                      // of the last Bad
};

}  // namespace resp

#include "resp/request.hpp"

#include "resp/integer.hpp"

#include <algorithm>

namespace resp {
namespace {

// What isspace() says in the C locale.
bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Takes one character, perhaps an escaped one, off what follows a double quote.
char take_escaped(std::string_view& rest) {
    const char c = rest.front();
    rest.remove_prefix(1);
    if (c != '\\' || rest.empty()) return c;
    if (rest.size() >= 3 && rest[0] == 'x' && hex_value(rest[1]) >= 0 && hex_value(rest[2]) >= 0) {
        const int value = hex_value(rest[1]) * 16 + hex_value(rest[2]);
        rest.remove_prefix(3);
        return static_cast<char>(value);
    }
    constexpr std::string_view names = "nrtba", meanings = "\n\r\t\b\a";
    const auto name = names.find(rest.front());
    const char meant = name == names.npos ? rest.front() : meanings[name];
    rest.remove_prefix(1);
    return meant;
}

// Reads on to the closing quote, which must end the word; false if there is none or it does not.
bool take_quoted(std::string_view& rest, char quote, std::string& text) {
    while (!rest.empty() && rest.front() != quote) {
        if (quote == '\'' && rest.starts_with("\\'")) rest.remove_prefix(1);
        if (quote == '"') {
            text += take_escaped(rest);
        } else {
            text += rest.front();
            rest.remove_prefix(1);
        }
    }
    if (rest.empty()) return false;
    rest.remove_prefix(1);
    return rest.empty() || is_blank(rest.front());
}

// Takes one word off a line; false if its quotes are unbalanced. Other than between words, Redis does not
// count vertical tab and form feed as blanks within one.
bool take_word(std::string_view& rest, std::string& text) {
    while (!rest.empty()) {
        const char c = rest.front();
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r') return true;
        rest.remove_prefix(1);
        if (c == '"' || c == '\'') return take_quoted(rest, c, text);
        text += c;
    }
    return true;
}

// A connection that once sent a large request does not keep its memory.
template <typename Container>
void recycle(Container& container) {
    if (container.capacity() > 1024) Container().swap(container);  // to assign would keep the capacity
    container.clear();
}

}  // namespace

Parsed RequestParser::parse(std::string_view bytes) {
    if (position_ == 0 && scanned_ == 0) forget();
    const bool array = bytes.starts_with('*');
    const Step step = array ? read_array(bytes) : read_inline(bytes);
    if (step == Step::more) return Incomplete{request_min_};
    if (step == Step::bad) return Bad{message_};
    return finish(array ? bytes.data() : text_.data());
}

void RequestParser::forget() {
    recycle(arguments_);
    recycle(text_);
}

RequestParser::Step RequestParser::read_array(std::string_view bytes) {
    if (position_ == 0) {
        if (const Step step = read_array_length(bytes); step != Step::done) return step;
    }
    for (; missing_ > 0; --missing_) {
        if (bulk_ == unknown) {
            if (const Step step = read_bulk_length(bytes); step != Step::done) return step;
        }
        const auto end = position_ + bulk_ + 2;  // Redis does not look at the CRLF either
        if (bytes.size() < end) {
            request_min_ = end;
            return Step::more;
        }
        pieces_.push_back({position_, bulk_});
        position_ = end;
        bulk_ = unknown;
    }
    return Step::done;
}

RequestParser::Step RequestParser::read_array_length(std::string_view bytes) {
    std::string_view line;
    if (const Step step = read_length_line(bytes, "mbulk count string", line); step != Step::done)
        return step;
    const auto length = to_integer(line.substr(1));
    if (!length || *length > static_cast<std::int64_t>(limits_.arguments_max))
        return fail("invalid multibulk length");
    missing_ = static_cast<std::size_t>(std::max<std::int64_t>(*length, 0));
    return Step::done;
}

RequestParser::Step RequestParser::read_bulk_length(std::string_view bytes) {
    std::string_view line;
    const auto begin = position_;
    if (const Step step = read_length_line(bytes, "bulk count string", line); step != Step::done) return step;
    if (bytes[begin] != '$') return fail(std::string("expected '$', got '") + bytes[begin] + "'");
    const auto length = to_integer(line.substr(1));
    if (!length || *length < 0 || *length > static_cast<std::int64_t>(limits_.bulk_bytes_max))
        return fail("invalid bulk length");
    bulk_ = static_cast<std::size_t>(*length);
    return Step::done;
}

// A line that ends in CR and any one byte, as for Redis.
RequestParser::Step RequestParser::read_length_line(std::string_view bytes, const char* what,
                                                    std::string_view& line) {
    if (!find_line_end(bytes, '\r')) return line_goes_on(bytes, what);
    if (scanned_ + 1 == bytes.size()) {
        request_min_ = bytes.size() + 1;
        return Step::more;
    }
    line = bytes.substr(position_, scanned_ - position_);
    position_ = scanned_ = scanned_ + 2;
    return Step::done;
}

// Leaves scanned_ at the end of the line at position_, if that is there. Redis looks for it with strchr() and
// so does not see past a NUL.
bool RequestParser::find_line_end(std::string_view bytes, char end) {
    const auto stop = std::min(bytes.size(), position_ + limits_.line_bytes_max + 1);
    auto at = std::max(scanned_, position_);
    while (at < stop && bytes[at] != end && bytes[at] != '\0') ++at;
    scanned_ = at;
    return at < stop && bytes[at] == end;
}

RequestParser::Step RequestParser::line_goes_on(std::string_view bytes, const char* what) {
    request_min_ = bytes.size() + 1;
    if (bytes.size() <= position_ + limits_.line_bytes_max) return Step::more;
    return fail(std::string("too big ") + what);
}

RequestParser::Step RequestParser::read_inline(std::string_view bytes) {
    if (!find_line_end(bytes, '\n')) return line_goes_on(bytes, "inline request");
    auto line = bytes.substr(0, scanned_);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!split_line(line)) return fail("unbalanced quotes in request");
    position_ = scanned_ + 1;
    return Step::done;
}

bool RequestParser::split_line(std::string_view line) {
    for (;;) {
        while (!line.empty() && is_blank(line.front())) line.remove_prefix(1);
        if (line.empty()) return true;
        const auto begin = text_.size();
        if (!take_word(line, text_)) return false;
        pieces_.push_back({begin, text_.size() - begin});
    }
}

RequestParser::Step RequestParser::fail(std::string message) {
    message_ = "ERR Protocol error: " + std::move(message);
    return Step::bad;
}

Request RequestParser::finish(const char* base) {
    for (const auto& piece : pieces_) arguments_.emplace_back(base + piece.begin, piece.length);
    recycle(pieces_);
    const auto consumed = position_;
    position_ = scanned_ = 0;
    return {arguments_, consumed};
}

}  // namespace resp

// The three clients of `soak_client churn`: each holds conversations with its server, one connection for
// each, says what the answer must be, byte by byte, and ends them in every way that a client can.
#pragma once

#include "connection.hpp"

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace soak {

class TextSource {
public:
    explicit TextSource(std::string_view text) : text_(text) {}
    std::uint64_t size() const { return text_.size(); }
    Bytes at(std::uint64_t position, std::uint64_t most) { return text_.substr(position, most); }

private:
    std::string_view text_;
};

// For a byte that may be any; only in a text that has no such byte of its own.
constexpr char any_byte = '\1';

class TextSink {
public:
    TextSink(std::string_view expected, bool has_any) : expected_(expected), has_any_(has_any) {}
    bool is_done() const { return expected_.empty(); }
    void take(Bytes bytes) {
        for (char byte : bytes) {
            if (expected_.empty()) fail("more came than was asked for");
            if (byte != expected_[0] && !(has_any_ && expected_[0] == any_byte)) tell_difference(bytes);
            expected_.remove_prefix(1);
        }
        counts.bytes += bytes.size();
    }

private:
    [[noreturn]] void tell_difference(Bytes bytes) const {
        std::string_view wanted = expected_.substr(0, 200),
                         came(bytes.data(), std::min(bytes.size(), std::size_t{200}));
        fail("a wrong answer. Wanted, from the first byte that differs:\n%.*s\nIn a piece that begins:\n%.*s",
             static_cast<int>(wanted.size()), wanted.data(), static_cast<int>(came.size()), came.data());
    }

    std::string_view expected_;
    bool has_any_;
};

// Questions, and the answers that must come.
struct Script {
    std::string asks, answers;
    void add(std::string_view ask, std::string_view answer) {
        asks += ask;
        answers += answer;
        ++counts.requests;
    }
};

// --- Echo ------------------------------------------------------------------------------------------------

class EchoClient {
public:
    EchoClient(std::uint16_t port, std::uint64_t seed) : port_(port), random_(seed) {}

    void converse() {
        bool is_slow = one_in(random_, 50);
        Connection connection(port_, is_slow);
        std::uint64_t seed = random_(), position = 0;
        for (std::uint64_t rounds = below(random_, 6); rounds > 0; --rounds) {
            position += talk(connection, seed, position, draw_bytes(), Manner{});
        }
        std::uint64_t bytes = is_slow ? 4 << 20 : draw_bytes();
        talk(connection, seed, position, bytes, draw_last_manner(random_, bytes, is_slow));
    }

    void check_all() {}

private:
    std::uint64_t draw_bytes() {
        std::uint64_t most = one_in(random_, 50) ? 2 << 20 : one_in(random_, 4) ? 256 << 10 : 4 << 10;
        return 1 + below(random_, most);
    }

    std::uint64_t talk(Connection& connection, std::uint64_t seed, std::uint64_t begin, std::uint64_t bytes,
                       const Manner& manner) {
        exchange(connection, PatternSource(seed, begin, bytes), PatternSink(seed, begin, bytes), manner,
                 random_);
        return bytes;
    }

    std::uint16_t port_;
    Random random_;
};

// --- HTTP ------------------------------------------------------------------------------------------------

class HttpClient {
public:
    HttpClient(std::uint16_t port, std::uint64_t seed) : port_(port), random_(seed) {}

    void converse() {
        bool is_slow = one_in(random_, 50), is_one_shot = one_in(random_, 3);
        Connection connection(port_, is_slow);
        for (std::uint64_t rounds = is_one_shot ? 0 : below(random_, 8); rounds > 0; --rounds) {
            Script script = draw_requests(1 + below(random_, 4));
            talk(connection, script, Manner{});
        }
        Script script = draw_requests(is_slow ? 5'000 : is_one_shot ? 0 : below(random_, 50));
        add_request(script, is_one_shot);
        Manner manner = draw_last_manner(random_, script.asks.size(), is_slow);
        if (talk(connection, script, manner) && is_one_shot && !manner.half_closes) connection.expect_end();
    }

    void check_all() {}

private:
    struct Page {
        std::string_view ask, status, type, extra, body;
    };
    static constexpr Page pages[] = {
        {"GET /plaintext", "200 OK", "text/plain", "", "Hello, World!"},
        {"GET /json", "200 OK", "application/json", "", R"({"message":"Hello, World!"})"},
        {"GET /not/there", "404 Not Found", "text/plain", "", "There is nothing here.\n"},
        {"POST /json", "405 Method Not Allowed", "text/plain", "Allow: GET, HEAD\r\n",
         "Only GET and HEAD.\n"},
    };

    void add_request(Script& script, bool is_last) {
        const Page& page = pages[below(random_, std::size(pages))];
        std::string closes = is_last ? "Connection: close\r\n" : "";
        std::string ask = std::string(page.ask) + " HTTP/1.1\r\nHost: soak\r\n" + closes;
        if (page.ask.starts_with("POST")) {
            std::string body(below(random_, 3'000), 'b');
            ask += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
        } else {
            ask += "\r\n";
        }
        std::string date(sizeof "Sun, 06 Nov 1994 08:49:37 GMT" - 1, any_byte);
        std::string head =
            "HTTP/1.1 " + std::string(page.status) + "\r\nContent-Type: " + std::string(page.type) +
            "\r\nContent-Length: " + std::to_string(page.body.size()) + "\r\nDate: " + date + "\r\n";
        script.add(ask, head + closes + std::string(page.extra) + "\r\n" + std::string(page.body));
    }

    Script draw_requests(std::uint64_t count) {
        Script script;
        for (; count > 0; --count) add_request(script, false);
        return script;
    }

    bool talk(Connection& connection, const Script& script, const Manner& manner) {
        return exchange(connection, TextSource(script.asks), TextSink(script.answers, true), manner, random_);
    }

    std::uint16_t port_;
    Random random_;
};

// --- Keys and values -------------------------------------------------------------------------------------

// Has keys of its own, and knows what each must hold. When a client leaves in the middle, the server may
// carry out what it has of the pipeline later than what the next connection asks for. So there the client
// only reads, and writes what holds anyhow, to keys that never change; up to the one command that it does not
// send to its end: that must never happen.
class KvClient {
public:
    KvClient(std::uint16_t port, std::uint64_t seed)
        : port_(port), random_(seed), name_(std::to_string(seed)) {
        // All that it will ever have, at once: from here on memory stays as it is.
        Script script;
        for (std::size_t key = 0; key < keys_count; ++key) add_set(script, key, draw_value());
        Connection connection(port_);
        talk(connection, script, Manner{});
    }

    void converse() {
        bool is_slow = one_in(random_, 50);
        Connection connection(port_, is_slow);
        for (std::uint64_t rounds = below(random_, 8); rounds > 0; --rounds) {
            Script script;
            for (std::uint64_t count = 1 + below(random_, 20); count > 0; --count) add_change(script);
            talk(connection, script, Manner{});
        }
        Script script;
        for (std::uint64_t count = is_slow ? 2'000 : 1 + below(random_, 50); count > 0; --count)
            add_repetition(script);
        Manner manner = draw_last_manner(random_, script.asks.size(), is_slow);
        if (manner.leave_after != never) manner.leave_after = script.asks.size() + add_cut_command(script);
        talk(connection, script, manner);
    }

    void check_all() {
        Script script;
        for (std::size_t key = 0; key < keys_count; ++key) add_get(script, key);
        Connection connection(port_);
        talk(connection, script, Manner{});
    }

private:
    static constexpr std::size_t keys_count = 500, constant_keys_count = 50;
    using Value = std::optional<std::string>;

    static std::string bulk(std::string_view text) {
        return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
    }
    static std::string reply(const Value& value) { return value ? bulk(*value) : "$-1\r\n"; }
    static std::string reply(std::uint64_t number) { return ":" + std::to_string(number) + "\r\n"; }
    static std::string request(const std::vector<std::string>& words) {
        std::string text = "*" + std::to_string(words.size()) + "\r\n";
        for (const std::string& word : words) text += bulk(word);
        return text;
    }

    std::string key_name(std::size_t key) const { return name_ + ":" + std::to_string(key); }
    std::size_t draw_key() { return below(random_, keys_count); }
    std::string draw_value() {
        std::uint64_t most = one_in(random_, 100) ? 60'000 : one_in(random_, 10) ? 6'000 : 200;
        std::string value(below(random_, most), '\0');
        for (char& byte : value) byte = static_cast<char>(random_());
        return value;
    }

    void add_set(Script& script, std::size_t key, std::string value) {
        script.add(request({"SET", key_name(key), value}), "+OK\r\n");
        values_[key] = std::move(value);
    }
    void add_get(Script& script, std::size_t key) {
        script.add(request({"GET", key_name(key)}), reply(values_[key]));
    }

    void add_change(Script& script) {
        std::size_t key = constant_keys_count + below(random_, keys_count - constant_keys_count);
        switch (below(random_, 4)) {
            case 0: return add_set(script, key, draw_value());
            case 1:
                script.add(request({"DEL", key_name(key)}), reply(values_[key].has_value()));
                values_[key].reset();
                return;
            case 2: return script.add(request({"INCR", name_}), reply(++counter_));
            default: return add_repetition(script);
        }
    }

    // What changes nothing, however far and however late it is carried out.
    void add_repetition(Script& script) {
        std::size_t key = draw_key(), other = draw_key(), constant = below(random_, constant_keys_count);
        std::string nobody = name_ + "?";
        switch (below(random_, 5)) {
            case 0: return add_set(script, constant, *values_[constant]);
            case 1: return script.add(request({"DEL", nobody}), reply(0));
            case 2:
                return script.add(request({"MGET", key_name(key), nobody, key_name(other)}),
                                  "*3\r\n" + reply(values_[key]) + "$-1\r\n" + reply(values_[other]));
            case 3:
                return script.add(request({"EXISTS", key_name(key), key_name(other)}),
                                  reply(values_[key].has_value() + values_[other].has_value()));
            default: return add_get(script, key);
        }
    }

    // Gives how much of it to send: not all.
    std::uint64_t add_cut_command(Script& script) {
        std::string ask = request({"SET", key_name(draw_key()), "this was never sent to its end"});
        script.add(ask, "");
        return 1 + below(random_, ask.size() - 1);
    }

    void talk(Connection& connection, const Script& script, const Manner& manner) {
        exchange(connection, TextSource(script.asks), TextSink(script.answers, false), manner, random_);
    }

    std::uint16_t port_;
    Random random_;
    std::string name_;
    std::array<Value, keys_count> values_;
    std::uint64_t counter_ = 0;
};

}  // namespace soak

// The command lines of the examples: words and flags with a number. Not part of the library.
//
//     Arguments arguments(argc, argv, "echo_server [ADDRESS] [--port N]");
//     unsigned port = arguments.number("--port", 7000, 0, 65535);
//     std::vector<std::string> words = arguments.words(0, 1);  // last: what is left must be words
//
// A command line that makes no sense ends the program: what is wrong and the usage on stderr, exit code 2.
#pragma once

#include <ringlet/net/socket_address.hpp>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

class Arguments {
public:
    Arguments(int argc, char** argv, std::string usage)
        : usage_(std::move(usage)), left_(argv + 1, argv + argc) {
        if (!takes("--help")) return;
        std::printf("usage: %s\n", usage_.c_str());
        std::exit(0);
    }

    bool takes(std::string_view flag) { return std::erase(left_, flag) > 0; }

    unsigned number(std::string_view flag, unsigned fallback, unsigned least, unsigned most) {
        auto at = std::ranges::find(left_, flag);
        if (at == left_.end()) return fallback;
        std::string text = at + 1 == left_.end() ? "nothing" : at[1];
        unsigned value = 0;
        auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) {
            refuse(std::string(flag) + " wants a number from " + std::to_string(least) + " to " +
                   std::to_string(most) + ", not " + text);
        }
        left_.erase(at, at + 2);
        return value;
    }

    // A word "127.0.0.1:7000" or "[::1]:7000"; without it this machine's loopback, with the port of --port.
    ringlet::SocketAddress address(unsigned default_port) {
        auto port = static_cast<std::uint16_t>(number("--port", default_port, 0, 65535));
        std::vector<std::string> given = words(0, 1);
        if (given.empty()) return ringlet::SocketAddress::loopback(port);
        auto parsed = ringlet::SocketAddress::parse(given[0]);
        if (!parsed) refuse("'" + given[0] + "' is no address; write it as 127.0.0.1:7000 or [::1]:7000");
        return *parsed;
    }

    // What no flag has taken. Call it last.
    std::vector<std::string> words(std::size_t least, std::size_t most) {
        for (const std::string& word : left_) {
            if (word.starts_with("--")) refuse("there is no flag " + word);
        }
        if (left_.size() < least) refuse("an argument is missing");
        if (left_.size() > most) refuse("there is no use for '" + left_[most] + "'");
        return std::move(left_);
    }

private:
    [[noreturn]] void refuse(const std::string& why) const {
        std::fprintf(stderr, "%s\nusage: %s\n", why.c_str(), usage_.c_str());
        std::exit(2);
    }

    std::string usage_;
    std::vector<std::string> left_;
};

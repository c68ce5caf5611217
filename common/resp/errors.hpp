// Errors that more than one command answers with, in the words of redis-server 7.0.
#pragma once

#include <string_view>

namespace resp {

constexpr std::string_view syntax_error = "-ERR syntax error\r\n";
constexpr std::string_view not_an_integer = "-ERR value is not an integer or out of range\r\n";
constexpr std::string_view out_of_memory = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";

// Where Redis prints an argument with %s: up to the first NUL.
constexpr std::string_view printed(std::string_view argument) {
    return argument.substr(0, argument.find('\0'));
}

}  // namespace resp

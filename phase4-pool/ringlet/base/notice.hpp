// Notices: what the library has to say, unasked, to the people who run a program: something works, but not
// as they may expect. Each subject is mentioned once in the life of the process.
//
// Threads: any.
#pragma once

#include <string>

namespace ringlet {

using NoticeHandler = void (*)(const char* text) noexcept;

// Replaces the handler, for all threads, and returns the one before. The first prints "ringlet: ", the text
// and a line's end to stderr.
NoticeHandler set_notice_handler(NoticeHandler handler) noexcept;

// Says `text`, unless something was said about `subject` before.
void notice_once(const std::string& subject, const std::string& text);

}  // namespace ringlet

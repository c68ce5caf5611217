// Where exceptions go that no JoinHandle will ever deliver: a detached task threw, or the handle was
// dropped before anybody awaited it. They are reported, never swallowed; the executor runs on.
#pragma once

#include <exception>

namespace ringlet {

using UnhandledExceptionHandler = void (*)(std::exception_ptr error) noexcept;

// Replaces the handler, for all threads, and returns the one before. The first prints the exception's
// what() to stderr.
UnhandledExceptionHandler set_unhandled_exception_handler(UnhandledExceptionHandler handler) noexcept;

void report_unhandled_exception(std::exception_ptr error) noexcept;

}  // namespace ringlet

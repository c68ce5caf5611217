#include <ringlet/task/report.hpp>

#include <atomic>
#include <cstdio>

namespace ringlet {

namespace {

void print(std::exception_ptr error) noexcept {
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& exception) {
        std::fprintf(stderr, "ringlet: a detached task ended with an exception: %s\n", exception.what());
    } catch (...) {
        std::fputs("ringlet: a detached task ended with an exception of unknown type\n", stderr);
    }
}

std::atomic<UnhandledExceptionHandler> handler_in_force{&print};

}  // namespace

UnhandledExceptionHandler set_unhandled_exception_handler(UnhandledExceptionHandler handler) noexcept {
    return handler_in_force.exchange(handler);
}

void report_unhandled_exception(std::exception_ptr error) noexcept { handler_in_force.load()(error); }

}  // namespace ringlet

// Result<T>: a value or the reason why not. The reason is a std::error_code whose category is the
// operation that failed, so that its text reads "accept: Too many open files"; it still compares equal to
// std::errc and to other codes' conditions.
#pragma once

#include <cstring>
#include <expected>
#include <string>
#include <system_error>

namespace ringlet {

template <class T>
using Result = std::expected<T, std::error_code>;

class OperationCategory final : public std::error_category {
public:
    constexpr explicit OperationCategory(const char* operation) noexcept : operation_(operation) {}

    const char* name() const noexcept override { return operation_; }
    std::string message(int error) const override {
        return std::string(operation_) + ": " + std::generic_category().message(error);
    }
    std::error_condition default_error_condition(int error) const noexcept override {
        return {error, std::generic_category()};
    }

private:
    const char* operation_;
};

// The one place where an errno (positive) becomes an error.
inline std::unexpected<std::error_code> failure(const OperationCategory& operation, int error) noexcept {
    return std::unexpected(std::error_code(error, operation));
}

// What io_uring and the kernel return: a count, or -errno.
inline Result<std::size_t> count_or_error(const OperationCategory& operation, int result) noexcept {
    if (result < 0) return failure(operation, -result);
    return static_cast<std::size_t>(result);
}
inline Result<void> success_or_error(const OperationCategory& operation, int result) noexcept {
    if (result < 0) return failure(operation, -result);
    return {};
}

}  // namespace ringlet

// Poll<T>: what a future answers when asked for its value, "not yet" or the value. Also the one place
// where `void` and references become something that can be stored.
#pragma once

#include <ringlet/base/check.hpp>

#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace ringlet {

// The value of a future that has none: stands for void wherever a value must be stored or passed on.
struct Unit {
    friend bool operator==(Unit, Unit) = default;
};

// The type in which a T is stored: Unit for void, a reference_wrapper for a reference, else T.
template <class T>
struct StoredAs {
    using type = T;
};
template <>
struct StoredAs<void> {
    using type = Unit;
};
template <class T>
struct StoredAs<T&> {
    using type = std::reference_wrapper<T>;
};
template <class T>
using Stored = typename StoredAs<T>::type;

// From the stored form back to T.
template <class T>
T restore(Stored<T>&& stored) {
    if constexpr (std::is_void_v<T>) {
        return;
    } else if constexpr (std::is_reference_v<T>) {
        return stored.get();
    } else {
        return std::move(stored);
    }
}

// Converts to a pending Poll of any type: `return pending;`
struct Pending {};
inline constexpr Pending pending{};

template <class T>
class [[nodiscard]] Poll {
public:
    Poll(Pending) noexcept {}
    // Ready. For void: `return Unit{};`
    Poll(Stored<T> value) : value_(std::move(value)) {}

    bool is_ready() const noexcept { return value_.has_value(); }
    bool is_pending() const noexcept { return !value_.has_value(); }

    // Moves the value out; only when ready, and once.
    T take() { return restore<T>(take_stored()); }
    Stored<T> take_stored() {
        RINGLET_CHECK(value_.has_value(), "Poll::take() on a pending poll");
        return std::move(*value_);
    }

private:
    std::optional<Stored<T>> value_;
};

}  // namespace ringlet

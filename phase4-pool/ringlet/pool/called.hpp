// What calling a function gives, and in which form it is kept until somebody takes it: for calls whose caller
// is on another thread.
#pragma once

#include <ringlet/future/future.hpp>

#include <type_traits>

namespace ringlet {

// What a function returns, or what the future gives that it returns.
template <class R>
struct ValueOfReturned {
    using type = R;
};
template <Future R>
struct ValueOfReturned<R> {
    using type = typename R::Output;
};
template <class Fn>
using ValueOfCall = typename ValueOfReturned<std::invoke_result_t<Fn&>>::type;

// Calls it, and gives what it returns as it is stored.
template <class Fn>
Stored<std::invoke_result_t<Fn&>> call_stored(Fn& fn) {
    if constexpr (std::is_void_v<std::invoke_result_t<Fn&>>) {
        fn();
        return {};
    } else {
        return fn();
    }
}

}  // namespace ringlet

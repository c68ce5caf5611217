// select(a, b, ...): the first of several futures to be ready.
#pragma once

#include <ringlet/future/future.hpp>

#include <tuple>
#include <variant>

namespace ringlet {

// The output is a variant whose index says which future won. They are polled in the order given, so
// that the first wins a tie. The losers are cancelled when the Select is destroyed; a borrowed loser
// lives on and can be awaited later.
template <FutureRef... Fs>
class [[nodiscard]] Select {
public:
    using Output = std::variant<Stored<OutputOf<Fs>>...>;
    explicit Select(Fs&&... futures) : futures_(std::forward<Fs>(futures)...) {}

    Poll<Output> poll(Context& context) { return poll_from<0>(context); }

private:
    template <std::size_t I>
    Poll<Output> poll_from(Context& context) {
        if constexpr (I == sizeof...(Fs)) {
            return pending;
        } else {
            auto polled = std::get<I>(futures_).poll(context);
            if (polled.is_ready()) return Output(std::in_place_index<I>, polled.take_stored());
            return poll_from<I + 1>(context);
        }
    }

    std::tuple<Fs...> futures_;
};

// Temporaries are moved in, named futures are borrowed and must outlive the select.
template <FutureRef... Fs>
Select<Fs...> select(Fs&&... futures) {
    return Select<Fs...>(std::forward<Fs>(futures)...);
}

}  // namespace ringlet

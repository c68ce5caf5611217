// join(a, b, ...): all of several futures, polled side by side inside one task.
#pragma once

#include <ringlet/future/future.hpp>

#include <optional>
#include <tuple>

namespace ringlet {

// Ready when all are. If one throws, the exception leaves poll() at once and the others are cancelled
// when the Join is destroyed.
template <FutureRef... Fs>
class [[nodiscard]] Join {
public:
    using Output = std::tuple<Stored<OutputOf<Fs>>...>;
    explicit Join(Fs&&... futures) : futures_(std::forward<Fs>(futures)...) {}

    Poll<Output> poll(Context& context) { return poll_each(context, std::index_sequence_for<Fs...>()); }

private:
    template <std::size_t... Is>
    Poll<Output> poll_each(Context& context, std::index_sequence<Is...>) {
        // `&` and not `&&`: every future is polled, even after one was pending.
        bool all_ready = (poll_one<Is>(context) & ... & true);
        if (!all_ready) return pending;
        return Output(std::move(*std::get<Is>(values_))...);
    }

    template <std::size_t I>
    bool poll_one(Context& context) {
        auto& value = std::get<I>(values_);
        if (value) return true;
        auto polled = std::get<I>(futures_).poll(context);
        if (polled.is_pending()) return false;
        value.emplace(polled.take_stored());
        return true;
    }

    std::tuple<Fs...> futures_;
    std::tuple<std::optional<Stored<OutputOf<Fs>>>...> values_;
};

// Temporaries are moved in, named futures are borrowed and must outlive the join.
template <FutureRef... Fs>
Join<Fs...> join(Fs&&... futures) {
    return Join<Fs...>(std::forward<Fs>(futures)...);
}

}  // namespace ringlet

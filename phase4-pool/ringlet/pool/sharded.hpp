// Sharded<T>: one T on each shard of a pool, each used by its own shard only. Others ask its owner to.
//
//     Sharded<Store> stores;                                  // outlives the pool
//     ... on_all_shards([&](Shard&) -> Co<void> {
//         auto mine = co_await stores.open(limit);            // Store(limit), here; ready when all have
//         theirs auto size = co_await stores.at_owner(key, [](Store& store) { return store.size(); });
//     });
//
// Threads: open(), at() and at_owner() on the shards. A shard closes its T by dropping what open() gave;
// calls that come later get CallError::shard_gone.
#pragma once

#include <ringlet/future/co.hpp>
#include <ringlet/pool/submit_to.hpp>

#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace ringlet {

template <class T>
class Sharded {
public:
    // A shard's own T. Move-only; the T stays where it is.
    class Mine {
    public:
        Mine(Mine&&) noexcept = default;
        T& operator*() const noexcept { return **place_; }
        T* operator->() const noexcept { return place_->get(); }

    private:
        friend class Sharded;
        struct Close {
            void operator()(std::shared_ptr<T>* place) const noexcept { place->reset(); }
        };
        explicit Mine(std::shared_ptr<T>& place) noexcept : place_(&place) {}

        std::unique_ptr<std::shared_ptr<T>, Close> place_;
    };

    explicit Sharded(unsigned shards) : places_(shards) {}

    // Makes this shard's T, and waits until all shards have made theirs. Each calls it once.
    template <class... Args>
    Co<Mine> open(Args... args) {
        Shard& shard = Shard::current();
        RINGLET_CHECK(shard.pool().size() == places_.size(),
                      "a Sharded is for as many shards as its pool has");
        std::shared_ptr<T>& place = places_[shard.id()];
        RINGLET_CHECK(!place, "a shard opened its T twice");
        place = std::make_shared<T>(std::move(args)...);
        Mine mine(place);
        co_await shard.everyone();
        co_return std::move(mine);
    }

    // This shard's; null once it is closed.
    T* local() const noexcept { return places_[Shard::current().id()].get(); }

    // Who owns what has this key: the same shard for the same key, whoever asks.
    template <class Key>
    ShardId owner_of(const Key& key) const noexcept {
        return static_cast<ShardId>(std::hash<Key>()(key) % places_.size());
    }

    // Calls `fn(T&)` on a shard and awaits what it returns there, a value or a future: as submit_to().
    template <class Fn>
    auto at(ShardId shard, Fn fn) {
        return submit_to(shard, [this, shard, fn = std::move(fn), held = std::shared_ptr<T>()]() mutable {
            held = places_[shard];
            if (!held) throw CallError::shard_gone;
            return fn(*held);
        });
    }
    template <class Key, class Fn>
    auto at_owner(const Key& key, Fn fn) {
        return at(owner_of(key), std::move(fn));
    }

private:
    // Each touched by its shard only. A call that waits there shares its T, which may be closed meanwhile.
    std::vector<std::shared_ptr<T>> places_;
};

}  // namespace ringlet

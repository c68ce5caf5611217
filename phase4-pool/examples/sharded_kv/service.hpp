// Service: what one shard of the key-value server has: its part of the keys, its connections, and the rounds
// of requests that are not in use. Used by sharded_kv.cpp; not part of the library.
//
// Threads: its shard's only; others reach its keys by ask_others(). Outlives the pool.
#pragma once

#include "resp/round.hpp"

#include <ringlet/net/tcp.hpp>
#include <ringlet/pool/submit_to.hpp>

#include <chrono>
#include <list>
#include <memory>
#include <vector>

namespace kv {

// What a round holds of replies that are not sent: beyond it, by no more than one reply of each shard.
inline constexpr std::size_t reply_bytes_max = 1 << 20;
// A larger round, after large values, is not kept, nor are more than so many, after a rush.
inline constexpr std::size_t round_bytes_max = 256 << 10;
inline constexpr std::size_t rounds_max = 64;

inline resp::Milliseconds now_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(ringlet::Clock::now().time_since_epoch())
        .count();
}

class Service;
// One for each shard, made by it before any connection comes.
using Services = std::vector<std::unique_ptr<Service>>;

class Service {
public:
    Service(const Services& all, ringlet::ShardId id, const resp::Settings& settings)
        : all_(all), id_(id), settings_(settings), store_(part_of(settings.memory_bytes_max)) {}

    const Services& all() const { return all_; }
    const resp::Settings& settings() const { return settings_; }
    resp::Store& store() { return store_; }

    // The one that was used last is still in the processor's cache.
    std::unique_ptr<resp::Round> take_round() {
        if (rounds_.empty()) {
            auto shards = static_cast<unsigned>(all_.size());
            return std::make_unique<resp::Round>(store_, id_, shards, reply_bytes_max);
        }
        auto round = std::move(rounds_.back());
        rounds_.pop_back();
        return round;
    }
    void give_back(std::unique_ptr<resp::Round> round) {
        if (round->memory_bytes() > round_bytes_max || rounds_.size() == rounds_max) return;
        round->clear();
        rounds_.push_back(std::move(round));
    }

    // --- Its connections ---

    using Place = std::list<ringlet::TcpStream*>::iterator;
    Place enter(ringlet::TcpStream& stream) {
        ++accepted_;
        return connections_.insert(connections_.end(), &stream);
    }
    void leave(Place place) {
        connections_.erase(place);
        if (connections_.empty()) std::move(waits_for_last_).wake();
    }
    std::size_t connections() const { return connections_.size(); }
    std::uint64_t accepted() const { return accepted_; }

    // The server is being stopped: nobody comes any more.
    void shut_the_door() { takes_connections_ = false; }
    bool takes_connections() const { return takes_connections_; }
    // Each stream ends behind the bytes that have arrived, so that requests among them still get their
    // replies.
    void wind_up() {
        for (auto* stream : connections_) static_cast<void>(ringlet::sys::shutdown(stream->fd(), SHUT_RD));
    }
    auto all_gone() {
        return ringlet::poll_fn([this](ringlet::Context& context) -> ringlet::Poll<void> {
            if (connections_.empty()) return ringlet::Unit{};
            waits_for_last_.remember(context.waker());
            return ringlet::pending;
        });
    }

private:
    std::size_t part_of(std::size_t memory_bytes_max) const {
        return memory_bytes_max == resp::unlimited ? resp::unlimited : memory_bytes_max / all_.size();
    }

    const Services& all_;
    ringlet::ShardId id_;
    resp::Settings settings_;
    resp::Store store_;
    std::vector<std::unique_ptr<resp::Round>> rounds_;
    std::list<ringlet::TcpStream*> connections_;
    ringlet::Waker waits_for_last_;
    std::uint64_t accepted_ = 0;
    bool takes_connections_ = true;
};

// An errand at its shard. It goes there and comes back, and takes its memory with it.
class Visit {
public:
    Visit(Service& there, std::unique_ptr<resp::Errand> errand)
        : there_(&there), errand_(std::move(errand)) {}

    std::unique_ptr<resp::Errand> operator()() {
        errand_->run(there_->store(), now_ms(), reply_bytes_max);
        return std::move(errand_);
    }

private:
    Service* there_;
    std::unique_ptr<resp::Errand> errand_;
};

// Has all shards asked that the round still wants to know something of: one call each, all at the same time.
// False if one of them is gone.
inline ringlet::Co<bool> ask_others(Service& service, resp::Round& round) {
    std::vector<ringlet::Submitted<Visit>> calls;
    for (ringlet::ShardId shard = 0; shard < service.all().size(); ++shard) {
        auto errand = round.send(shard);
        if (!errand) continue;
        calls.push_back(ringlet::submit_to(shard, Visit(*service.all()[shard], std::move(errand))));
        calls.back().start();
    }
    for (auto& call : calls) {
        auto errand = co_await call;
        if (!errand) co_return false;
        round.bring_back(std::move(*errand));
    }
    co_return true;
}

}  // namespace kv

#include "resp/round.hpp"

#include "resp/shards.hpp"

#include <algorithm>

namespace resp {

Round::Round(Store& store, unsigned self, unsigned shards, std::size_t reply_bytes_max)
    : store_(store), self_(self), reply_bytes_max_(reply_bytes_max) {
    for (unsigned shard = 0; shard < shards; ++shard) errands_.push_back(std::make_unique<Errand>(shard));
}

void Round::ask(const Command& command, Arguments arguments, Milliseconds now) {
    if (command.reach == Reach::all_shards) return ask_several(command, arguments, now);
    const auto owner = sole_owner(command, arguments, static_cast<unsigned>(errands_.size()));
    if (!owner) return ask_several(command, arguments, now);
    if (*owner == self_) return command.run(store_, arguments, now, here_);
    errands_[*owner]->add(command, arguments);
    slots_.push_back({here_.size(), *owner, false});
}

void Round::ask_several(const Command& command, Arguments arguments, Milliseconds now) {
    const auto shards = static_cast<unsigned>(errands_.size());
    slots_.push_back({here_.size(), static_cast<unsigned>(merged_.size()), true});
    auto& merged = merged_.emplace_back(&command);
    if (command.merge == Merge::elements || command.merge == Merge::info)
        merged.arguments.assign(arguments.begin(), arguments.end());
    if (command.reach == Reach::all_shards) {
        for (unsigned shard = 0; shard < shards; ++shard) ask_part(merged, shard, arguments, now);
        return;
    }
    const auto parts = split(command, arguments, shards);
    for (unsigned shard = 0; shard < shards; ++shard) {
        if (!parts[shard].empty()) ask_part(merged, shard, parts[shard], now);
    }
}

void Round::ask_part(Merged& merged, unsigned shard, Arguments part, Milliseconds now) {
    merged.asked.push_back(shard);
    if (shard == self_) {
        errands_[shard]->run_now(*merged.command, part, store_, now);
    } else {
        errands_[shard]->add(*merged.command, part);
    }
}

std::unique_ptr<Errand> Round::send(unsigned shard) {
    const auto& errand = errands_[shard];
    return errand->is_open() && !errand->has_reply() ? std::move(errands_[shard]) : nullptr;
}

void Round::bring_back(std::unique_ptr<Errand> errand) {
    auto& place = errands_[errand->shard()];
    place = std::move(errand);
}

void Round::collect() {
    if (is_local()) return replies_.swap(here_);
    while (!is_over() && has_come(slots_[next_slot_])) append_reply(slots_[next_slot_++]);
    if (!is_over()) return;
    replies_.append(here_, here_taken_);
    here_taken_ = here_.size();
}

bool Round::has_come(const Slot& slot) const {
    const auto from = [this](unsigned shard) { return errands_[shard]->has_reply(); };
    return slot.is_merged ? std::ranges::all_of(merged_[slot.merged_or_shard].asked, from)
                          : from(slot.merged_or_shard);
}

void Round::append_reply(const Slot& slot) {
    replies_.append(here_, here_taken_, slot.here_end - here_taken_);
    here_taken_ = slot.here_end;
    if (slot.is_merged) {
        append_merged(merged_[slot.merged_or_shard]);
    } else {
        replies_ += errands_[slot.merged_or_shard]->take_reply();
    }
}

void Round::append_merged(const Merged& merged) {
    std::vector<std::string_view> parts(errands_.size());
    for (const auto shard : merged.asked) parts[shard] = errands_[shard]->take_reply();
    const std::vector<std::string_view> arguments(merged.arguments.begin(), merged.arguments.end());
    merge(*merged.command, arguments, parts, replies_);
}

void Round::clear() {
    here_.clear();
    replies_.clear();
    if (!is_local()) {
        for (const auto& errand : errands_) errand->clear();
    }
    slots_.clear();
    merged_.clear();
    next_slot_ = here_taken_ = 0;
}

std::size_t Round::memory_bytes() const {
    std::size_t bytes = here_.capacity() + replies_.capacity();
    for (const auto& errand : errands_) bytes += errand->memory_bytes();
    return bytes;
}

}  // namespace resp

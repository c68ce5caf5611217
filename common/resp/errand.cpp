#include "resp/errand.hpp"

namespace resp {

void Errand::add(const Command& command, Arguments arguments) {
    requests_.push_back({&command, arguments.size()});
    for (const auto argument : arguments) {
        lengths_.push_back(argument.size());
        bytes_ += argument;
    }
}

void Errand::run(Store& store, Milliseconds now, std::size_t reply_bytes_max) {
    if (!has_reply()) forget_replies();
    while (is_open() && replies_.size() <= reply_bytes_max) {
        const auto [command, arguments] = requests_[next_++];
        run_now(*command, next_arguments(arguments), store, now);
    }
}

void Errand::run_now(const Command& command, Arguments arguments, Store& store, Milliseconds now) {
    command.run(store, arguments, now, replies_);
    reply_ends_.push_back(replies_.size());
}

Arguments Errand::next_arguments(std::size_t count) {
    arguments_.clear();
    for (; count > 0; --count) {
        const auto length = lengths_[next_length_++];
        arguments_.emplace_back(bytes_.data() + next_byte_, length);
        next_byte_ += length;
    }
    return arguments_;
}

std::string_view Errand::take_reply() {
    const auto begin = taken_ == 0 ? 0 : reply_ends_[taken_ - 1];
    return std::string_view(replies_).substr(begin, reply_ends_[taken_++] - begin);
}

void Errand::forget_replies() {
    replies_.clear();
    reply_ends_.clear();
    taken_ = 0;
}

void Errand::clear() {
    requests_.clear();
    lengths_.clear();
    bytes_.clear();
    next_ = next_length_ = next_byte_ = 0;
    forget_replies();
}

}  // namespace resp

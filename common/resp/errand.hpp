// What a connection asks another shard: requests that go there together, and their replies, which come back
// in the same object. It owns all its bytes, so that neither side waits for the other to let go of them.
//
// Made and filled at home, run() on its shard's thread, read at home again: by one thread at a time.
#pragma once

#include "resp/commands.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace resp {

class Errand {
public:
    explicit Errand(unsigned shard) : shard_(shard) {}

    unsigned shard() const { return shard_; }

    // Not of Reach::connection.
    void add(const Command& command, Arguments arguments);

    // There are requests that have not been run.
    bool is_open() const { return next_ < requests_.size(); }
    // Runs them, one at least, until their replies are longer than the limit.
    void run(Store& store, Milliseconds now, std::size_t reply_bytes_max);
    // Runs one that need not be added.
    void run_now(const Command& command, Arguments arguments, Store& store, Milliseconds now);

    // In the order of the requests.
    bool has_reply() const { return taken_ < reply_ends_.size(); }
    std::string_view take_reply();  // good until the next run() or clear()

    std::size_t reply_bytes() const { return replies_.size(); }

    // Ready for other requests.
    void clear();
    std::size_t memory_bytes() const {
        return bytes_.capacity() + replies_.capacity() + memory_of(requests_) + memory_of(lengths_) +
               memory_of(arguments_) + memory_of(reply_ends_);
    }

private:
    struct OneRequest {
        const Command* command;
        std::size_t arguments;
    };

    template <class T>
    static std::size_t memory_of(const std::vector<T>& items) {
        return items.capacity() * sizeof(T);
    }
    Arguments next_arguments(std::size_t count);
    void forget_replies();

    unsigned shard_;

    std::vector<OneRequest> requests_;
    std::vector<std::size_t> lengths_;  // of all arguments
    std::string bytes_;                 // and they themselves
    // How far it is run.
    std::size_t next_ = 0;
    std::size_t next_length_ = 0;
    std::size_t next_byte_ = 0;
    std::vector<std::string_view> arguments_;

    std::string replies_;
    std::vector<std::size_t> reply_ends_;
    std::size_t taken_ = 0;
};

}  // namespace resp

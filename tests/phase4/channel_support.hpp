// What the suites of the shared channel and the mesh share: items, some of which count their lives, and two
// executors that one thread steps in turn.
#pragma once

#include "../phase3/support.hpp"
#include "../phase3/waits.hpp"

#include <ringlet/channel/shared_channel.hpp>

#include <optional>

namespace support {

struct Numbered {
    int value;
    Census::Member life;
};

// Calls `fn` in a task of the executor.
template <class Fn>
auto inside(LocalExecutor& executor, Fn fn) {
    return executor.run([&fn]() -> Co<std::invoke_result_t<Fn&>> { co_return fn(); });
}

// A channel from executor a to executor b. Its operations are polled by hand, outside of both; what one end
// tells the other arrives when that one's executor takes a turn.
template <class T>
struct Line {
    explicit Line(std::size_t capacity) {
        auto ends = shared_channel::new_bounded<T>(capacity);
        sender.emplace(inside(*a, [&] { return std::move(ends.first).connect(); }));
        receiver.emplace(inside(*b, [&] { return std::move(ends.second).connect(); }));
    }

    std::unique_ptr<LocalExecutor> a = make_executor();
    std::unique_ptr<LocalExecutor> b = make_executor();
    std::optional<ConnectedSender<T>> sender;
    std::optional<ConnectedReceiver<T>> receiver;
};

// A channel of move-only items.
using Item = std::unique_ptr<int>;
using Sending = Wait<SharedSend<Item>>;
using Receiving = Wait<SharedRecv<Item>>;

inline Item item(int value) { return std::make_unique<int>(value); }

// What a recv gave: -1 at the end of the channel.
inline int received(const Receiving& wait) {
    REQUIRE(wait.output);
    return *wait.output ? ***wait.output : -1;
}
inline int receive(const ConnectedReceiver<Item>& receiver) {
    Receiving wait(receiver.recv());
    REQUIRE(wait.poll());
    return received(wait);
}
inline bool was_sent(const Sending& wait) { return wait.output && wait.output->has_value(); }
inline bool was_refused(const Sending& wait) {
    return wait.output && !*wait.output && wait.output->error().why == NotSent::closed;
}

// Counts the messages that pass the point at which they are posted.
class CountWakes : public AtPoint {
public:
    CountWakes() : AtPoint([this](std::string_view id) { count += id == "channel: wake"; }) {}
    int count = 0;
};

}  // namespace support

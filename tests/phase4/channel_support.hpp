// What the suites of the shared channel and the mesh share: items that count their lives, and two executors
// that one thread steps in turn.
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

// Counts the messages that pass the point at which they are posted.
class CountWakes : public AtPoint {
public:
    CountWakes() : AtPoint([this](std::string_view id) { count += id == "channel: wake"; }) {}
    int count = 0;
};

}  // namespace support

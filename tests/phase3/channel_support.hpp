// What the suites of the local channel share: a channel of move-only items, and waits at both of its ends.
#pragma once

#include "waits.hpp"

#include <ringlet/channel/local_channel.hpp>

#include <memory>

namespace support {

using Item = std::unique_ptr<int>;
using Sending = Wait<LocalSend<Item>>;
using Receiving = Wait<LocalRecv<Item>>;
using ItemSender = LocalSender<Item>;
using ItemReceiver = LocalReceiver<Item>;

inline Item item(int value) { return std::make_unique<int>(value); }

// What a recv gave: -1 at the end of the channel.
inline int received(const Receiving& wait) {
    REQUIRE(wait.output);
    return *wait.output ? ***wait.output : -1;
}

inline int receive(const ItemReceiver& receiver) {
    Receiving wait(receiver.recv());
    REQUIRE(wait.poll());
    return received(wait);
}

inline bool was_sent(const Sending& wait) { return wait.output && wait.output->has_value(); }

}  // namespace support

// Closed: why a semaphore or a gate refuses. Somebody has closed it, and it stays closed.
#pragma once

namespace ringlet {

struct Closed {
    Closed() noexcept = default;
    // Written out, so that a std::expected of it moves by parts. As one block, the flag that was just written
    // would have to be read together with bytes beside it, which stalls the processor for about 5 ns.
    Closed(const Closed&) noexcept {}
    Closed& operator=(const Closed&) noexcept = default;
    friend bool operator==(Closed, Closed) = default;
};

}  // namespace ringlet

// Fiber: a function on a stack of its own, which stops in the middle and goes on later. A shard that sleeps
// in the simulated kernel stops there, as a thread would: to let its call return early instead would make its
// executor look again, and so heal each lost wake.
#pragma once

#include <boost/context/fiber.hpp>
#include <cxxabi.h>
#include <functional>

namespace sim {

class Fiber {
public:
    explicit Fiber(std::function<void()> body);
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;

    // Runs it until it suspends itself or ends.
    void resume();
    // From inside: back to who has resumed it.
    void suspend();
    bool has_ended() const { return ended_; }

private:
    // The exceptions that are being handled belong to a stack; the C++ runtime keeps them by thread (Itanium
    // C++ ABI, 2.2.2: __cxa_eh_globals).
    struct Exceptions {
        void* caught = nullptr;
        unsigned uncaught = 0;
    };
    void swap_exceptions();

    std::function<void()> body_;
    boost::context::fiber inside_;
    boost::context::fiber outside_;
    Exceptions exceptions_;
    bool ended_ = false;
    // For AddressSanitizer, which follows the stack:
    void* fake_inside_ = nullptr;
    void* fake_outside_ = nullptr;
    const void* outside_bottom_ = nullptr;
    std::size_t outside_bytes_ = 0;
    const void* bottom_ = nullptr;
};

}  // namespace sim

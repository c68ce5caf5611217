// IdleParker: the parker of a world without events. If no task is ready, none will ever be.
#pragma once

#include <ringlet/executor/parker.hpp>

namespace ringlet {

class IdleParker : public Parker {
public:
    void poll() override {}
    void park(Recheck recheck) override {
        if (recheck()) return;
        throw Deadlock("deadlock: the root task waits, no other task is ready, and nothing can wake one");
    }
};

}  // namespace ringlet

#include <ringlet/base/clock.hpp>

namespace ringlet {

Clock::time_point Clock::now() noexcept {
    return time_point(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace ringlet

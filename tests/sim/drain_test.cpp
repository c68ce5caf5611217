// What the end of an executor does about an operation that the kernel never ends.
#include "sim_kernel.hpp"

#include <doctest/doctest.h>
#include <ringlet/future/co.hpp>
#include <ringlet/reactor/operations.hpp>
#include <ringlet/reactor/sys.hpp>
#include <ringlet/runtime.hpp>
#include <ringlet/time/sleep.hpp>

#if defined(RINGLET_ASAN)
#include <sanitizer/lsan_interface.h>
#endif

using namespace ringlet;
using namespace std::chrono_literals;

TEST_CASE("R54: an operation that never ends is leaked with its ring and its buffer, after five seconds") {
#if defined(RINGLET_ASAN)
    __lsan_disable();  // what follows leaks, as it must
#endif
    sim::SimKernel kernel(1);
    kernel.stuck_opcode = IORING_OP_RECV;
    auto ends = sys::socket_pair(SOCK_STREAM);
    auto executor = LocalExecutorBuilder().make();
    REQUIRE(executor);
    auto receives = [](SharedFd socket) -> Co<void> {
        co_await Operation(operations::Receive<std::string>(socket, std::string(100, '\0')));
    };
    (*executor)->spawn_local(receives(SharedFd(std::move(ends->first)))).detach();
    (*executor)->run(sleep(1ms));
    sim::Time began = kernel.now();
    executor->reset();
    CHECK(kernel.now() - began >= 5s);
    CHECK(kernel.now() - began < 6s);
    // Its own ring is not closed, its descriptor and its buffer are not freed: the kernel may still use them.
    CHECK(kernel.rings() == 1);
    CHECK(kernel.descriptors() == 3);  // the ring, the socket, and its other end
}

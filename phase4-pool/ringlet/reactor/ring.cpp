#include <ringlet/reactor/kernel.hpp>
#include <ringlet/reactor/ring.hpp>

#include <ringlet/base/check.hpp>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <sys/resource.h>
#include <thread>

namespace ringlet {

namespace {

// Room for every operation of a few turns; what does not fit is kept by the kernel and delivered later.
constexpr unsigned completions_per_entry = 16;
constexpr unsigned completions_max = 2 * Ring::depth_max;  // the kernel's

// The kernel refunds locked memory of a closed ring late: 1 MiB rings made in a loop under an 8 MiB limit
// failed 198 times of 200 (kernel 6.18). 20 tries of 5 ms outlast that.
constexpr int refund_tries = 20;
constexpr std::chrono::milliseconds refund_wait{5};

int try_setup(unsigned depth, unsigned flags, io_uring& ring) {
    io_uring_params params{};
    // SUBMIT_ALL (kernel 5.18): one bad entry does not hold up those behind it.
    params.flags = flags | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE;
    params.cq_entries = std::min(depth * completions_per_entry, completions_max);
    return kernel::setup(depth, params, ring);
}

// For Ring::depth_min entries: 64 bytes each, 16 for each completion, and the rings' heads, in whole pages.
// There are two rings.
constexpr std::size_t bytes_min = 2 * 2 * 4096;

int disabled_by_sysctl() {
    int value = 0;
    std::ifstream("/proc/sys/kernel/io_uring_disabled") >> value;
    return value;
}

std::string why_refused(int error) {
    switch (error) {
        case ENOSYS: return "this kernel has no io_uring; Ringlet needs Linux 6.1 or newer";
        case EINVAL: return "this kernel's io_uring is too old; Ringlet needs Linux 6.1 or newer";
        case EPERM:
            if (int level = disabled_by_sysctl()) {
                return "io_uring is switched off by kernel.io_uring_disabled=" + std::to_string(level) +
                       "; an administrator can allow it with 'sysctl kernel.io_uring_disabled=0'";
            }
            return "io_uring is blocked by a seccomp filter, as in Docker's default profile; start the "
                   "container with '--security-opt seccomp=unconfined' or allow the io_uring calls";
        case ENOMEM: {
            rlimit limit{};
            getrlimit(RLIMIT_MEMLOCK, &limit);
            return "the locked memory limit of " + std::to_string(limit.rlim_cur) +
                   " bytes leaves no room for io_uring, which needs " + std::to_string(bytes_min) +
                   "; raise it with 'ulimit -l'";
        }
        case EMFILE: return "the limit of open files is reached; raise it with 'ulimit -n'";
        default: return std::generic_category().message(error);
    }
}

// Its address stands for the thread.
thread_local char this_thread;

__kernel_timespec timespec_of(Duration duration) {
    auto left = std::max(Duration::zero(), duration);
    auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
    return {.tv_sec = seconds.count(), .tv_nsec = (left - seconds).count()};
}

}  // namespace

std::expected<std::unique_ptr<Ring>, StartError> Ring::make(unsigned depth, unsigned flags) {
    RINGLET_CHECK(depth > 0 && (depth & (depth - 1)) == 0 && depth <= depth_max,
                  "the ring depth must be a power of two, at most 32768");
    auto ring = std::unique_ptr<Ring>(new Ring());
    int result = try_setup(depth, flags, ring->ring_);
    for (int attempt = 0; result == -ENOMEM && attempt < refund_tries; ++attempt) {
        std::this_thread::sleep_for(refund_wait);
        result = try_setup(depth, flags, ring->ring_);
    }
    while (result == -ENOMEM && depth > depth_min) result = try_setup(depth /= 2, flags, ring->ring_);
    if (result < 0) {
        std::error_code code(-result, std::generic_category());
        return std::unexpected(StartError{code, "cannot start io_uring: " + why_refused(-result)});
    }
    ring->open_ = true;
    ring->thread_ = &this_thread;
    // The queue's indirection is set once: entry i is entry i. liburing would do it at each submit.
    for (unsigned i = 0; i < ring->depth(); ++i) ring->ring_.sq.array[i] = i;
    return ring;
}

Ring::~Ring() {
    if (open_) kernel::teardown(ring_);
}

int Ring::enter(unsigned submit, unsigned wait_for, __kernel_timespec* timeout) noexcept {
    // The kernel would say EEXIST, but only to who names the ring by its descriptor. Ours is registered, by a
    // number that on another thread stands for nothing, or for that thread's own ring.
    RINGLET_CHECK(thread_ == &this_thread,
                  "an io_uring was used on another thread than the one that made it");
    int result = kernel::enter(ring_, submit, wait_for, IORING_ENTER_GETEVENTS, timeout);
    RINGLET_CHECK(result != -EBADR, "the kernel ran out of memory and dropped a completion");
    return result < 0 ? result : 0;
}

unsigned Ring::publish() noexcept {
    io_uring_smp_store_release(ring_.sq.ktail, ring_.sq.sqe_tail);
    return queued();
}

int Ring::enter() noexcept { return enter(publish(), 0, nullptr); }

int Ring::enter_and_wait(std::optional<Time> deadline) noexcept {
    if (!deadline) return enter(publish(), 1, nullptr);
    Time now = Clock::now();
    __kernel_timespec timeout = timespec_of(std::max(*deadline, now) - now);  // which cannot overflow
    return enter(publish(), 1, &timeout);
}

void Ring::wait_only(Duration longest) noexcept {
    __kernel_timespec timeout = timespec_of(longest);
    enter(0, 1, &timeout);
}

bool Ring::pop(Completion& completion) noexcept {
    unsigned head = *ring_.cq.khead;
    if (head == io_uring_smp_load_acquire(ring_.cq.ktail)) return false;
    const io_uring_cqe& entry = ring_.cq.cqes[head & ring_.cq.ring_mask];
    completion = {entry.user_data, entry.res, entry.flags};
    io_uring_smp_store_release(ring_.cq.khead, head + 1);
    return true;
}

int Ring::register_with(unsigned opcode, void* argument, unsigned count) noexcept {
    return kernel::register_with(ring_, opcode, argument, count);
}

}  // namespace ringlet

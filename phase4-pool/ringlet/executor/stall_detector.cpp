#include <ringlet/executor/stall_detector.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <execinfo.h>
#include <fcntl.h>
#include <string_view>
#include <ucontext.h>
#include <unistd.h>

namespace ringlet {

namespace {

constexpr int frames_max = 64;

// The detector whose turn goes on; null between turns. Not part of the signal's data, since a signal may come
// when its detector is gone.
constinit thread_local std::atomic<StallDetector*> watched = nullptr;

// A line, put together without anything that a signal handler may not call.
class Line {
public:
    Line& operator<<(std::string_view text) noexcept {
        std::size_t count = std::min(text.size(), text_.size() - size_);
        std::memcpy(text_.data() + size_, text.data(), count);
        size_ += count;
        return *this;
    }
    Line& operator<<(std::int64_t number) noexcept {
        std::array<char, 20> digits;
        auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number);
        return *this << std::string_view(digits.data(), end);
    }
    void write_to_stderr() const noexcept { static_cast<void>(!::write(STDERR_FILENO, text_.data(), size_)); }

private:
    std::array<char, 512> text_;
    std::size_t size_ = 0;
};

std::int64_t milliseconds(Duration duration) noexcept {
    return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

void print(const StallReport& report) noexcept {
    Line line;
    line << "ringlet: stall: a task of queue '" << report.queue << "' of executor '" << report.executor
         << (report.is_over ? "' has given the core back after " : "' has held the core for ")
         << milliseconds(report.held) << " ms";
    if (milliseconds(report.waited) > 0)
        line << " (and waited " << milliseconds(report.waited) << " ms for a CPU)";
    line << (report.is_over ? "\n" : ", at:\n");
    line.write_to_stderr();
    backtrace_symbols_fd(report.stack.data(), static_cast<int>(report.stack.size()), STDERR_FILENO);
}

std::atomic<StallHandler> stall_handler{&print};

// Where the thread was when the signal came; null if we do not know this processor.
const void* interrupted_at([[maybe_unused]] const void* context) noexcept {
#if defined(__x86_64__)
    auto address = static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP];
    return std::bit_cast<const void*>(address);
#elif defined(__aarch64__)
    return std::bit_cast<const void*>(static_cast<const ucontext_t*>(context)->uc_mcontext.pc);
#else
    return nullptr;
#endif
}

std::unexpected<StartError> refusal(int error) {
    return std::unexpected(StartError{std::error_code(error, std::generic_category()),
                                      std::string("cannot detect stalls: ") + std::strerror(error)});
}

}  // namespace

StallHandler set_stall_handler(StallHandler handler) noexcept { return stall_handler.exchange(handler); }

StallDetector::StallDetector(std::string executor, Duration limit)
    : executor_(std::move(executor)),
      limit_(limit),
      schedstat_(::open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)) {}

std::expected<std::unique_ptr<StallDetector>, StartError> StallDetector::make(std::string executor,
                                                                              Duration limit) {
    int signal = claim_signal();
    if (signal < 0) return refusal(EBUSY);
    auto detector = std::unique_ptr<StallDetector>(new StallDetector(std::move(executor), limit));
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = signal;
    event._sigev_un._tid = gettid();
    timer_t timer;
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) return refusal(errno);
    detector->timer_ = timer;
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, signal);
    pthread_sigmask(SIG_UNBLOCK, &ours, nullptr);
    // The first call loads the unwinder, which is nothing for a signal handler.
    std::array<void*, 1> frame;
    backtrace(frame.data(), static_cast<int>(frame.size()));
    return detector;
}

StallDetector::~StallDetector() {
    if (timer_) timer_delete(*timer_);
}

// The first real-time signal that is ours or that nobody handles; -1 if there is none. It stays ours. One
// that is blocked here is taken only if all are: it may be meant for a signalfd.
int StallDetector::claim_signal() noexcept {
    struct sigaction ours{};
    ours.sa_sigaction = &StallDetector::on_signal;
    ours.sa_flags = SA_SIGINFO | SA_RESTART;
    sigset_t blocked;
    pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
    for (bool may_be_blocked : {false, true}) {
        for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal) {
            struct sigaction theirs{};
            if (sigaction(signal, nullptr, &theirs) != 0) continue;
            if (theirs.sa_sigaction == ours.sa_sigaction) return signal;
            if (theirs.sa_handler != SIG_DFL || (sigismember(&blocked, signal) && !may_be_blocked)) continue;
            if (sigaction(signal, &ours, nullptr) == 0) return signal;
        }
    }
    return -1;
}

void StallDetector::begin_turn(const char* queue, CycleTime now) noexcept {
    queue_ = queue;
    began_ = now;
    watched.store(this, std::memory_order_release);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    // The two clocks may disagree by a thousandth: rather set the timer again than miss this turn.
    if (now + limit_ / 8 < fires_at_) return;
    waited_before_ = waited_for_cpu();
    arm(now, limit_);
}

bool StallDetector::end_turn(CycleTime now) noexcept {
    watched.store(nullptr, std::memory_order_release);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (!reported_) return false;
    report(held(now), true, {});
    reported_ = false;
    return true;
}

void StallDetector::on_signal(int, siginfo_t*, void* context) noexcept {
    int error = errno;
    if (StallDetector* detector = watched.load(std::memory_order_acquire)) detector->look(context);
    errno = error;
}

void StallDetector::look(void* context) noexcept {
    if (reported_) return;
    CycleTime now = CycleClock::now();
    Duration so_far = held(now);
    if (so_far < limit_) return arm(now, limit_ - so_far);
    std::array<void*, frames_max> stack;
    auto count = static_cast<std::size_t>(backtrace(stack.data(), frames_max));
    std::span frames = std::span(stack).first(count);
    // Without those of this handler.
    auto culprit = std::ranges::find(frames, interrupted_at(context));
    if (culprit != frames.end()) frames = frames.subspan(static_cast<std::size_t>(culprit - frames.begin()));
    reported_ = true;
    report(so_far, false, frames);
}

void StallDetector::report(Duration held, bool is_over, std::span<void* const> stack) const noexcept {
    stall_handler.load()({executor_.c_str(), queue_, held, waited_, is_over, stack});
}

// At most how long the turn has held a CPU, or slept on its own account.
Duration StallDetector::held(CycleTime now) noexcept {
    if (seen_ != began_) {
        seen_ = began_;
        waited_ = Duration::zero();
    }
    Duration waited = waited_for_cpu();
    waited_ += waited - waited_before_;
    waited_before_ = waited;
    return now - began_ - waited_;
}

void StallDetector::arm(CycleTime now, Duration wait) noexcept {
    fires_at_ = now + wait;
    auto seconds = std::chrono::duration_cast<std::chrono::seconds>(wait);
    itimerspec when{};
    when.it_value = {.tv_sec = seconds.count(), .tv_nsec = (wait - seconds).count()};
    timer_settime(*timer_, 0, &when, nullptr);
}

// In the life of this thread. /proc/thread-self/schedstat: time on a CPU, time waiting for one, slices.
Duration StallDetector::waited_for_cpu() const noexcept {
    std::array<char, 64> text;
    ssize_t count = schedstat_ ? pread(schedstat_.get(), text.data(), text.size(), 0) : 0;
    if (count <= 0) return Duration::zero();
    const char* end = text.data() + count;
    const char* second = std::find(static_cast<const char*>(text.data()), end, ' ');
    std::int64_t waited = 0;
    if (second != end) std::from_chars(second + 1, end, waited);
    return Duration(waited);
}

}  // namespace ringlet

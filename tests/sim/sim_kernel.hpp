// SimKernel: stands in for Linux under the unchanged runtime: rings, descriptors, time. Operations complete
// later, out of order, short, or not as hoped; one seeded generator decides. sim_calls.cpp leads the
// runtime's calls here.
//
// The road of an operation: take() -> attempt() now or later -> it moves bytes, or waits at its file until
// that changes
// -> complete(). Memory that an operation names is looked at each time it is used and when it completes.
//
// Threads: one. Whose call it is, of all simulated shards, says `shard`.
#pragma once

#include "faults.hpp"
#include "sim_ring.hpp"
#include "violation.hpp"

#include <map>
#include <string>
#include <unordered_map>

namespace sim {

inline Duration duration_of(const __kernel_timespec& wait) {
    return std::chrono::seconds(wait.tv_sec) + std::chrono::nanoseconds(wait.tv_nsec);
}

// Lets others run while a shard sleeps in a ring.
class Sleeper {
public:
    virtual ~Sleeper() = default;
    // Returns when the ring has news or the time has come; false: woken for nothing.
    virtual bool sleep(SimRing& ring, Time until) = 0;
    // Time passes in a shard that is awake: others may do something meanwhile.
    virtual void let_others() = 0;
};

class SimKernel {
public:
    explicit SimKernel(std::uint64_t seed);
    ~SimKernel();

    // The one that the runtime's calls reach.
    static inline SimKernel* current = nullptr;

    Chance chance;
    Faults faults;
    Log log;
    int shard = 0;
    // R54: operations of this kind never end, whatever is asked; 0: none is like that.
    unsigned stuck_opcode = 0;
    Sleeper* sleeper = nullptr;

    // Descriptors are numbered from here on, the lowest free number first, as in a real table.
    static constexpr int fd_first = 1 << 20;
    static bool is_ours(int fd) { return fd >= fd_first; }

    // Time.
    Time now() const { return now_; }
    // What is due until then happens on the way.
    void pass(Duration time);
    // The same in a shard that is awake, which takes note if it never sleeps.
    void run_on(Duration time);
    void begin_step() { passes_ = 0; }
    // To the next event, but not beyond `until`. False: nothing will ever happen, and there is no `until`.
    bool pass_to_next(Time until);
    bool has_events() const { return !events_.empty(); }

    // Descriptors. Each returns a number or -errno.
    int open(FilePtr file);
    int close(int fd);
    OpenFile* find(int fd);
    std::size_t descriptors() const { return descriptors_in_use_; }
    std::pair<int, int> pipe();
    int bind(int fd, std::uint16_t port);
    // How many bytes files may have from now on.
    std::size_t disk_capacity = SIZE_MAX;

    // Rings, as kernel.hpp declares them.
    int setup(unsigned entries, io_uring_params& params, io_uring& ring);
    void teardown(io_uring& ring);
    int enter(io_uring& ring, unsigned submit, unsigned wait_for, unsigned flags,
              const __kernel_timespec* timeout);
    int register_with(io_uring& ring, unsigned opcode, void* argument, unsigned count);

    // For a report: what has not ended, as events.
    void log_in_flight();
    std::size_t rings() const { return rings_.size(); }
    std::uint64_t completions() const { return completions_; }
    // How often an operation was tried.
    std::uint64_t attempts() const { return attempts_; }

private:
    // An operation in flight. Its address stays; its serial tells one from the next at the same place.
    struct Operation {
        std::uint32_t index;
        std::uint32_t serial = 0;
        bool active = false;
        bool is_due = false;  // an attempt stands in `events_`
        SimRing* ring = nullptr;
        io_uring_sqe entry{};
        FilePtr file;
        Time deadline{};  // of a timeout
        std::size_t moved = 0;
        std::optional<int> decided;  // its result, which is not told yet
    };
    struct Event {
        Time due;
        std::uint32_t tie;  // what is due together comes in any order
        std::uint32_t index;
        std::uint32_t serial;
        bool operator<(const Event& other) const {
            return due != other.due ? due > other.due : tie > other.tie;
        }
    };

    // Without a world it is a kernel at its best, as the contract's cases want it: what can be done at once
    // is.
    bool is_prompt() const { return sleeper == nullptr; }
    static SimRing& ring_of(const io_uring& ring) { return *static_cast<SimRing*>(ring.sq.ring_ptr); }
    Duration delay();
    bool sleep_in(SimRing& ring, const __kernel_timespec* timeout);
    Operation& new_operation();
    void take(SimRing& ring, const io_uring_sqe& entry);
    void schedule(Operation& operation, Time due);
    void run_due();
    void attempt(Operation& operation);
    void wait_for_change(Operation& operation);
    bool settle(Operation& operation, int result);
    // The last completion, or with IORING_CQE_F_MORE one of many.
    void complete(Operation& operation, int result, unsigned flags = 0);
    void post(SimRing& ring, std::uint64_t user_data, int result, unsigned flags);
    void release(Operation& operation);
    void wake_waiting(OpenFile& file);
    Operation* find_operation(SimRing& ring, std::uint64_t user_data);
    void run_task_work(int owner);
    void flush(SimRing& ring);
    void check_memory(const Operation& operation);

    Attempt perform(Operation& operation);
    Attempt move_bytes(Operation& operation);
    Attempt receive_selected(Operation& operation);
    Attempt accept(Operation& operation);
    Attempt connect(Operation& operation);
    Attempt open_path(const io_uring_sqe& entry);
    Attempt stat(Operation& operation);
    Attempt rename(const io_uring_sqe& entry);
    Attempt cancel(SimRing& ring, std::uint64_t user_data);
    Attempt update_timeout(SimRing& ring, const io_uring_sqe& entry);
    Attempt send_message(const io_uring_sqe& entry);
    Attempt poll(Operation& operation);
    std::uint16_t free_port();
    unsigned shortened(unsigned bytes);

    Time now_{std::chrono::seconds(1000)};
    std::vector<Event> events_;  // a heap, the next one first
    std::deque<Operation> operations_;
    std::vector<std::uint32_t> free_operations_;
    std::vector<FilePtr> files_;  // by number
    std::vector<bool> taken_;
    std::size_t descriptors_in_use_ = 0;
    std::map<std::uint16_t, Socket*> ports_;
    std::map<std::string, std::shared_ptr<Inode>> disk_;
    std::vector<std::unique_ptr<SimRing>> rings_;
    std::uint64_t completions_ = 0;
    std::uint64_t attempts_ = 0;
    std::uint64_t passes_ = 0;  // since the shard went on
    std::uint16_t last_port_ = 20000;
    unsigned flags_of_next_ = 0;  // of the completion that an attempt leads to
};

}  // namespace sim

#include "sim_kernel.hpp"

#include "memory.hpp"

#include <algorithm>
#include <cerrno>

namespace sim {

SimKernel::SimKernel(std::uint64_t seed) : chance(seed), faults(chance) { current = this; }

SimKernel::~SimKernel() { current = nullptr; }

// --- Time --------------------------------------------------------------------------------------------

void SimKernel::pass(Duration time) {
    Time end = now_ + time;
    while (!events_.empty() && events_.front().due <= end) run_due();
    now_ = std::max(now_, end);
}

void SimKernel::run_on(Duration time) {
    constexpr std::uint64_t far_too_many = 10'000'000;
    pass(time);
    if (++passes_ > far_too_many) violated("nothing spins", "a shard goes on and on without ever sleeping");
    if (sleeper && chance.once_in(64)) sleeper->let_others();
}

bool SimKernel::pass_to_next(Time until) {
    if (!events_.empty() && events_.front().due <= until) {
        run_due();
    } else if (until != Time::max()) {
        now_ = std::max(now_, until);
    } else {
        return false;
    }
    return true;
}

void SimKernel::run_due() {
    memory::Outside outside;
    std::pop_heap(events_.begin(), events_.end());
    Event event = events_.back();
    events_.pop_back();
    Operation& operation = operations_[event.index];
    if (operation.serial != event.serial) return;  // it has ended, or was put off
    now_ = std::max(now_, event.due);
    attempt(operation);
}

void SimKernel::schedule(Operation& operation, Time due) {
    operation.is_due = true;
    events_.push_back({due, static_cast<std::uint32_t>(chance.next()), operation.index, ++operation.serial});
    std::push_heap(events_.begin(), events_.end());
}

Duration SimKernel::delay() {
    if (!faults.is_on()) return std::chrono::nanoseconds(chance.below(2'000));
    if (faults.strikes(Fault::slow)) return std::chrono::microseconds(chance.below(100'000));
    return std::chrono::nanoseconds(chance.below(100'000));
}

// --- Rings -------------------------------------------------------------------------------------------

int SimKernel::setup(unsigned entries, io_uring_params& params, io_uring& ring) {
    memory::Outside outside;
    // Smaller than was asked for: to be full is what is to be seen.
    unsigned completions = faults.is_on() ? 2U << chance.below(6) : params.cq_entries;
    int fd = open(nullptr);
    auto made = std::make_unique<SimRing>(fd, entries, completions, params.flags, shard);
    made->attach(ring);
    files_[static_cast<std::size_t>(fd - fd_first)] = made->file;
    made->file->changed = [this](OpenFile& file) { wake_waiting(file); };
    rings_.push_back(std::move(made));
    return 0;
}

void SimKernel::teardown(io_uring& shared) {
    memory::Outside outside;
    SimRing& ring = ring_of(shared);
    for (Operation& operation : operations_) {
        // A request whose end nobody waits for has done its work when it was taken.
        bool is_awaited =
            operation.entry.user_data != ~0ULL && operation.entry.opcode != IORING_OP_ASYNC_CANCEL;
        if (operation.active && operation.ring == &ring && is_awaited && !is_prompt()) {
            violated("operations end before their ring", "closed with one in flight; its opcode follows",
                     operation.entry.opcode);
        }
    }
    // R19: also those that a cancelled operation had taken.
    if (!is_prompt() && ring.has_buffers() && ring.free_buffers() != ring.buffer_count()) {
        violated("buffers come back",
                 "so many of the group are in nobody's hands:", ring.buffer_count() - ring.free_buffers());
    }
    for (Operation& operation : operations_) {
        if (operation.active && operation.ring == &ring) release(operation);
    }
    close(ring.fd());
    std::erase_if(rings_, [&ring](const auto& other) { return other.get() == &ring; });
}

int SimKernel::enter(io_uring& shared, unsigned submit, unsigned wait_for, unsigned flags,
                     const __kernel_timespec* timeout) {
    memory::Outside outside;
    SimRing& ring = ring_of(shared);
    pass(std::chrono::nanoseconds(chance.between(100, 1000)));
    run_task_work(shard);
    if (faults.strikes(Fault::again)) return -EAGAIN;
    if (faults.strikes(Fault::busy)) return -EBUSY;
    unsigned taken = 0;
    for (bool stop = false; taken < submit && !stop; ++taken) {
        const io_uring_sqe* entry = ring.take_entry();
        if (!entry) break;
        take(ring, *entry);
        stop = faults.strikes(Fault::took_fewer);
    }
    if (flags & IORING_ENTER_GETEVENTS) flush(ring);
    // As the kernel: who could not submit all does not wait.
    if (wait_for == 0 || taken < submit) return static_cast<int>(taken);
    bool slept = sleep_in(ring, timeout);
    flush(ring);
    if (taken > 0 || ring.has_completions()) return static_cast<int>(taken);
    return slept ? -ETIME : -EINTR;
}

// False: interrupted.
bool SimKernel::sleep_in(SimRing& ring, const __kernel_timespec* timeout) {
    if (faults.strikes(Fault::interrupted)) return false;
    Time until = timeout ? now_ + duration_of(*timeout) : Time::max();
    log.add(now_, shard, "sleep", static_cast<std::uint64_t>(ring.fd()), 0);
    ring.is_asleep = true;
    run_task_work(shard);
    bool is_due = true;
    while (is_due && !ring.has_news() && now_ < until) {
        if (sleeper) {
            is_due = sleeper->sleep(ring, until);
        } else if (!pass_to_next(until)) {
            violated("no wake is lost", "a ring sleeps for ever");
        }
    }
    ring.is_asleep = false;
    log.add(now_, shard, "wake", static_cast<std::uint64_t>(ring.fd()), is_due);
    return is_due;
}

int SimKernel::register_with(io_uring& shared, unsigned opcode, void* argument, unsigned count) {
    memory::Outside outside;
    SimRing& ring = ring_of(shared);
    if (opcode == IORING_REGISTER_PBUF_RING && count == 1) {
        return ring.register_buffers(*static_cast<const io_uring_buf_reg*>(argument));
    }
    if (opcode == IORING_REGISTER_BUFFERS)
        return ring.register_memory({static_cast<const iovec*>(argument), count});
    return -EINVAL;
}

// Of rings that cooperate; those that defer have theirs done when they are entered themselves.
void SimKernel::run_task_work(int owner) {
    for (auto& ring : rings_) {
        if (ring->owner() != owner || !ring->cooperates() || !ring->has_news()) continue;
        if (ring->run_task_work()) faults.note(Fault::overflowed);
        wake_waiting(*ring->file);
    }
}

void SimKernel::flush(SimRing& ring) {
    if (ring.flush()) faults.note(Fault::overflowed);
}

void SimKernel::post(SimRing& ring, std::uint64_t user_data, int result, unsigned flags) {
    ++completions_;
    log.add(now_, ring.owner(), "completion", user_data, result);
    Completion completion{user_data, result, flags};
    auto owner_sleeps_in = [&ring](const auto& other) {
        return other->is_asleep && other->owner() == ring.owner();
    };
    bool comes_late = ring.defers() || (ring.cooperates() && std::ranges::none_of(rings_, owner_sleeps_in));
    if (comes_late) return ring.defer(completion);
    if (ring.publish(completion)) faults.note(Fault::overflowed);
    wake_waiting(*ring.file);
}

// --- Operations --------------------------------------------------------------------------------------

namespace {

bool is_multishot(const io_uring_sqe& entry) {
    switch (entry.opcode) {
        case IORING_OP_ACCEPT: return entry.ioprio & IORING_ACCEPT_MULTISHOT;
        case IORING_OP_RECV: return entry.ioprio & IORING_RECV_MULTISHOT;
        case IORING_OP_POLL_ADD: return entry.len & IORING_POLL_ADD_MULTI;
        default: return false;
    }
}

bool is_of_a_file(const io_uring_sqe& entry) {
    switch (entry.opcode) {
        case IORING_OP_ACCEPT:
        case IORING_OP_CONNECT:
        case IORING_OP_RECV:
        case IORING_OP_SEND:
        case IORING_OP_READ:
        case IORING_OP_WRITE:
        case IORING_OP_READ_FIXED:
        case IORING_OP_WRITE_FIXED:
        case IORING_OP_FSYNC:
        case IORING_OP_POLL_ADD: return true;
        default: return false;
    }
}

// What these do is done when they are taken; only the word of it may come late.
bool is_done_at_once(const io_uring_sqe& entry) {
    switch (entry.opcode) {
        case IORING_OP_OPENAT:
        case IORING_OP_CLOSE:
        case IORING_OP_ASYNC_CANCEL:
        case IORING_OP_TIMEOUT_REMOVE:
        case IORING_OP_MSG_RING: return true;
        default: return false;
    }
}

}  // namespace

void SimKernel::take(SimRing& ring, const io_uring_sqe& entry) {
    log.add(now_, shard, "submission", entry.user_data, entry.opcode);
    Operation& operation = new_operation();
    operation.ring = &ring;
    operation.entry = entry;
    OpenFile* file = is_of_a_file(entry) ? find(entry.fd) : nullptr;
    if (file) operation.file = files_[static_cast<std::size_t>(entry.fd - fd_first)];
    if (is_of_a_file(entry) && !file) operation.decided = -EBADF;
    if (is_done_at_once(entry)) operation.decided = *perform(operation);
    if (entry.opcode == IORING_OP_TIMEOUT) {
        operation.deadline = now_ + duration_of(*reinterpret_cast<const __kernel_timespec*>(entry.addr));
        return schedule(operation, operation.deadline + delay());
    }
    if (stuck_opcode != 0 && entry.opcode == stuck_opcode) return;
    // The kernel tries at once what it can; a busy one comes back to it later.
    if (is_prompt() || chance.once_in(2)) return attempt(operation);
    schedule(operation, now_ + delay());
}

SimKernel::Operation& SimKernel::new_operation() {
    if (free_operations_.empty()) {
        free_operations_.push_back(static_cast<std::uint32_t>(operations_.size()));
        operations_.emplace_back().index = free_operations_.back();
    }
    Operation& operation = operations_[free_operations_.back()];
    free_operations_.pop_back();
    ++operation.serial;
    operation.active = true;
    operation.moved = 0;
    operation.decided.reset();
    return operation;
}

void SimKernel::release(Operation& operation) {
    if (operation.file) std::erase(operation.file->waiting, operation.index);
    operation.active = operation.is_due = false;
    ++operation.serial;
    free_operations_.push_back(operation.index);
    // Last: to close a file may complete other operations.
    FilePtr last_holder = std::move(operation.file);
}

void SimKernel::attempt(Operation& operation) {
    ++attempts_;
    operation.is_due = false;
    ++operation.serial;  // an event that stands for it is void
    bool goes_on = true;
    while (goes_on) {
        flags_of_next_ = 0;
        Attempt result = operation.decided ? Attempt(*operation.decided) : perform(operation);
        if (!result) return wait_for_change(operation);
        goes_on = settle(operation, *result);
    }
}

void SimKernel::wait_for_change(Operation& operation) {
    if (operation.is_due) return;  // it tries again by itself
    bool may_wait = !operation.file->is_nonblocking || operation.entry.opcode == IORING_OP_POLL_ADD;
    if (!may_wait) return complete(operation, -EAGAIN);
    operation.file->waiting.push_back(operation.index);
}

// True: a multishot operation that has more to give at once.
bool SimKernel::settle(Operation& operation, int result) {
    bool has_more = result > 0 || (result == 0 && operation.entry.opcode == IORING_OP_ACCEPT);
    if (!is_multishot(operation.entry) || !has_more || operation.ring->is_full() ||
        faults.strikes(Fault::multishot_ended)) {
        complete(operation, result, flags_of_next_);
        return false;
    }
    post(*operation.ring, operation.entry.user_data, result, flags_of_next_ | IORING_CQE_F_MORE);
    if (operation.entry.opcode == IORING_OP_POLL_ADD) {
        operation.file->waiting.push_back(operation.index);
        return false;
    }
    if (is_prompt() || chance.once_in(2)) return true;
    schedule(operation, now_ + delay());
    return false;
}

void SimKernel::complete(Operation& operation, int result, unsigned flags) {
    check_memory(operation);
    SimRing& ring = *operation.ring;
    std::uint64_t user_data = operation.entry.user_data;
    // R15: by the time of the second one the slot has ended its operation, and perhaps begun another.
    bool is_ignored = user_data == ~0ULL;
    release(operation);
    post(ring, user_data, result, flags);
    if (!is_ignored && !(flags & IORING_CQE_F_BUFFER) && faults.strikes(Fault::stale)) {
        post(ring, user_data, -EIO, 0);
    }
}

void SimKernel::wake_waiting(OpenFile& file) {
    for (std::uint32_t index : std::exchange(file.waiting, {})) {
        schedule(operations_[index], now_ + delay());
    }
}

void SimKernel::log_in_flight() {
    for (const Operation& operation : operations_) {
        if (!operation.active) continue;
        const char* state = operation.is_due ? "in flight, due" : "in flight, waits";
        log.add(now_, operation.ring->owner(), state, operation.entry.user_data, operation.entry.opcode);
    }
}

SimKernel::Operation* SimKernel::find_operation(SimRing& ring, std::uint64_t user_data) {
    auto found = std::ranges::find_if(operations_, [&](const Operation& operation) {
        return operation.active && operation.ring == &ring && operation.entry.user_data == user_data;
    });
    return found == operations_.end() ? nullptr : &*found;
}

}  // namespace sim

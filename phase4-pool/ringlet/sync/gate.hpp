// Gate: who works behind it holds a Pass; closing it lets nobody in any more and waits until all have left.
// For a graceful end: stop taking requests, let those under way finish.
//
// Threads: owner thread only. Lifetimes: a Gate is a counted reference, and copies name the same gate; passes
// and waits may outlive them.
#pragma once

#include <ringlet/base/intrusive_list.hpp>
#include <ringlet/base/recycle.hpp>
#include <ringlet/executor/local_executor.hpp>
#include <ringlet/sync/closed.hpp>

#include <cstdint>
#include <expected>
#include <utility>

namespace ringlet {

class CloseGate;

// What all of them share.
struct GateState {
    std::uint64_t references = 0;
    std::uint64_t passes = 0;
    bool is_open = true;  // close() ends it for ever
    IntrusiveList<CloseGate> closers;

    bool is_closed() const noexcept { return !is_open && passes == 0; }

    static void* operator new(std::size_t bytes) { return recycle::allocate(bytes); }
    static void operator delete(void* state, std::size_t bytes) noexcept {
        recycle::deallocate(state, bytes);
    }
};

// A counted reference to it. Empty after a move.
class GateRef {
public:
    explicit GateRef(GateState* state) noexcept : state_(state) { ++state_->references; }
    GateRef(const GateRef& other) noexcept : GateRef(other.state_) {}
    GateRef(GateRef&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    GateRef& operator=(GateRef other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~GateRef() {
        if (state_ && --state_->references == 0) delete state_;
    }

    explicit operator bool() const noexcept { return state_ != nullptr; }
    GateState* operator->() const noexcept { return state_; }

private:
    GateState* state_;
};

// The gate waits for this to be dropped before it counts as closed.
class [[nodiscard]] Pass {
public:
    explicit Pass(GateRef gate) noexcept : gate_(std::move(gate)) { ++gate_->passes; }
    Pass(Pass&&) noexcept = default;
    Pass& operator=(Pass&& other) noexcept {
        std::swap(gate_, other.gate_);
        return *this;
    }
    ~Pass();

private:
    GateRef gate_;
};

// The wait for the last pass. Dropping it leaves the gate as it is: no longer open.
class [[nodiscard]] CloseGate : public ListNode {
public:
    using Output = std::expected<void, Closed>;

    CloseGate(GateRef gate, bool was_closed) noexcept : gate_(std::move(gate)), was_closed_(was_closed) {}
    CloseGate(CloseGate&& other) noexcept : gate_(std::move(other.gate_)), was_closed_(other.was_closed_) {
        RINGLET_CHECK(!other.is_linked(), "a wait for a gate was moved after it was polled");
    }
    ~CloseGate() {
        if (is_linked()) unlink();
    }

    Poll<Output> poll(Context& context) {
        if (was_closed_) return Output(std::unexpected(Closed{}));
        if (gate_->is_closed()) return Output();
        if (!is_linked()) gate_->closers.push_back(*this);
        waker_.remember(context.waker());
        return pending;
    }

private:
    friend class Pass;

    GateRef gate_;
    bool was_closed_;
    Waker waker_;
};

// A task and its pass, in this order, so that all of the task is gone when the pass goes.
template <class F>
struct PassHolder {
    Pass pass;
    F task;

    auto operator()() {
        if constexpr (Future<F>) {
            return std::move(task);
        } else {
            return task();
        }
    }
};

class Gate {
public:
    Gate() : state_(new GateState()) {}

    // Until close() is called.
    bool is_open() const noexcept { return state_->is_open; }
    // After close(), once the last pass is gone.
    bool is_closed() const noexcept { return state_->is_closed(); }

    std::expected<Pass, Closed> enter() const noexcept {
        if (!is_open()) return std::unexpected(Closed{});
        return Pass(state_);
    }

    // Spawns as spawn_local() does; the gate waits for the task, however it ends.
    template <Spawnable F>
    std::expected<JoinHandle<SpawnOutput<F>>, Closed> spawn(F&& task) const {
        auto pass = enter();
        if (!pass) return std::unexpected(Closed{});
        return spawn_local(PassHolder<std::decay_t<F>>{std::move(*pass), std::forward<F>(task)});
    }

    // Nobody enters from this call on, whatever becomes of its future, which is ready when the last pass is
    // gone. May be called again while passes are out, to wait once more; refused if the gate is_closed().
    CloseGate close() const noexcept {
        bool was_closed = is_closed();
        state_->is_open = false;
        return CloseGate(state_, was_closed);
    }

private:
    GateRef state_;
};

inline Pass::~Pass() {
    if (!gate_) return;
    --gate_->passes;
    if (!gate_->is_closed()) return;
    while (!gate_->closers.empty()) {
        CloseGate& closer = gate_->closers.front();
        closer.unlink();
        std::move(closer.waker_).wake();
    }
}

}  // namespace ringlet

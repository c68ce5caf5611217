#include <ringlet/reactor/timers.hpp>

#include <algorithm>

namespace ringlet {

Timers::~Timers() {
    for (Entry& entry : heap_) entry.timer->timers_ = nullptr;
}

void Timers::arm(Timer& timer, Time deadline, const Waker& waker) {
    timer.waker_.remember(waker);
    if (timer.is_armed()) return;
    heap_.push_back({deadline, &timer});
    timer.timers_ = this;
    timer.fired_ = false;
    sift_up(heap_.back(), heap_.size() - 1);
}

void Timers::expire(Time now) noexcept {
    while (!heap_.empty() && heap_.front().deadline <= now) {
        Timer& timer = *heap_.front().timer;
        remove(0);
        timer.fired_ = true;
        std::move(timer.waker_).wake();
    }
}

void Timers::place(Entry entry, std::size_t index) noexcept {
    heap_[index] = entry;
    entry.timer->index_ = static_cast<std::uint32_t>(index);
}

void Timers::sift_up(Entry entry, std::size_t index) noexcept {
    while (index > 0) {
        std::size_t parent = (index - 1) / arity;
        if (heap_[parent].deadline <= entry.deadline) break;
        place(heap_[parent], index);
        index = parent;
    }
    place(entry, index);
}

void Timers::sift_down(Entry entry, std::size_t index) noexcept {
    while (true) {
        std::size_t first = index * arity + 1;
        if (first >= heap_.size()) break;
        std::size_t last = std::min(first + arity, heap_.size());
        std::size_t least = first;
        for (std::size_t child = first + 1; child < last; ++child) {
            if (heap_[child].deadline < heap_[least].deadline) least = child;
        }
        if (entry.deadline <= heap_[least].deadline) break;
        place(heap_[least], index);
        index = least;
    }
    place(entry, index);
}

// Places the entry at `index`, or above or below, where its deadline belongs.
void Timers::sift(Entry entry, std::size_t index) noexcept {
    if (index > 0 && entry.deadline < heap_[(index - 1) / arity].deadline) {
        sift_up(entry, index);
    } else {
        sift_down(entry, index);
    }
}

void Timers::remove(std::size_t index) noexcept {
    heap_[index].timer->timers_ = nullptr;
    Entry last = heap_.back();
    heap_.pop_back();
    // The entry that fills the hole comes from the bottom, but not always from below the hole.
    if (index < heap_.size()) sift(last, index);
}

}  // namespace ringlet

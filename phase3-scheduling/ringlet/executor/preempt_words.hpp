// PreemptWords: where an executor looks to learn that something urgent waits. The reactor points them at
// the latency ring's memory, which the kernel writes; without a reactor they point at zeros for ever.
//
// Threads: owner thread only reads. Lifetimes: what they point at outlives the executor's last turn.
#pragma once

namespace ringlet {

struct PreemptWords {
    static constexpr unsigned quiet = 0;

    const unsigned* completion_head = &quiet;
    const unsigned* completion_tail = &quiet;
    const unsigned* submission_flags = &quiet;
    unsigned flags_mask = 0;  // of the flags that mean: the kernel has more completions

    // The kernel has delivered a completion that was not reaped, or says that it holds one back.
    bool is_set() const noexcept {
        return __atomic_load_n(completion_tail, __ATOMIC_RELAXED) != *completion_head ||
               (__atomic_load_n(submission_flags, __ATOMIC_RELAXED) & flags_mask) != 0;
    }
};

}  // namespace ringlet

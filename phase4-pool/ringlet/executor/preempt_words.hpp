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
    const unsigned* submission_flags = &quiet;  // each bit means: the kernel has more completions

    // The kernel has delivered a completion that was not reaped, or says that it holds one back.
    bool is_set() const noexcept {
        return ((once(completion_tail) ^ *completion_head) | once(submission_flags)) != 0;
    }

private:
    // A relaxed atomic load would do, but GCC takes that for a call that may change any memory, and a loop
    // then loads the pointers anew each time.
    static unsigned once(const unsigned* word) noexcept {
        return *static_cast<const volatile unsigned*>(word);
    }
};

}  // namespace ringlet

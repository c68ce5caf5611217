// PreemptWords: where an executor looks to learn that something urgent waits. The reactor points them at
// the latency ring's memory, which the kernel writes; without a reactor they point at zeros for ever.
//
// Threads: owner thread only reads. Lifetimes: what they point at outlives the executor's last turn.
#pragma once

#include <ringlet/base/thread_sanitizer.hpp>

#include <cstdint>

namespace ringlet {

struct PreemptWords {
    static constexpr unsigned quiet = 0;
    static constexpr std::uintptr_t no_mail = 0;

    const unsigned* completion_head = &quiet;
    const unsigned* completion_tail = &quiet;
    const unsigned* submission_flags = &quiet;  // each bit means: the kernel has more completions

    // What other threads write: not zero while there are messages.
    const std::uintptr_t* inbox = &no_mail;

    // The kernel has delivered a completion that was not reaped, or says that it holds one back; or another
    // thread has posted a message.
    bool is_set() const noexcept {
        return ((once(completion_tail) ^ *completion_head) | once(submission_flags) | once(inbox)) != 0;
    }

    bool has_mail() const noexcept { return once(inbox) != 0; }

private:
    // A relaxed atomic load would do, but GCC takes that for a call that may change any memory, and a loop
    // then loads the pointers anew each time.
    template <class Word>
    static Word once(const Word* word) noexcept {
#if defined(RINGLET_TSAN)
        return __atomic_load_n(word, __ATOMIC_RELAXED);  // the one access that would be reported
#else
        return *static_cast<const volatile Word*>(word);
#endif
    }
};

}  // namespace ringlet

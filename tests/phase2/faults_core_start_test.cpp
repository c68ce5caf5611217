// RELIABILITY rows 1 to 3: rings that the kernel refuses to make. Each case in a child process of its own,
// since seccomp filters, users and limits are for good.
#include "support.hpp"

#include <cstddef>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

using namespace support;

namespace {

// From now on io_uring_setup fails with `error`.
void block_io_uring(int error) {
    sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    sock_fprog program{.len = std::size(filter), .filter = filter};
    CHILD_REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHILD_REQUIRE(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
    io_uring_params params{};
    CHILD_REQUIRE(syscall(__NR_io_uring_setup, 8, &params) == -1);
    CHILD_REQUIRE(errno == error);
}

// The kernel counts locked memory per user: one that nobody else on this machine is.
void become_nobody(rlim_t memlock) {
    rlimit limit{memlock, memlock};
    uid_t user = 10'000 + static_cast<uid_t>(getpid()) % 50'000;
    CHILD_REQUIRE(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
    CHILD_REQUIRE(setgroups(0, nullptr) == 0);
    CHILD_REQUIRE(setgid(user) == 0);
    CHILD_REQUIRE(setuid(user) == 0);
}

// As the library makes its rings, in size.
int make_raw_ring(io_uring& ring, unsigned entries) {
    io_uring_params params{};
    params.flags = IORING_SETUP_CQSIZE;
    params.cq_entries = 16 * entries;
    return io_uring_queue_init_params(entries, &ring, &params);
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

void check_child(const ChildEnd& child) { CHECK_MESSAGE(child.exited_well(), child.errors); }

// Null if a ring can be refused for the memory that it takes: kernel 6.18 does so, 6.1 does not.
const char* why_not_refused() {
    if (!is_root()) return "only root can become a user whose memory is counted";
    auto child = run_in_child([] {
        become_nobody(0);
        io_uring raw{};
        CHILD_REQUIRE(make_raw_ring(raw, 8) == -ENOMEM);
    });
    return child.exited_well() ? nullptr : "this kernel does not count the memory of rings";
}

}  // namespace

TEST_CASE("R1: io_uring that is refused is an error with errno and cause, here and on a new thread") {
    struct Refusal {
        int error;
        const char* cause;
    };
    const Refusal refusals[] = {
        {EPERM, "blocked by a seccomp filter"},
        {ENOSYS, "this kernel has no io_uring"},
        {EINVAL, "io_uring is too old"},
        {EMFILE, "the limit of open files is reached"},
        {ENODEV, "No such device"},
    };
    for (const Refusal& refusal : refusals) {
        CAPTURE(refusal.error);
        check_child(run_in_child([&] {
            block_io_uring(refusal.error);
            auto executor = LocalExecutorBuilder().make();
            CHILD_REQUIRE(!executor);
            CHILD_REQUIRE(executor.error().code == std::error_code(refusal.error, std::generic_category()));
            CHILD_REQUIRE(executor.error().text.starts_with("cannot start io_uring: "));
            CHILD_REQUIRE(contains(executor.error().text, refusal.cause));
            bool ran = false;
            auto root = [&]() -> Co<void> {
                ran = true;
                co_return;
            };
            auto thread = LocalExecutorBuilder().spawn(root);
            CHILD_REQUIRE(!thread);
            CHILD_REQUIRE(thread.error().text == executor.error().text);
            CHILD_REQUIRE(!ran);
        }));
    }
}

TEST_CASE("R2: a ring over the locked memory limit is made smaller") {
    if (const char* reason = why_not_refused()) return skip(2, reason);
    check_child(run_in_child([] {
        become_nobody(64 << 10);
        io_uring raw{};
        CHILD_REQUIRE(make_raw_ring(raw, 4096) == -ENOMEM);
        auto executor = LocalExecutorBuilder().ring_depth(4096).make();
        CHILD_REQUIRE(executor);
        unsigned depth = reactor_of(**executor).ring().depth();
        CHILD_REQUIRE(depth >= 8 && depth < 4096);
        int done = 0;
        auto work = [&]() -> Co<void> {
            co_await round_trip();
            ++done;
        };
        (*executor)->run([&]() -> Co<void> {
            std::vector<JoinHandle<void>> tasks;
            for (int i = 0; i < 1000; ++i) tasks.push_back(spawn_local(work()));
            for (auto& task : tasks) co_await task;
        });
        CHILD_REQUIRE(done == 1000);
    }));
}

TEST_CASE("R2: a limit below the smallest ring is an error that states the bytes, and they are enough") {
    if (const char* reason = why_not_refused()) return skip(2, reason);
    static rlim_t needed = 0;
    constexpr const char* before_number = "leaves no room for io_uring, which needs ";
    auto text = run_in_child([] {
                    become_nobody(4096);
                    std::fputs(LocalExecutorBuilder().make().error().text.c_str(), stderr);
                }).errors;
    REQUIRE(contains(text, before_number));
    needed = std::stoul(text.substr(text.find(before_number) + std::strlen(before_number)));
    check_child(run_in_child([] {
        become_nobody(4096);
        io_uring raw{};
        CHILD_REQUIRE(make_raw_ring(raw, 8) == -ENOMEM);
        auto executor = LocalExecutorBuilder().make();
        CHILD_REQUIRE(!executor);
        CHILD_REQUIRE(executor.error().code == std::errc::not_enough_memory);
        CHILD_REQUIRE(contains(executor.error().text, "the locked memory limit of 4096 bytes"));
        CHILD_REQUIRE(contains(executor.error().text, "; raise it with 'ulimit -l'"));
    }));
    check_child(run_in_child([] {
        become_nobody(needed);
        auto executor = LocalExecutorBuilder().make();
        CHILD_REQUIRE(executor);
        CHILD_REQUIRE(reactor_of(**executor).ring().depth() == 8);
        (*executor)->run([] { return round_trip(); });
    }));
}

TEST_CASE("R3: rings made again and again outlast the late refund of their memory") {
    if (const char* reason = why_not_refused()) return skip(3, reason);
    check_child(run_in_child([] {
        // One ring of 128 entries fits, two do not.
        become_nobody(64 << 10);
        int refused = 0;
        for (int i = 0; i < 50; ++i) {
            io_uring raw{};
            int made = make_raw_ring(raw, 128);
            refused += made == -ENOMEM;
            if (made == 0) io_uring_queue_exit(&raw);
        }
        CHILD_REQUIRE(refused > 0);
        for (int i = 0; i < 50; ++i) {
            auto executor = LocalExecutorBuilder().ring_depth(128).make();
            CHILD_REQUIRE(executor);
            CHILD_REQUIRE(reactor_of(**executor).ring().depth() == 128);
            (*executor)->run([] { return round_trip(); });
        }
    }));
}

#include <ringlet/executor/trace_reader.hpp>

#include <map>
#include <unordered_map>
#include <utility>

namespace ringlet {

namespace {

// By number, which the kernel never changes (linux/io_uring.h, IORING_OP_*; only the reactor includes that).
constexpr const char* opcode_names[] = {"NOP",
                                        "READV",
                                        "WRITEV",
                                        "FSYNC",
                                        "READ_FIXED",
                                        "WRITE_FIXED",
                                        "POLL_ADD",
                                        "POLL_REMOVE",
                                        "SYNC_FILE_RANGE",
                                        "SENDMSG",
                                        "RECVMSG",
                                        "TIMEOUT",
                                        "TIMEOUT_REMOVE",
                                        "ACCEPT",
                                        "ASYNC_CANCEL",
                                        "LINK_TIMEOUT",
                                        "CONNECT",
                                        "FALLOCATE",
                                        "OPENAT",
                                        "CLOSE",
                                        "FILES_UPDATE",
                                        "STATX",
                                        "READ",
                                        "WRITE",
                                        "FADVISE",
                                        "MADVISE",
                                        "SEND",
                                        "RECV",
                                        "OPENAT2",
                                        "EPOLL_CTL",
                                        "SPLICE",
                                        "PROVIDE_BUFFERS",
                                        "REMOVE_BUFFERS",
                                        "TEE",
                                        "SHUTDOWN",
                                        "RENAMEAT",
                                        "UNLINKAT",
                                        "MKDIRAT",
                                        "SYMLINKAT",
                                        "LINKAT",
                                        "MSG_RING",
                                        "FSETXATTR",
                                        "SETXATTR",
                                        "FGETXATTR",
                                        "GETXATTR",
                                        "SOCKET",
                                        "URING_CMD",
                                        "SEND_ZC",
                                        "SENDMSG_ZC"};

}  // namespace

TraceReader::TraceReader(const Trace& trace)
    : trace_(trace), events_(trace.events()), links_(events_.size()) {
    link_spans();
    link_tasks();
    link_operations();
}

std::string TraceReader::operation_name(std::size_t i) const {
    const TraceEvent& event = events_[i];
    if (event.kind == TraceEvent::complete) return cause_of(i) == none ? "?" : operation_name(cause_of(i));
    std::string name = event.opcode < std::size(opcode_names) ? opcode_names[event.opcode]
                                                              : "opcode " + std::to_string(event.opcode);
    return event.flag ? name + " (runtime)" : name;
}

void TraceReader::link_spans() noexcept {
    std::size_t turn = none, run = none, poll = none, park = none;
    auto end = [this](std::size_t& begun, std::size_t at) {
        if (begun != none) links_[begun].end = at;
        begun = none;
    };
    for (std::size_t i = 0; i < events_.size(); ++i) {
        switch (events_[i].kind) {
            case TraceEvent::poll:
                end(poll, i);
                poll = i;
                break;
            case TraceEvent::park_begin: park = i; break;
            case TraceEvent::park_end: end(park, i); break;
            case TraceEvent::turn_begin:
                end(poll, i);
                turn = i;
                break;
            case TraceEvent::run:
                end(run, i);
                run = i;
                break;
            case TraceEvent::turn_end:
                end(run, i);
                end(turn, i);
                break;
            default: break;
        }
    }
}

void TraceReader::link_tasks() {
    struct Task {
        std::size_t number = 0;
        std::size_t wake = none;
    };
    std::unordered_map<std::uint64_t, Task> tasks;  // a new one may lie where an old one was
    std::size_t count = 0;
    for (std::size_t i = 0; i < events_.size(); ++i) {
        auto kind = events_[i].kind;
        if (kind != TraceEvent::spawn && kind != TraceEvent::wake && kind != TraceEvent::run) continue;
        Task& task = tasks[events_[i].subject];
        if (kind == TraceEvent::spawn || task.number == 0) task = {++count, none};
        links_[i].task = task.number;
        if (kind == TraceEvent::wake) task.wake = i;
        if (kind != TraceEvent::run || task.wake == none) continue;
        links_[i].cause = std::exchange(task.wake, none);
        links_[links_[i].cause].end = i;
    }
}

void TraceReader::link_operations() {
    std::map<std::pair<std::uint8_t, std::uint64_t>, std::size_t> in_flight;  // by ring and user data
    for (std::size_t i = 0; i < events_.size(); ++i) {
        const TraceEvent& event = events_[i];
        if (event.kind == TraceEvent::submit) in_flight[{event.ring, event.subject}] = i;
        if (event.kind != TraceEvent::complete) continue;
        auto submission = in_flight.find({event.ring, event.subject});
        if (submission == in_flight.end()) continue;
        links_[i].cause = submission->second;
        if (event.flag) continue;
        links_[submission->second].end = i;
        in_flight.erase(submission);
    }
}

}  // namespace ringlet

// DirectDevice: what an executor knows of a device whose files it reads and writes directly: whether their
// completions can be polled for. DmaFile::open asks for it, Reactor::submit_direct goes by it.
//
// Threads: owner thread only. Lifetimes: as long as its reactor, or as a file on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <sys/types.h>

namespace ringlet {

namespace sys {

// A size, a power of two: what lies within one aligned block of it can be polled for. 0: nothing can. As the
// device says of itself, in /sys/dev/block/MAJOR:MINOR/queue, because Linux 6.1 does not tell in time. A
// device that cannot poll it does not refuse (6.18 does, with EOPNOTSUPP), and the poller burns the core
// while it waits for the interrupt. And a polled read that must be split, for example one of 1 MiB on a
// device that takes 512 KiB at a time, never completes there. In a file of its own: a test may stand in for
// it.
std::size_t polled_block_bytes(dev_t device);

}  // namespace sys

class DirectDevice {
public:
    // `path`: of a file on it, for notices.
    DirectDevice(dev_t number, std::string path);

    bool polls() const noexcept { return polls_; }
    // Whether a read or write of this place can be polled for.
    bool polls(std::uint64_t position, std::size_t bytes) const noexcept {
        return polls_ && bytes > 0 && position / block_bytes_ == (position + bytes - 1) / block_bytes_;
    }

    // A file on it could not be polled for after all: the file system, or the kernel, cannot. Until another
    // file is opened, all of them wait for interrupts.
    void refuse(const char* why) noexcept;
    // Another file is opened: perhaps that one can.
    void reconsider() noexcept { polls_ = block_bytes_ > 0; }

private:
    void notice(const std::string& why) const;

    dev_t number_;
    std::string path_;
    std::size_t block_bytes_;
    bool polls_;
};

}  // namespace ringlet

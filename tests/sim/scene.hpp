// Scene: what the tasks of one simulated run share, and the expectations that several kinds of task have.
#pragma once

#include "sim_kernel.hpp"

#include <ringlet/base/error.hpp>
#include <ringlet/future/co.hpp>
#include <ringlet/runtime.hpp>

#include <cerrno>
#include <string>
#include <system_error>

namespace sim {

using namespace std::chrono_literals;
using ringlet::Co;

class Scene {
public:
    explicit Scene(SimKernel& kernel) : kernel(kernel), chance(kernel.chance) {}

    Duration up_to(Duration most) {
        return std::chrono::nanoseconds(chance.below(static_cast<unsigned>(most.count())));
    }
    // A number for each stream of bytes.
    unsigned next_stream() { return ++streams_; }
    static std::byte pattern(unsigned stream, std::size_t at) {
        return static_cast<std::byte>(at * 31 + (at >> 8) * 7 + stream * 101);
    }
    static std::string pattern(unsigned stream, std::size_t at, std::size_t bytes) {
        std::string text(bytes, '\0');
        for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>(pattern(stream, at + i));
        return text;
    }
    static void check_pattern(unsigned stream, std::size_t at, std::span<const std::byte> bytes) {
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            if (bytes[i] != pattern(stream, at + i))
                violated("bytes arrive whole and in order", "wrong at", at + i);
        }
    }

    // An error must be one that the kernel was told to make.
    void expect(std::error_code error) {
        bool is_expected = false;
        switch (error.value()) {
            case ECONNRESET:
            case EPIPE:
            case ENOTCONN: is_expected = has_struck(Fault::reset) || has_struck(Fault::no_descriptor); break;
            case EMFILE: is_expected = has_struck(Fault::no_descriptor); break;
            case EIO: is_expected = has_struck(Fault::io_error); break;
            case ENOSPC: is_expected = has_struck(Fault::full_disk); break;
            default: break;
        }
        if (error.value() == ECANCELED)
            violated("nothing ends cancelled that nobody cancelled", "an operation did");
        if (!is_expected)
            violated("errors are those of the kernel", "errno", static_cast<unsigned>(error.value()));
    }
    bool has_struck(Fault fault) const { return kernel.faults.counts()[static_cast<std::size_t>(fault)] > 0; }

    SimKernel& kernel;
    Chance& chance;
    std::uint64_t tasks = 0;
    std::uint64_t steps = 0;

private:
    unsigned streams_ = 0;
};

// A kind of task, of which a run starts as many as chance will have it.
using Kind = Co<void> (*)(Scene&);

}  // namespace sim

// SIGINT and SIGTERM as something to await: a descriptor that becomes readable when one arrives, in an
// Async<>. Not part of the library.
#pragma once

#include <ringlet/future/co.hpp>
#include <ringlet/reactor/async.hpp>

#include <cerrno>
#include <csignal>
#include <span>
#include <sys/signalfd.h>

inline const constinit ringlet::OperationCategory signalfd_category{"signalfd"};

class StopSignals {
public:
    // From now on the two signals do not end the process. Call it before there are other threads.
    static ringlet::Result<StopSignals> catch_them() {
        sigset_t both;
        sigemptyset(&both);
        sigaddset(&both, SIGINT);
        sigaddset(&both, SIGTERM);
        sigprocmask(SIG_BLOCK, &both, nullptr);
        ringlet::UniqueFd fd(signalfd(-1, &both, SFD_CLOEXEC));
        if (!fd) return ringlet::failure(signalfd_category, errno);
        auto adopted = ringlet::Async<>::adopt(std::move(fd));
        if (!adopted) return std::unexpected(adopted.error());
        return StopSignals(std::move(*adopted));
    }

    // The name of the next one to arrive.
    ringlet::Co<const char*> next() {
        signalfd_siginfo signal{};
        static_cast<void>(co_await fd_.read(std::as_writable_bytes(std::span(&signal, 1))));
        co_return signal.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM";
    }

private:
    explicit StopSignals(ringlet::Async<> fd) : fd_(std::move(fd)) {}

    ringlet::Async<> fd_;
};

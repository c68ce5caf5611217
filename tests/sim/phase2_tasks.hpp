// The kinds of task from phase 2 on: timers, sockets, files, cancellations. Each checks what it was promised.
#pragma once

#include "scene.hpp"

#include <ringlet/fs/buffered_file.hpp>
#include <ringlet/future/join.hpp>
#include <ringlet/future/select.hpp>
#include <ringlet/net/tcp.hpp>
#include <ringlet/reactor/async.hpp>
#include <ringlet/time/sleep.hpp>
#include <ringlet/time/timeout.hpp>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace sim {

using namespace ringlet;

// Beside tasks that work none can say; set where there are none.
inline Duration timer_slack = 1h;

// R38: once, and never early.
// R40: and not lost: when nothing else happens, the sleeper's own deadline has to end the sleep.
inline Co<void> sleeps(Scene& scene) {
    for (unsigned rounds = scene.chance.between(1, 4); rounds > 0; --rounds) {
        Time until = Clock::now() + scene.up_to(2ms);
        bool is_calm = !scene.kernel.faults.is_on();
        co_await sleep_until(until);
        // A refused enter naps for a millisecond, and other tasks may work.
        if (is_calm && Clock::now() - until > timer_slack) {
            violated("timers are in time", "late by ns",
                     static_cast<std::uint64_t>((Clock::now() - until).count()));
        }
        if (Clock::now() < until)
            violated("timers are never early", "woken so many ns before its time",
                     static_cast<std::uint64_t>((until - Clock::now()).count()));
    }
}

// So many that the heap has several levels, and some leave it from the middle.
inline Co<void> arms_many(Scene& scene) {
    std::vector<std::unique_ptr<Sleep>> sleeps;
    for (int i = 0; i < 30; ++i) {
        sleeps.push_back(std::make_unique<Sleep>(Clock::now() + scene.up_to(1ms)));
        co_await poll_fn([&sleeps](Context& context) -> Poll<void> {
            static_cast<void>(sleeps.back()->poll(context));
            return Unit{};
        });
    }
    std::erase_if(sleeps, [&scene](auto&) { return scene.chance.once_in(2); });
    std::ranges::sort(sleeps, {}, [](auto& sleep) { return sleep->deadline(); });
    for (auto& sleep : sleeps) {
        bool is_calm = !scene.kernel.faults.is_on() && Clock::now() < sleep->deadline();
        co_await *sleep;
        if (is_calm && Clock::now() - sleep->deadline() > timer_slack) {
            violated("timers are in time", "in a heap of many", 0);
        }
    }
}

inline Co<void> gives_up_sleeping(Scene& scene) {
    Time end = Clock::now() + scene.up_to(300us);
    bool slept = co_await timeout(end - Clock::now(), sleep(scene.up_to(300us)));
    if (!slept && Clock::now() < end) violated("timers are never early", "a timeout struck before its time");
}

inline Co<void> calls_nothing(Scene&) {
    operations::Nop nop;
    auto result = co_await Operation(nop);
    if (!result) violated("errors are those of the kernel", "a NOP failed");
}

// More at once than the queues hold (R7, R11).
inline Co<void> floods(Scene& scene) {
    std::vector<JoinHandle<void>> calls;
    for (unsigned count = scene.chance.between(2, 24); count > 0; --count) {
        ++scene.tasks;
        calls.push_back(spawn_local(calls_nothing(scene)));
    }
    for (auto& call : calls) co_await call;
}

// --- Streams -----------------------------------------------------------------------------------------

// One direction of a connection. What was sent without an error, up to the end, must arrive, unless there was
// one.
struct Direction {
    unsigned stream;
    std::size_t bytes;
    bool& failed;  // shared by those who talk with each other
    std::size_t received = 0;
};

inline Co<void> sends(Scene& scene, Stream& stream, Direction& direction) {
    std::size_t sent = 0;
    while (sent < direction.bytes) {
        std::size_t count = std::min<std::size_t>(direction.bytes - sent, scene.chance.between(1, 300));
        auto result = co_await stream.write_all(Scene::pattern(direction.stream, sent, count));
        if (!result.n) {
            direction.failed = true;
            scene.expect(result.n.error());
            co_return;
        }
        sent += *result.n;
        if (scene.chance.once_in(6)) co_await sleep(scene.up_to(100us));
    }
    if (!stream.shutdown_write()) direction.failed = true;
}

// By leases or copies; some reads are given up, which must lose nothing.
inline Co<std::optional<std::size_t>> reads_some(Scene& scene, Stream& stream, Direction& direction) {
    std::array<std::byte, 100> copy;
    Result<std::size_t> count = 0;
    switch (scene.chance.below(3)) {
        case 0: {
            auto lease = co_await stream.read_lease();
            if (lease) Scene::check_pattern(direction.stream, direction.received, bytes_of(*lease));
            count = lease ? Result<std::size_t>(lease->size()) : std::unexpected(lease.error());
            if (scene.chance.once_in(4)) co_await sleep(scene.up_to(50us));
            break;
        }
        case 1: {
            auto read = co_await timeout(scene.up_to(50us), stream.read(copy));
            if (!read) co_return std::nullopt;
            count = *read;
            if (count)
                Scene::check_pattern(direction.stream, direction.received, std::span(copy).first(*count));
            break;
        }
        default: {
            count = co_await stream.read(copy);
            if (count)
                Scene::check_pattern(direction.stream, direction.received, std::span(copy).first(*count));
        }
    }
    if (!count) {
        direction.failed = true;
        scene.expect(count.error());
        co_return 0;
    }
    co_return *count;
}

inline Co<void> receives(Scene& scene, Stream& stream, Direction& direction) {
    while (true) {
        std::optional<std::size_t> count = co_await reads_some(scene, stream, direction);
        if (!count) continue;
        if (*count == 0) break;
        direction.received += *count;
    }
}

inline Co<void> talks(Scene& scene, Stream stream, Direction& out, Direction& in) {
    co_await join(sends(scene, stream, out), receives(scene, stream, in));
    // Not before both have ended: of a reset only one of them is told, and the other sees the end.
    if (!in.failed && in.received != in.bytes) {
        violated("bytes arrive whole and in order", "the stream ended so many bytes early",
                 in.bytes - in.received);
    }
    if (scene.chance.once_in(2)) co_return;  // the destructor closes
    auto closed = co_await std::move(stream).close();
    if (!closed) scene.expect(closed.error());
}

inline Direction some_bytes(Scene& scene, bool& failed) {
    return {scene.next_stream(), scene.chance.below(1200), failed};
}

inline Co<void> talks_in_a_pair(Scene& scene) {
    auto ends = sys::socket_pair(SOCK_STREAM);
    bool failed = false;
    Direction there = some_bytes(scene, failed);
    Direction back = some_bytes(scene, failed);
    Stream left(SharedFd(std::move(ends->first)));
    Stream right(SharedFd(std::move(ends->second)));
    co_await join(talks(scene, std::move(left), there, back), talks(scene, std::move(right), back, there));
}

inline Co<void> calls_back(Scene& scene, TcpListener& listener, Direction& out, Direction& in) {
    while (true) {
        auto accepted = co_await timeout(scene.up_to(200us), listener.accept());
        if (!accepted) continue;  // given up, and asked again: nothing is lost
        if (!*accepted) {
            scene.expect(accepted->error());
            continue;
        }
        co_return co_await talks(scene, std::move(**accepted), out, in);
    }
}

inline Co<void> calls(Scene& scene, SocketAddress address, Direction& out, Direction& in) {
    auto stream = co_await TcpStream::connect(address);
    if (!stream) co_return scene.expect(stream.error());
    co_await talks(scene, std::move(*stream), out, in);
}

inline Co<void> talks_by_tcp(Scene& scene) {
    auto listener =
        TcpListener::bind(SocketAddress::loopback(0), static_cast<int>(scene.chance.between(1, 4)));
    auto address = listener->local_address();
    bool failed = false;
    Direction there = some_bytes(scene, failed);
    Direction back = some_bytes(scene, failed);
    // Who accepts may meet either of the callers, so that both say the same.
    std::array<Direction, 4> of_callers{there, back, there, back};
    std::array<Direction, 4> of_answers = of_callers;
    auto callers = join(calls(scene, *address, of_callers[0], of_callers[1]),
                        calls(scene, *address, of_callers[2], of_callers[3]));
    auto answers = join(calls_back(scene, *listener, of_answers[1], of_answers[0]),
                        calls_back(scene, *listener, of_answers[3], of_answers[2]));
    // A caller that found no descriptor never comes.
    auto enough = [](auto callers) -> Co<void> {
        co_await callers;
        co_await sleep(20ms);
    };
    co_await select(std::move(answers), enough(std::move(callers)));
}

inline Co<void> is_refused(Scene& scene) {
    auto stream = co_await TcpStream::connect(
        SocketAddress::loopback(static_cast<std::uint16_t>(scene.chance.between(1, 99))));
    if (stream || stream.error().value() != ECONNREFUSED) {
        violated("errors are those of the kernel", "connected to a port where nobody listens");
    }
}

// R25: an operation's own timeout cancels, and gives the data if any came first.
inline Co<void> receives_in_time(Scene& scene) {
    auto ends = sys::socket_pair(SOCK_STREAM);
    SharedFd from(std::move(ends->first));
    SharedFd to(std::move(ends->second));
    constexpr std::size_t bytes = 60;
    auto sending = [](Scene& scene, SharedFd socket) -> Co<void> {
        for (std::size_t sent = 0; sent < bytes; sent += 10) {
            co_await sleep(scene.up_to(100us));
            auto text = Scene::pattern(0, sent, 10);
            auto result = co_await Operation(operations::SendAll<std::string>(socket, std::move(text)));
            if (!result.n) co_return scene.expect(result.n.error());
        }
    };
    auto receiving = [](Scene& scene, SharedFd socket) -> Co<void> {
        std::size_t received = 0;
        while (received < bytes) {
            Operation receive(operations::Receive<std::string>(socket, std::string(17, '\0')));
            auto result = co_await std::move(receive).timeout(scene.up_to(100us));
            if (!result.n && result.n.error().value() == ETIMEDOUT) continue;
            if (!result.n) co_return scene.expect(result.n.error());
            if (*result.n == 0) co_return;  // reset, and told before
            Scene::check_pattern(0, received, bytes_of(result.buffer).first(*result.n));
            received += *result.n;
        }
    };
    co_await join(sending(scene, from), receiving(scene, to));
}

// R22: who waits goes, and its buffer stays until the kernel lets go.
inline Co<void> gives_up_receiving(Scene& scene) {
    auto ends = sys::socket_pair(SOCK_STREAM);
    SharedFd from(std::move(ends->first));
    SharedFd to(std::move(ends->second));
    for (unsigned rounds = scene.chance.between(1, 3); rounds > 0; --rounds) {
        Operation receive(operations::Receive<std::string>(to, std::string(200, '\0')));
        auto sending = Operation(operations::SendAll<std::string>(from, std::string(40, 'x')));
        co_await timeout(scene.up_to(30us), join(std::move(receive), std::move(sending)));
    }
}

// --- Files, pipes, tasks -----------------------------------------------------------------------------

inline Co<void> writes_a_file(Scene& scene) {
    unsigned id = scene.next_stream();
    auto file = co_await BufferedFile::open("file" + std::to_string(id), O_RDWR | O_CREAT);
    if (!file) co_return scene.expect(file.error());
    std::size_t written = 0;
    for (unsigned rounds = scene.chance.between(1, 4); rounds > 0; --rounds) {
        auto result = co_await file->write_all_at(Scene::pattern(id, written, 150), written);
        if (!result.n) {
            scene.expect(result.n.error());
            break;
        }
        written += *result.n;
    }
    for (std::size_t at = 0; at < written;) {
        auto result = co_await file->read_at(std::string(100, '\0'), at);
        if (!result.n) {
            scene.expect(result.n.error());
            break;
        }
        if (*result.n == 0)
            violated("bytes arrive whole and in order", "a file is shorter than what was written");
        std::size_t known = std::min(*result.n, written - at);
        Scene::check_pattern(id, at, bytes_of(result.buffer).first(known));
        at += *result.n;
    }
    auto closed = co_await std::move(*file).close();
    if (!closed) scene.expect(closed.error());
}

// R23: an open that is given up may have succeeded.
inline Co<void> gives_up_opening(Scene& scene) {
    auto opened = co_await timeout(scene.up_to(30us), BufferedFile::open("given up", O_RDWR | O_CREAT));
    if (opened && !*opened) scene.expect(opened->error());
}

inline Co<void> talks_through_a_pipe(Scene& scene) {
    auto [reader, writer] = scene.kernel.pipe();
    auto from = Async<>::adopt(UniqueFd(reader));
    auto to = Async<>::adopt(UniqueFd(writer));
    constexpr std::size_t bytes = 2000;
    auto writing = [](Async<> given) -> Co<void> {
        Async<> end = std::move(given);  // closed when all is written, and not when both are done
        std::string text = Scene::pattern(1, 0, bytes);
        for (std::size_t sent = 0; sent < bytes;) {
            auto count = co_await end.write(std::as_bytes(std::span(text)).subspan(sent));
            if (!count) violated("errors are those of the kernel", "a pipe failed");
            sent += *count;
        }
    };
    auto reading = [](Async<>& end) -> Co<void> {
        std::array<std::byte, 256> part;
        for (std::size_t received = 0;;) {
            auto count = co_await end.read(part);
            if (!count) violated("errors are those of the kernel", "a pipe failed");
            if (*count == 0 && received != bytes)
                violated("bytes arrive whole and in order", "a pipe ended early");
            if (*count == 0) co_return;
            Scene::check_pattern(1, received, std::span(part).first(*count));
            received += *count;
        }
    };
    co_await join(writing(std::move(*to)), reading(*from));
}

inline void check_open(const std::error_code& error) {
    if (error.value() == EBADF) violated("a close waits for what is in flight", "no descriptor");
}

inline Co<void> closes_soon(Scene& scene, std::shared_ptr<Stream> stream) {
    co_await sleep(scene.up_to(50us));
    auto closed = co_await std::move(*stream).close();
    if (!closed) check_open(closed.error());
}

// R26, R27: closed by one task while others wait for it: reads end, and close waits for what is in flight.
inline Co<void> closes_under_others(Scene& scene) {
    auto ends = sys::socket_pair(SOCK_STREAM);
    auto stream = std::make_shared<Stream>(SharedFd(std::move(ends->first)));
    Stream peer(SharedFd(std::move(ends->second)));
    auto writing = [](Stream& stream) -> Co<void> {
        auto sent = co_await stream.write_all(std::string(1200, 'x'));
        if (!sent.n) check_open(sent.n.error());
    };
    auto reading = [](Stream& stream) -> Co<void> {
        std::array<std::byte, 50> part;
        auto count = co_await stream.read(part);
        if (!count) check_open(count.error());
    };
    auto others = join(writing(*stream), reading(*stream));
    // A task of its own: beside the others it would be polled whenever one of them is.
    ++scene.tasks;
    auto task = spawn_local(closes_soon(scene, stream));
    co_await others;
    co_await task;
}

// What it gives owns memory: whoever does not take it must not leak it.
inline Co<std::string> answers(Scene& scene, int depth) {
    std::string text(20, 'x');
    if (depth == 0) co_return text;
    std::vector<JoinHandle<std::string>> children;
    for (int i = 0; i < 2; ++i) {
        ++scene.tasks;
        children.push_back(spawn_local(answers(scene, depth - 1)));
    }
    if (scene.chance.once_in(3)) co_await yield_now();
    if (scene.chance.once_in(5)) children.back().cancel();
    if (scene.chance.once_in(8)) children.pop_back();
    for (auto& child : children) text += (co_await child).value_or("");
    co_return text;
}

inline Co<void> has_children(Scene& scene) {
    std::string text = co_await answers(scene, static_cast<int>(scene.chance.below(3)));
    if (text.size() > 140) violated("a task ends once", "more answers than were spawned");
}

inline constexpr Kind phase2_kinds[] = {sleeps,        arms_many,          gives_up_sleeping,
                                        floods,        talks_in_a_pair,    talks_by_tcp,
                                        is_refused,    receives_in_time,   gives_up_receiving,
                                        writes_a_file, gives_up_opening,   talks_through_a_pipe,
                                        has_children,  closes_under_others};

}  // namespace sim

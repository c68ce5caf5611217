// The leaf helpers that came with the reactor: errors that name their operation, descriptors that close
// once, times that do not overflow.
#include "support.hpp"

#include <ringlet/base/error.hpp>
#include <ringlet/base/unique_fd.hpp>

using namespace support;

namespace {

const constinit OperationCategory accept_category{"accept"};
const constinit OperationCategory read_category{"read"};

bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

}  // namespace

TEST_CASE("an error's text names the operation and the reason") {
    Result<int> result = failure(accept_category, EMFILE);
    REQUIRE_FALSE(result);
    CHECK(result.error().message() == "accept: Too many open files");
    CHECK(result.error().value() == EMFILE);
    CHECK(std::string(result.error().category().name()) == "accept");
}

TEST_CASE("an error compares equal to std::errc, whatever the operation") {
    std::error_code accepting = failure(accept_category, ECONNRESET).error();
    std::error_code reading = failure(read_category, ECONNRESET).error();
    CHECK(accepting == std::errc::connection_reset);
    CHECK(reading == std::errc::connection_reset);
    CHECK(accepting != std::errc::timed_out);
    CHECK(accepting == std::error_condition(ECONNRESET, std::generic_category()));
    CHECK(accepting != reading);  // as codes: another operation failed
}

TEST_CASE("what the kernel returns becomes a count or an error") {
    CHECK(count_or_error(read_category, 0) == std::size_t{0});
    CHECK(count_or_error(read_category, 4096) == std::size_t{4096});
    CHECK(count_or_error(read_category, -EIO).error() == std::errc::io_error);
    CHECK(success_or_error(read_category, 0));
    CHECK(success_or_error(read_category, 7));
    CHECK(success_or_error(read_category, -ENOSPC).error().message() == "read: No space left on device");
}

TEST_CASE("a descriptor is closed with its owner, and not before") {
    Pipe pipe = make_pipe();
    int number = pipe.reader.get();
    {
        UniqueFd owner = std::move(pipe.reader);
        CHECK(owner.get() == number);
        CHECK_FALSE(pipe.reader);
        CHECK(is_open(number));
    }
    CHECK_FALSE(is_open(number));
}

TEST_CASE("a descriptor that was moved or released is not closed by the one it came from") {
    std::size_t before = open_descriptors();
    {
        Pipe pipe = make_pipe();
        UniqueFd first = std::move(pipe.reader);
        UniqueFd second;
        second = std::move(first);
        CHECK(second);
        CHECK_FALSE(first);
        UniqueFd released(pipe.writer.release());
        CHECK_FALSE(pipe.writer);
        CHECK(open_descriptors() == before + 2);
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("assigning to an owner closes what it had, once") {
    std::size_t before = open_descriptors();
    Pipe pipe = make_pipe();
    pipe.reader = std::move(pipe.writer);
    {
        UniqueFd gone = std::move(pipe.writer);
    }
    CHECK(open_descriptors() == before + 1);
    CHECK(put(pipe.reader.get(), "") == true);
    pipe.reader = UniqueFd();
    CHECK(open_descriptors() == before);
}

TEST_CASE("a wait beyond the end of time ends there") {
    Time now = Clock::now();
    CHECK(after(now, 1ms) - now == 1ms);
    CHECK(after(now, Duration::max()) == Time::max());
    CHECK(after(Time::max(), 1ns) == Time::max());
    CHECK(after(now, -1ms) < now);
}

// Copies a file through io_uring, several blocks at a time.
//
// Shows: files as futures; buffers that are moved into an operation and handed back with its result; short
// reads; several operations in flight, a task each; fsync; errors that name the operation and its errno.
//
//     copy_file FROM TO
//     copy_file FROM TO --in-flight 16 --block-kib 256
//
// Prints: copied 33554433 bytes with fsync, 8 blocks of 128 KiB in flight: 910 MiB/s
#include "arguments.hpp"

#include <ringlet/fs/buffered_file.hpp>
#include <ringlet/runtime.hpp>

#include <utility>

using namespace ringlet;

namespace {

struct Plan {
    std::string from;
    std::string to;
    unsigned blocks_in_flight;
    std::size_t block_bytes;
};

// The error is one line for people: which file, which operation, which errno.
template <class T>
using Outcome = std::expected<T, std::string>;

std::unexpected<std::string> failed(const std::string& path, std::error_code error) {
    return std::unexpected(path + ": " + error.message());
}

struct Files {
    Plan plan;
    BufferedFile source;
    BufferedFile target;
    std::uint64_t next_block = 0;  // position of the first that nobody has begun
    std::uint64_t bytes_copied = 0;
};

// Copies one block after another, until one lies behind the end of the file. Several of these run side by
// side: while one waits for the disk, the others go on. All are on one thread, so nothing needs a lock.
Co<Outcome<void>> copy_blocks(Files& files) {
    std::vector<std::byte> buffer;
    std::uint64_t position = 0;
    std::uint64_t block_end = 0;
    while (true) {
        if (position == block_end) {
            position = std::exchange(files.next_block, files.next_block + files.plan.block_bytes);
            block_end = files.next_block;
        }
        buffer.resize(block_end - position);  // less than a block after a short read
        auto read = co_await files.source.read_at(std::move(buffer), position);
        if (!read.n) co_return failed(files.plan.from, read.n.error());
        if (*read.n == 0) co_return Outcome<void>();
        auto written = co_await files.target.write_all_at(std::move(read.buffer), position, *read.n);
        if (!written.n) co_return failed(files.plan.to, written.n.error());
        position += *written.n;
        files.bytes_copied += *written.n;
        buffer = std::move(written.buffer);
    }
}

// Opening the target empties it: not if it is the source under another name.
bool is_same_file(const struct statx& a, const struct statx& b) {
    return a.stx_ino == b.stx_ino && a.stx_dev_major == b.stx_dev_major && a.stx_dev_minor == b.stx_dev_minor;
}

Co<Outcome<Files>> open_both(Plan plan) {
    auto source = co_await BufferedFile::open(plan.from);
    if (!source) co_return failed(plan.from, source.error());
    auto status = co_await source->stat();
    if (!status) co_return failed(plan.from, status.error());
    if (!S_ISREG(status->stx_mode)) co_return std::unexpected(plan.from + ": is not a regular file");
    auto existing = co_await ringlet::stat(plan.to);
    if (existing && is_same_file(*status, *existing)) {
        co_return std::unexpected(plan.from + " and " + plan.to + " are the same file");
    }
    auto target = co_await BufferedFile::create(plan.to, status->stx_mode & 0777);
    if (!target) co_return failed(plan.to, target.error());
    co_return Files{std::move(plan), std::move(*source), std::move(*target)};
}

// The number of bytes that are on the disk at the end.
Co<Outcome<std::uint64_t>> copy(Plan plan) {
    auto files = co_await open_both(std::move(plan));
    if (!files) co_return std::unexpected(files.error());
    std::vector<JoinHandle<Outcome<void>>> workers;
    for (unsigned i = 0; i < files->plan.blocks_in_flight; ++i) {
        workers.push_back(spawn_local(copy_blocks(*files)));
    }
    Outcome<void> copied;
    for (auto& worker : workers) {
        auto ended = co_await worker;
        if (copied) copied = *ended;
    }
    if (!copied) co_return std::unexpected(copied.error());
    if (auto synced = co_await files->target.fsync(); !synced)
        co_return failed(files->plan.to, synced.error());
    // A file system may keep the news of a failed write until here.
    auto closed = co_await std::move(files->target).close();
    if (!closed) co_return failed(files->plan.to, closed.error());
    co_return files->bytes_copied;
}

}  // namespace

int main(int argc, char** argv) {
    Arguments arguments(argc, argv, "copy_file FROM TO [--in-flight N] [--block-kib N]");
    unsigned in_flight = arguments.number("--in-flight", 8, 1, 1024);
    unsigned block_kib = arguments.number("--block-kib", 128, 1, 65536);
    std::vector<std::string> paths = arguments.words(2, 2);
    auto executor = LocalExecutorBuilder().name("copy_file").make();
    if (!executor) {
        std::fprintf(stderr, "copy_file: %s\n", executor.error().text.c_str());
        return 1;
    }
    Time start = Clock::now();
    Plan plan{paths[0], paths[1], in_flight, std::size_t{block_kib} * 1024};
    auto bytes = (*executor)->run(copy(std::move(plan)));
    if (!bytes) {
        std::fprintf(stderr, "copy_file: %s\n", bytes.error().c_str());
        return 1;
    }
    double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    std::printf("copied %llu bytes with fsync, %u blocks of %u KiB in flight: %.0f MiB/s\n",
                static_cast<unsigned long long>(*bytes), in_flight, block_kib,
                static_cast<double>(*bytes) / seconds / (1 << 20));
    return 0;
}

// Streams over direct files: all bytes in order, whatever the sizes; ends, errors, dropped calls.
#include "../phase2/loop_device.hpp"
#include "dma_support.hpp"

#include <ringlet/fs/dma_stream.hpp>

using namespace support;

namespace {

constexpr DmaStreamOptions small{.buffer_bytes = 8192, .buffers = 3};

std::span<const std::byte> bytes_of_text(std::string_view text) {
    return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

// In pieces of up to `piece_max` bytes.
Co<void> write_file(std::string path, std::string_view text, std::size_t piece_max) {
    DmaStreamWriter writer(value_of(co_await DmaFile::create(path)), small);
    std::mt19937_64 random(text.size());
    while (writer.position() < text.size()) {
        std::size_t bytes = random() % (piece_max + 1);
        value_of(co_await writer.write(bytes_of_text(text.substr(writer.position(), bytes))));
    }
    value_of(co_await std::move(writer).close());
}

Co<std::string> read_to_end(DmaStreamReader& reader, std::size_t piece) {
    std::string text;
    std::string buffer(piece, '\0');
    while (true) {
        std::size_t count = value_of(co_await reader.read(bytes_in(buffer)));
        CHECK(count <= piece);
        if (count == 0) co_return text;
        text += buffer.substr(0, count);
    }
}

Co<DmaStreamReader> reader_of(std::string path, std::uint64_t position = 0) {
    co_return DmaStreamReader(value_of(co_await DmaFile::open(path)), position, small);
}

}  // namespace

TEST_CASE("what is written as a stream is read as a stream, whatever the sizes") {
    in_each_folder([](const DiskFolder& folder) {
        for (std::size_t bytes : {0u, 1u, 511u, 512u, 4096u, 8191u, 8192u, 8193u, 24576u, 100'123u}) {
            CAPTURE(bytes);
            std::string text = pattern(bytes);
            run_io([&]() -> Co<void> {
                co_await write_file(folder / "file", text, 10'000);
                CHECK(content_of(folder / "file") == text);
                for (std::size_t piece : {100u, 4096u, 50'000u}) {
                    auto reader = co_await reader_of(folder / "file");
                    CHECK(co_await read_to_end(reader, piece) == text);
                    CHECK(reader.position() == text.size());
                    CHECK(co_await read_to_end(reader, piece) == "");
                    value_of(co_await std::move(reader).close());
                }
                co_await all_ended();
                CHECK(all_io_memory_is_free());
            });
        }
    });
}

TEST_CASE("a stream reads ahead and writes behind, as many buffers as it has") {
    in_each_folder([](const DiskFolder& folder) {
        std::string text = pattern(20 * 8192);
        run_io([&]() -> Co<void> {
            Reactor& reactor = Reactor::current();
            DmaStreamWriter writer(value_of(co_await DmaFile::create(folder / "file")), small);
            for (int i = 0; i < 3; ++i) {
                value_of(co_await writer.write(bytes_of_text(text.substr(i * 8192u, 8192))));
            }
            CHECK(reactor.in_flight() == 3);
            value_of(co_await writer.write(bytes_of_text(text.substr(3 * 8192))));
            CHECK(reactor.in_flight() <= 3);
            value_of(co_await std::move(writer).close());
            CHECK(content_of(folder / "file") == text);

            auto reader = co_await reader_of(folder / "file");
            auto first = reader.next_buffer();
            CHECK(!co_await poll_once(first));
            CHECK(reactor.in_flight() == 3);
            CHECK(value_of(co_await first).size() == 8192);
            value_of(co_await std::move(reader).close());
        });
    });
}

TEST_CASE("buffers are handed out without a copy, from any position on, and may be kept") {
    DiskFolder folder(usual_folder());
    std::string text = pattern(50'000);
    make_file(folder / "file", text);
    run_io([&]() -> Co<void> {
        for (std::uint64_t start : {0u, 1u, 8192u, 10'001u, 49'999u, 50'000u, 60'000u}) {
            auto reader = co_await reader_of(folder / "file", start);
            std::vector<ReadResult> parts;
            while (true) {
                ReadResult part = value_of(co_await reader.next_buffer());
                if (part.empty()) break;
                parts.push_back(std::move(part));
            }
            std::string got;
            for (const ReadResult& part : parts) got += part.text();
            CHECK(got == text.substr(std::min<std::uint64_t>(start, text.size())));
            if (start == 0) CHECK(parts.size() == 7);
        }
    });
}

TEST_CASE("a reader at the end goes on when the file has grown") {
    DiskFolder folder(usual_folder());
    std::string text = pattern(30'000);
    make_file(folder / "file", text.substr(0, 10'000));
    run_io([&]() -> Co<void> {
        auto reader = co_await reader_of(folder / "file");
        CHECK(co_await read_to_end(reader, 3000) == text.substr(0, 10'000));
        make_file(folder / "file", text);
        CHECK(co_await read_to_end(reader, 3000) == text.substr(10'000));
    });
}

TEST_CASE("a call that is dropped while it waits loses no bytes") {
    in_each_folder([](const DiskFolder& folder) {
        std::string text = pattern(200'000);
        run_io([&]() -> Co<void> {
            DmaStreamWriter writer(value_of(co_await DmaFile::create(folder / "file")), small);
            int dropped_writes = 0;
            while (writer.position() < text.size()) {
                auto rest = bytes_of_text(std::string_view(text).substr(writer.position()));
                auto writing = writer.write(rest);
                dropped_writes += !co_await poll_once(writing);
                co_await round_trip();
            }
            CHECK(dropped_writes > 0);
            value_of(co_await std::move(writer).close());
            CHECK(content_of(folder / "file") == text);

            auto reader = co_await reader_of(folder / "file");
            std::string got;
            int dropped_reads = 0;
            while (got.size() < text.size()) {
                auto reading = reader.next_buffer();
                auto ready = co_await polled(reading);
                dropped_reads += !ready;
                if (ready) got += value_of(std::move(*ready)).text();
                co_await round_trip();
            }
            CHECK(dropped_reads > 0);
            CHECK(got == text);
        });
    });
}

TEST_CASE("an error of an earlier write surfaces at a later one and at close, and the file is closed") {
    DiskFolder folder(usual_folder());
    auto child = run_in_child([&] {
        std::signal(SIGXFSZ, SIG_IGN);
        rlimit limit{53'248, 53'248};  // in the middle of a buffer, at a block
        CHILD_REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
        run_io([&]() -> Co<void> {
            std::string text = pattern(8192);
            static_cast<void>(co_await DmaFile::create(folder / "file"));  // the poll ring may be made
            std::size_t before = open_descriptors();
            DmaStreamWriter writer(value_of(co_await DmaFile::create(folder / "file")), small);
            Result<void> written;
            int taken = 0;
            for (; written && taken < 100; ++taken) written = co_await writer.write(bytes_of_text(text));
            CHILD_REQUIRE(taken > 6 && taken <= 6 + 4);  // as many as fit, and as are written behind
            CHILD_REQUIRE(error_text(written) == "write: File too large");
            std::uint64_t position = writer.position();
            CHILD_REQUIRE(!co_await writer.write(bytes_of_text(text)));
            CHILD_REQUIRE(writer.position() == position);
            auto closed = co_await std::move(writer).close();
            CHILD_REQUIRE(error_text(closed) == "write: File too large");
            CHILD_REQUIRE(open_descriptors() == before);
        });
    });
    CHECK_MESSAGE(child.exited_well(), child.errors);
}

TEST_CASE("an error of the last write is that of close") {
    DiskFolder folder(usual_folder());
    run_io([&]() -> Co<void> {
        make_file(folder / "file", "");
        static_cast<void>(co_await DmaFile::open(folder / "file"));  // the poll ring may be made
        std::size_t before = open_descriptors();
        DmaStreamWriter writer(value_of(co_await DmaFile::open(folder / "file")), small);  // to read only
        value_of(co_await writer.write(bytes_of_text("a few bytes")));
        CHECK(error_text(co_await std::move(writer).close()) == "write: Bad file descriptor");
        CHECK(open_descriptors() == before);
    });
}

TEST_CASE("a reader hands out what lies before a broken place, then the error, again and again") {
    if (!is_root()) return skip(33, "not root, so no loop device");
    DiskFolder folder(usual_folder());
    std::string text = pattern(1 << 20);
    make_file(folder / "image", text);
    UniqueFd image(open((folder / "image").c_str(), O_RDWR | O_CLOEXEC));
    LoopDevice device(image.get());
    if (!device.works()) return skip(33, "no loop device to be had");
    REQUIRE(ftruncate(image.get(), 24'576) == 0);
    run_io([&]() -> Co<void> {
        auto reader = co_await reader_of(device.path());
        std::string got;
        Result<ReadResult> part;
        while ((part = co_await reader.next_buffer()) && !part->empty()) got += part->text();
        CHECK(got == text.substr(0, 24'576));
        CHECK(error_text(part) == "read: Input/output error");
        CHECK(error_text(co_await reader.next_buffer()) == "read: Input/output error");
        CHECK(reader.position() == 24'576);
        value_of(co_await std::move(reader).close());
    });
}

TEST_CASE("a close that another task is left with ends the stream, which is gone by then") {
    in_each_folder([](const DiskFolder& folder) {
        std::string text = pattern(20'000);
        run_io([&]() -> Co<void> {
            std::optional<DmaStreamWriter> writer(std::in_place,
                                                  value_of(co_await DmaFile::create(folder / "file")), small);
            value_of(co_await writer->write(bytes_of_text(text)));
            auto writing = spawn_local(std::move(*writer).close());
            writer.reset();
            CHECK(error_text((co_await writing).value()) == "no error");
            CHECK(content_of(folder / "file") == text);

            std::optional reader(co_await reader_of(folder / "file"));
            CHECK(value_of(co_await reader->next_buffer()).size() == 8192);
            auto closing = spawn_local(std::move(*reader).close());
            reader.reset();
            CHECK(error_text((co_await closing).value()) == "no error");

            std::optional file(value_of(co_await DmaFile::open(folder / "file")));
            auto last = spawn_local(std::move(*file).close());
            file.reset();
            CHECK(error_text((co_await last).value()) == "no error");
        });
    });
}

TEST_CASE("streams dropped on their way leak nothing") {
    in_each_folder([](const DiskFolder& folder) {
        std::string text = pattern(100'000);
        make_file(folder / "source", text);
        run_io([&]() -> Co<void> {
            static_cast<void>(co_await DmaFile::open(folder / "source"));  // the poll ring may be made
            std::size_t before = open_descriptors();
            for (int i = 0; i < 20; ++i) {
                auto reader = co_await reader_of(folder / "source");
                DmaStreamWriter writer(value_of(co_await DmaFile::create(folder / "file")), small);
                auto part = value_of(co_await reader.next_buffer());
                value_of(co_await writer.write(part.bytes()));
                value_of(co_await writer.write(bytes_of_text(text.substr(0, i * 1000u))));
            }
            co_await all_ended();
            CHECK(open_descriptors() == before);
            CHECK(all_io_memory_is_free());
        });
    });
}

TEST_CASE("a stream may fill a device, whose size is not its to set") {
    if (!is_root()) return skip(0, "not root, so no loop device");
    DiskFolder folder(usual_folder());
    make_file(folder / "image", std::string(65'536, '\0'));
    UniqueFd image(open((folder / "image").c_str(), O_RDWR | O_CLOEXEC));
    LoopDevice device(image.get());
    if (!device.works()) return skip(0, "no loop device to be had");
    std::string text = pattern(65'536);
    run_io([&]() -> Co<void> {
        auto file = value_of(co_await DmaFile::open(device.path(), O_RDWR));
        CHECK(file.is_device());
        DmaStreamWriter writer(file, small);
        value_of(co_await writer.write(bytes_of_text(text)));
        file = value_of(co_await DmaFile::open(folder / "image"));
        CHECK_FALSE(file.is_device());
        value_of(co_await std::move(writer).close());
    });
    CHECK(content_of(folder / "image") == text);
}

TEST_CASE("buffers larger than there is memory for are refused, and not rounded to none") {
    DiskFolder folder(usual_folder());
    make_file(folder / "file", pattern(5000));
    run_io([&]() -> Co<void> {
        DmaStreamOptions options{.buffer_bytes = SIZE_MAX};
        DmaStreamReader reader(value_of(co_await DmaFile::open(folder / "file")), 0, options);
        CHECK_THROWS_AS(co_await reader.next_buffer(), std::bad_alloc);
        DmaStreamWriter writer(value_of(co_await DmaFile::create(folder / "other")), options);
        CHECK_THROWS_AS(co_await writer.write(bytes_of_text("x")), std::bad_alloc);
    });
}

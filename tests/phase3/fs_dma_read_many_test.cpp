// read_many: which ranges share a read, and that each gets its bytes, in order.
#include "dma_support.hpp"

#include <ringlet/fs/read_many.hpp>

using namespace support;

namespace {

constexpr std::uint64_t file_bytes = 1'000'001;

// The number of reads, if all is as it should be.
Co<std::size_t> read_all(std::string path, std::vector<ReadRange> ranges, ReadManyLimits limits = {}) {
    static const std::string text = pattern(file_bytes);
    auto file = value_of(co_await DmaFile::open(path));
    ReadMany many = read_many(file, ranges, limits);
    for (const ReadRange& wanted : ranges) {
        auto next = co_await many.next();
        REQUIRE(next);
        REQUIRE(next->range.position == wanted.position);
        REQUIRE(next->range.bytes == wanted.bytes);
        std::string_view expected = text;
        expected = expected.substr(std::min<std::uint64_t>(wanted.position, text.size()), wanted.bytes);
        REQUIRE(value_of(next->bytes).text() == expected);
    }
    CHECK(!co_await many.next());
    CHECK(!co_await many.next());
    co_return many.reads();
}

std::size_t reads_of(const std::string& path, std::vector<ReadRange> ranges, ReadManyLimits limits = {}) {
    return run_io([&] { return read_all(path, ranges, limits); });
}

}  // namespace

TEST_CASE("ranges that overlap, touch, repeat or lie near each other share a read; others do not") {
    in_each_folder([](const DiskFolder& folder) {
        std::string path = folder / "file";
        make_file(path, pattern(file_bytes));
        CHECK(reads_of(path, {}) == 0);
        CHECK(reads_of(path, {{5, 10}}) == 1);
        CHECK(reads_of(path, {{5, 10}, {5, 10}, {0, 100}}) == 1);
        CHECK(reads_of(path, {{0, 4096}, {4096, 4096}, {8192, 10}}) == 1);
        CHECK(reads_of(path, {{0, 4096}, {4096 + 4000, 100}}) == 1);
        CHECK(reads_of(path, {{0, 4096}, {4096 + 10'000, 100}}) == 2);
        CHECK(reads_of(path, {{50'000, 100}, {46'000, 100}, {42'000, 100}}) == 1);          // backwards
        CHECK(reads_of(path, {{0, 100}, {500'000, 100}, {50, 100}, {500'050, 100}}) == 4);  // neighbours only
        CHECK(reads_of(path, {{10, 0}, {999'990, 100}, {2'000'000, 100}}) ==
              3);  // empty, at the end, past it
    });
}

TEST_CASE("the limits of merging are kept, but one range is never split") {
    DiskFolder folder(usual_folder());
    std::string path = folder / "file";
    make_file(path, pattern(file_bytes));
    ReadManyLimits limits{.merged_bytes_max = 16384, .gap_bytes_max = 0};
    CHECK(reads_of(path, {{0, 8192}, {8192, 8192}}, limits) == 1);
    CHECK(reads_of(path, {{0, 8192}, {8192, 8192}, {16384, 1}}, limits) == 2);
    CHECK(reads_of(path, {{0, 4096}, {8192, 4096}}, limits) == 2);
    CHECK(reads_of(path, {{0, 100'000}}, limits) == 1);
    CHECK(reads_of(path, {{0, 100'000}, {99'000, 10}, {100'000, 8192}}, limits) == 2);
    CHECK(reads_of(path, {{0, 10}, {20, 10}, {100, 10}}, {.merged_bytes_max = 0}) == 1);  // one block
}

TEST_CASE("no more memory is in flight than allowed, but always one read") {
    in_each_folder([](const DiskFolder& folder) {
        std::string path = folder / "file";
        make_file(path, pattern(file_bytes));
        std::vector<ReadRange> ranges;
        for (std::uint64_t i = 0; i < 20; ++i) ranges.push_back({i * 40'000, 8192});
        for (std::size_t limit : {0u, 50'000u, 1'000'000u}) {
            CAPTURE(limit);
            run_io([&]() -> Co<void> {
                auto file = value_of(co_await DmaFile::open(path));
                ReadMany many = read_many(file, ranges, {.in_flight_bytes_max = limit});
                auto first = many.next();
                CHECK(!co_await poll_once(first));
                std::size_t expected = limit == 0 ? 1 : limit == 50'000 ? 5 : 20;
                CHECK(Reactor::current().in_flight() == expected);
                CHECK(co_await first);
                // With each range that is handed out, the next read may begin.
                for (std::size_t handed_out = 1; handed_out <= ranges.size(); ++handed_out) {
                    Reactor& reactor = Reactor::current();
                    std::size_t begun = reactor.stats().fixed + reactor.poll_stats().fixed;
                    CHECK(begun == std::min(ranges.size(), handed_out - 1 + expected));
                    CHECK(reactor.in_flight() <= expected);
                    CHECK((co_await many.next()).has_value() == (handed_out < ranges.size()));
                }
            });
        }
    });
}

TEST_CASE("random ranges get their bytes under random limits") {
    in_each_folder([](const DiskFolder& folder) {
        std::string path = folder / "file";
        make_file(path, pattern(file_bytes));
        std::mt19937_64 random(5);
        for (int round = 0; round < 30; ++round) {
            std::vector<ReadRange> ranges;
            std::uint64_t position = random() % 10'000;
            for (std::uint64_t i = random() % 60; i > 0; --i) {
                ranges.push_back({position, random() % 20'000});
                position = random() % 4 ? position + random() % 30'000 : random() % 1'100'000;
            }
            ReadManyLimits limits{.merged_bytes_max = random() % 200'000,
                                  .gap_bytes_max = random() % 20'000,
                                  .in_flight_bytes_max = random() % 300'000};
            CHECK(reads_of(path, ranges, limits) <= ranges.size());
        }
    });
}

TEST_CASE("an error is that of each range in the read, and the others get their bytes") {
    DiskFolder folder(usual_folder());
    make_file(folder / "file", pattern(file_bytes));
    run_io([&]() -> Co<void> {
        auto file = value_of(co_await DmaFile::open(folder / "file"));
        // No file reaches so far: the kernel refuses the position.
        constexpr std::uint64_t beyond = 1ULL << 63;
        std::vector<ReadRange> ranges{{0, 10}, {beyond, 10}, {beyond + 20, 10}, {100, 10}};
        ReadMany many = read_many(file, ranges);
        CHECK(many.reads() == 3);
        CHECK((co_await many.next())->bytes);
        CHECK(error_text((co_await many.next())->bytes) == "read: Invalid argument");
        CHECK(error_text((co_await many.next())->bytes) == "read: Invalid argument");
        CHECK(value_of((co_await many.next())->bytes).text() == pattern(file_bytes).substr(100, 10));
        CHECK(!co_await many.next());
    });
}

TEST_CASE("views outlive the ReadMany, and one that is dropped on its way leaks nothing") {
    in_each_folder([](const DiskFolder& folder) {
        std::string path = folder / "file";
        make_file(path, pattern(file_bytes));
        run_io([&]() -> Co<void> {
            auto file = value_of(co_await DmaFile::open(path));
            ReadResult view;
            {
                std::vector<ReadRange> ranges{{10, 100}, {50, 100}, {300'000, 100}, {600'000, 100}};
                ReadMany many = read_many(file, ranges);
                view = value_of((co_await many.next())->bytes);
                auto dropped = many.next();
                static_cast<void>(co_await poll_once(dropped));
            }
            co_await all_ended();
            CHECK(view.text() == pattern(file_bytes).substr(10, 100));
            CHECK(!all_io_memory_is_free());
            view = ReadResult();
            CHECK(all_io_memory_is_free());
        });
    });
}

TEST_CASE("a range of more bytes than there is memory for is refused, and not taken for an empty one") {
    DiskFolder folder(usual_folder());
    make_file(folder / "file", pattern(8192));
    run_io([&]() -> Co<void> {
        auto file = value_of(co_await DmaFile::open(folder / "file"));
        CHECK_THROWS_AS(read_many(file, {{4096, SIZE_MAX}}), std::bad_alloc);
    });
}

TEST_CASE("a read that is cut short is not the end of the file for the ranges behind the cut") {
    in_each_folder([](const DiskFolder& folder) {
        std::string path = folder / "file";
        std::string text = pattern(16'384);
        make_file(path, text.substr(0, 4096));
        run_io([&]() -> Co<void> {
            auto file = value_of(co_await DmaFile::open(path, O_RDWR));
            ReadMany many = read_many(file, {{0, 4096}, {4096, 4096}, {8192, 100}, {20'000, 100}});
            CHECK(many.reads() == 2);
            CHECK(value_of((co_await many.next())->bytes).text() == text.substr(0, 4096));
            // The read has ended there; now the file goes on.
            auto written = co_await file.write_all_at(buffer_of(file, text.substr(4096)), 4096);
            value_of(std::move(written.n));
            {
                auto dropped = many.next();
                CHECK_FALSE(co_await poll_once(dropped));
            }
            CHECK(value_of((co_await many.next())->bytes).text() == text.substr(4096, 4096));
            CHECK(value_of((co_await many.next())->bytes).text() == text.substr(8192, 100));
            CHECK(value_of((co_await many.next())->bytes).empty());
            CHECK(!co_await many.next());
        });
    });
}

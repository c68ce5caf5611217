// The contract: receives that go on, into buffers that the kernel picks.
#include "contract_support.hpp"

using namespace sim_contract;

namespace {

// Takes what the receive brings until it ends; gives the last completion.
Completion receive_to_end(TestRing& ring, Buffers& buffers, std::uint64_t id, std::string& heard) {
    while (true) {
        Completion completion = ring.wait_for(id);
        if (completion.result > 0) heard += buffers.take(completion);
        if (!goes_on(completion)) return completion;
    }
}

}  // namespace

TEST_CASE("a receive that goes on brings each arrival in a buffer of the group, and goes on") {
    Buffers buffers(8, 64);
    Pair pair = unix_pair();
    TestRing ring;
    buffers.give_to(ring);
    buffers.start_receive(ring, 1, pair.ours);
    for (std::string text : {"one", "two", "three", "four"}) {
        CHECK(ring.still_waits(1));
        CHECK(ring.send(pair.theirs, text) == static_cast<int>(text.size()));
        Completion completion = ring.wait_for(1);
        CHECK(goes_on(completion));
        CHECK(buffers.take(completion) == text);
    }
}

TEST_CASE(
    "more than fits into one buffer comes in several, in order; each is one that the kernel was given") {
    Buffers buffers(16, 8);
    Pair pair = unix_pair();
    TestRing ring;
    buffers.give_to(ring);
    std::string text = pattern(100);
    CHECK(ring.send(pair.theirs, text) == 100);
    buffers.start_receive(ring, 1, pair.ours);
    std::string heard;
    std::set<unsigned> ids;
    while (heard.size() < text.size()) {
        Completion completion = ring.wait_for(1);
        REQUIRE(goes_on(completion));
        heard += buffers.text(completion);
        CHECK(ids.insert(Buffers::id_of(completion)).second);
    }
    CHECK(heard == text);
}

TEST_CASE("without a buffer a receive ends with ENOBUFS; armed anew with new ones it goes on, no byte lost") {
    Buffers buffers(4, 8);
    Pair pair = unix_pair();
    TestRing ring;
    buffers.give_to(ring);
    std::string text = pattern(48);
    CHECK(ring.send(pair.theirs, text) == 48);
    buffers.start_receive(ring, 1, pair.ours);
    std::string heard;
    std::vector<unsigned> ids;
    Completion completion;
    while (goes_on(completion = ring.wait_for(1))) {
        heard += buffers.text(completion);
        ids.push_back(Buffers::id_of(completion));
    }
    CHECK(completion.result == -ENOBUFS);
    CHECK_FALSE(Buffers::is_in(completion));
    CHECK(ids.size() == 4);
    CHECK(heard == text.substr(0, 32));
    for (unsigned id : ids) buffers.provide(id);
    buffers.start_receive(ring, 1, pair.ours);
    while (heard.size() < text.size()) heard += buffers.take(ring.wait_for(1));
    CHECK(heard == text);
    CHECK(ring.still_waits(1));
}

TEST_CASE("a receive that finds the group empty from the start ends with ENOBUFS as soon as data is there") {
    Buffers buffers(1, 8);
    Pair pair = unix_pair();
    Pair other = unix_pair();
    TestRing ring;
    buffers.give_to(ring);
    buffers.start_receive(ring, 1, pair.ours);
    CHECK(ring.send(pair.theirs, "takes it") == 8);
    Completion only = ring.wait_for(1);
    CHECK(buffers.text(only) == "takes it");
    CHECK(ring.send(other.theirs, "waits") == 5);
    buffers.start_receive(ring, 2, other.ours);
    CHECK(ring.result_of(2) == -ENOBUFS);
    buffers.provide(Buffers::id_of(only));
    buffers.start_receive(ring, 2, other.ours);
    CHECK(buffers.take(ring.wait_for(2)) == "waits");
}

TEST_CASE("the end of the stream ends a receive that goes on, with 0, after all bytes; no buffer is lost") {
    Buffers buffers(2, 8);
    TestRing ring;
    buffers.give_to(ring);
    for (int round = 0; round < 8; ++round) {
        Pair pair = unix_pair();
        buffers.start_receive(ring, 1, pair.ours);
        CHECK(ring.send(pair.theirs, "bye") == 3);
        pair.theirs = UniqueFd();
        std::string heard;
        Completion last = receive_to_end(ring, buffers, 1, heard);
        CHECK(last.result == 0);
        if (Buffers::is_in(last)) buffers.provide(Buffers::id_of(last));
        CHECK(heard == "bye");
    }
}

TEST_CASE("a receive that goes on ends when it is cancelled; no buffer is lost, and what comes later stays") {
    Buffers buffers(2, 8);
    Pair pair = unix_pair();
    TestRing ring;
    buffers.give_to(ring);
    for (int round = 0; round < 8; ++round) {
        buffers.start_receive(ring, 1, pair.ours);
        CHECK(ring.still_waits(1));
        CHECK(ring.cancel(1) == 0);
        Completion last = ring.wait_for(1);
        CHECK(last.result == -ECANCELED);
        CHECK_FALSE(goes_on(last));
        if (Buffers::is_in(last)) buffers.provide(Buffers::id_of(last));
    }
    CHECK(ring.send(pair.theirs, "16 bytes, two of") == 16);
    buffers.start_receive(ring, 1, pair.ours);
    std::string heard;
    while (heard.size() < 16) heard += buffers.take(ring.wait_for(1));
    CHECK(heard == "16 bytes, two of");
}

TEST_CASE("with the completion queue full a receive ends with a good result; armed anew, no byte is lost") {
    Buffers buffers(64, 64);
    Pair pair = unix_pair();
    TestRing ring(1);
    buffers.give_to(ring);
    std::string text = pattern(40 * 64);
    CHECK(ring.send(pair.theirs, text) == 40 * 64);
    buffers.start_receive(ring, 1, pair.ours);
    std::string heard;
    Completion last = receive_to_end(ring, buffers, 1, heard);
    CHECK(last.result > 0);
    CHECK(heard.size() < text.size());
    while (heard.size() < text.size()) {
        buffers.start_receive(ring, 1, pair.ours);
        while (heard.size() < text.size()) {
            Completion completion = ring.wait_for(1);
            REQUIRE(completion.result > 0);
            heard += buffers.take(completion);
            if (!goes_on(completion)) break;
        }
    }
    CHECK(heard == text);
}

TEST_CASE("receives on several sockets share one group, and each gets its own bytes") {
    Buffers buffers(4, 16);
    Pair pairs[3] = {unix_pair(), unix_pair(), unix_pair()};
    TestRing ring;
    buffers.give_to(ring);
    for (std::uint64_t i = 0; i < 3; ++i) buffers.start_receive(ring, i, pairs[i].ours);
    for (int round = 0; round < 5; ++round) {
        for (std::uint64_t i = 0; i < 3; ++i) CHECK(ring.send(pairs[i].theirs, std::to_string(100 + i)) == 3);
        for (std::uint64_t i = 0; i < 3; ++i)
            CHECK(buffers.take(ring.wait_for(i)) == std::to_string(100 + i));
    }
}

TEST_CASE("a reset ends a receive that goes on with ECONNRESET") {
    Buffers buffers(4, 16);
    TestRing ring;
    Pair pair = tcp_pair(ring);
    buffers.give_to(ring);
    buffers.start_receive(ring, 1, pair.ours);
    CHECK(ring.send(pair.ours, "nobody will read this") == 21);
    CHECK(ring.run(io_uring_prep_poll_add, pair.theirs.get(), POLLIN) == POLLIN);
    pair.theirs = UniqueFd();
    Completion last = ring.wait_for(1);
    CHECK(last.result == -ECONNRESET);
    CHECK_FALSE(goes_on(last));
}

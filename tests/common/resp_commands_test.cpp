// The commands of common/resp, as a connection meets them: what each replies and refuses, the memory limit,
// and that neither the number of shards nor the cutting of the bytes changes a reply. What is expected here
// is what redis-server 7.0.15 replies; tests/e2e/kv_server_test.py asks it the same and more.
#include "resp/dialogue.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <string>

using namespace std::literals;

namespace {

// A connection to a server of several shards, of which the first is its own.
class Server {
public:
    explicit Server(unsigned shards = 1, std::size_t memory_bytes_max = resp::unlimited)
        : settings_{memory_bytes_max}, dialogue_(settings_) {
        for (unsigned shard = 0; shard < shards; ++shard) stores_.emplace_back(memory_bytes_max);
    }

    // All that is replied to these bytes.
    std::string receive(std::string_view bytes, std::size_t reply_bytes_max = 1 << 20) {
        std::string replies;
        do {
            resp::Round round(stores_.front(), 0, static_cast<unsigned>(stores_.size()), reply_bytes_max);
            dialogue_.take(bytes, now, round);
            bytes = {};
            settle(round, reply_bytes_max, replies);
        } while (dialogue_.has_more());
        return replies;
    }

    // An inline command, and its one reply.
    std::string ask(std::string_view line) { return receive(std::string(line) + "\r\n"); }

    bool is_over() const { return dialogue_.is_over(); }

    resp::Milliseconds now = 1'000'000;
    std::size_t visits = 0;   // errands that were run on another shard
    std::size_t longest = 0;  // piece of replies

private:
    void settle(resp::Round& round, std::size_t reply_bytes_max, std::string& replies) {
        do {
            for (unsigned shard = 0; shard < stores_.size(); ++shard) {
                auto errand = round.send(shard);
                if (!errand) continue;
                REQUIRE(shard != 0);
                ++visits;
                errand->run(stores_[shard], now, reply_bytes_max);
                round.bring_back(std::move(errand));
            }
            round.collect();
            longest = std::max(longest, round.replies().size());
            replies += round.replies();
            round.replies().clear();
        } while (!round.is_over());
    }

    resp::Settings settings_;
    std::deque<resp::Store> stores_;
    resp::Dialogue dialogue_;
};

std::string error(std::string_view text) { return "-ERR " + std::string(text) + "\r\n"; }
std::string wrong_arity(std::string_view name) {
    return error("wrong number of arguments for '" + std::string(name) + "' command");
}

const std::string ok = "+OK\r\n", none = "$-1\r\n", syntax = error("syntax error");
const std::string no_integer = error("value is not an integer or out of range");
const std::string too_much = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";

// Every command, on keys that lie on different shards.
std::string everything() {
    std::string script;
    for (int i = 0; i < 30; ++i) {
        const auto key = "k" + std::to_string(i), next = "k" + std::to_string(i + 7);
        for (const std::string& line : std::initializer_list<std::string>{
                 "SET " + key + " " + std::to_string(i * i), "PING", "GET " + next, "INCR " + next, "GET a b",
                 "MGET " + key + " " + next + " nosuch " + key, "MSET " + key + " x " + next + " 5",
                 "DECR " + key, "EXISTS " + key + " " + key + " nosuch", "EXPIRE " + next + " 100",
                 "TTL " + next, "DEL " + key + " " + next + " nosuch", "DBSIZE", "INFO keyspace",
                 "MGET " + next, "ECHO " + key, "SET " + next + " " + std::string(50, 'v')})
            script += line + "\r\n";
        if (i == 20) script += "FLUSHALL\r\nFLUSHALL x\r\nDBSIZE\r\n";
    }
    return script;
}

}  // namespace

TEST_CASE("what a connection answers by itself") {
    Server server;
    CHECK(server.ask("PING") == "+PONG\r\n");
    CHECK(server.ask("ping hello") == "$5\r\nhello\r\n");
    CHECK(server.ask("PING a b") == wrong_arity("ping"));
    CHECK(server.ask("ECHO hi") == "$2\r\nhi\r\n");
    CHECK(server.ask("ECHO") == wrong_arity("echo"));
    CHECK(server.ask("COMMAND COUNT") == ":18\r\n");
    CHECK(server.ask("COMMAND").starts_with("*18\r\n*10\r\n$3\r\nget\r\n:2\r\n*1\r\n+readonly\r\n:1\r\n"));
    CHECK(server.ask("COMMAND DOCS") == "*0\r\n");
    CHECK(server.ask("COMMAND FOO") == error("unknown subcommand 'FOO'. Try COMMAND HELP."));
    CHECK(server.ask("CONFIG GET save") == "*2\r\n$4\r\nsave\r\n$0\r\n\r\n");
    CHECK(server.ask("CONFIG GET nosuch") == "*0\r\n");
    CHECK(server.ask("CONFIG GET") == wrong_arity("config|get"));
    CHECK(server.ask("CONFIG SET a b") == error("unknown subcommand 'SET'. Try CONFIG HELP."));
    CHECK_FALSE(server.is_over());
}

TEST_CASE("QUIT is answered, and what follows it is not") {
    Server server;
    CHECK(server.receive("PING\r\nQUIT\r\nPING\r\n") == "+PONG\r\n+OK\r\n");
    CHECK(server.is_over());
}

TEST_CASE("bytes that are no request are answered with an error, and what follows them is not") {
    Server server;
    CHECK(server.receive("PING\r\n*1\r\nx\r\nPING\r\n") ==
          "+PONG\r\n" + error("Protocol error: expected '$', got 'x'"));
    CHECK(server.is_over());
}

TEST_CASE("commands that do not exist are quoted, without line ends") {
    Server server;
    CHECK(server.ask("FOO") == error("unknown command 'FOO', with args beginning with: "));
    CHECK(server.ask("foo a b") == error("unknown command 'foo', with args beginning with: 'a' 'b' "));
    CHECK(server.ask("\"f\\r\\no\" a") == error("unknown command 'f  o', with args beginning with: 'a' "));
    CHECK(server.ask("getttttttttt a") ==
          error("unknown command 'getttttttttt', with args beginning with: 'a' "));
    CHECK(server.ask("\"GET\\x00\" a") == error("unknown command 'GET', with args beginning with: 'a' "));
    CHECK(server.ask("GET") == wrong_arity("get"));
    CHECK(server.ask("MSET a 1 b") == wrong_arity("mset"));
}

TEST_CASE("GET and SET") {
    Server server;
    CHECK(server.ask("GET a") == none);
    CHECK(server.ask("SET a 1") == ok);
    CHECK(server.ask("GET a") == "$1\r\n1\r\n");
    CHECK(server.ask("SET a 2 NX") == none);
    CHECK(server.ask("SET b 2 xx") == none);
    CHECK(server.ask("SET a 2 XX") == ok);
    CHECK(server.ask("SET a 3 GET") == "$1\r\n2\r\n");
    CHECK(server.ask("SET a 3 NX XX") == syntax);
    CHECK(server.ask("SET a 3 FOO") == syntax);
    CHECK(server.ask("SET a 3 EX") == syntax);
    CHECK(server.ask("SET a 3 EX 1 PX 1") == syntax);
    CHECK(server.ask("SET a 3 EX 1 KEEPTTL") == syntax);
    CHECK(server.ask("SET a 3 EX x") == no_integer);
    CHECK(server.ask("SET a 3 PX 0") == error("invalid expire time in 'set' command"));
    CHECK(server.ask("SET a 3 EX 9223372036854775807") == error("invalid expire time in 'set' command"));
}

TEST_CASE("INCR and DECR") {
    Server server;
    CHECK(server.ask("INCR n") == ":1\r\n");
    CHECK(server.ask("DECR n") == ":0\r\n");
    CHECK(server.ask("SET n 9223372036854775807") == ok);
    CHECK(server.ask("INCR n") == error("increment or decrement would overflow"));
    CHECK(server.ask("SET n -9223372036854775808") == ok);
    CHECK(server.ask("DECR n") == error("increment or decrement would overflow"));
    CHECK(server.ask("SET n 01") == ok);
    CHECK(server.ask("INCR n") == no_integer);
}

TEST_CASE("keys expire") {
    Server server;
    CHECK(server.ask("SET a 1 PX 1500") == ok);
    CHECK(server.ask("TTL a") == ":2\r\n");  // rounded, as in Redis
    server.now += 1500;
    CHECK(server.ask("GET a") == "$1\r\n1\r\n");
    server.now += 1;
    CHECK(server.ask("GET a") == none);
    CHECK(server.ask("TTL a") == ":-2\r\n");
    CHECK(server.ask("EXPIRE a 5") == ":0\r\n");
    CHECK(server.ask("SET a 1") == ok);
    CHECK(server.ask("TTL a") == ":-1\r\n");
    CHECK(server.ask("EXPIRE a 5") == ":1\r\n");
    CHECK(server.ask("SET a 2 KEEPTTL") == ok);
    CHECK(server.ask("INCR a") == ":3\r\n");
    CHECK(server.ask("TTL a") == ":5\r\n");
    CHECK(server.ask("EXPIRE a -1") == ":1\r\n");
    CHECK(server.ask("EXISTS a") == ":0\r\n");
    CHECK(server.ask("EXPIRE a x") == no_integer);
    CHECK(server.ask("EXPIRE a 1 FOO") == error("Unsupported option FOO"));
    CHECK(server.ask("EXPIRE a 9223372036854775807") == error("invalid expire time in 'expire' command"));
}

TEST_CASE("commands on several keys") {
    for (const unsigned shards : {1u, 4u}) {
        Server server(shards);
        CHECK(server.ask("MSET a 1 b 2 c 3 d 4 a 5") == ok);
        CHECK(server.ask("MGET d c zzz a a") == "*5\r\n$1\r\n4\r\n$1\r\n3\r\n$-1\r\n$1\r\n5\r\n$1\r\n5\r\n");
        CHECK(server.ask("EXISTS a a zzz b") == ":3\r\n");
        CHECK(server.ask("DBSIZE") == ":4\r\n");
        CHECK(server.ask("INFO keyspace") == "$44\r\n# Keyspace\r\ndb0:keys=4,expires=0,avg_ttl=0\r\n\r\n");
        CHECK(server.ask("DEL a zzz b a") == ":2\r\n");
        CHECK(server.ask("FLUSHALL x") == syntax);
        CHECK(server.ask("FLUSHALL async") == ok);
        CHECK(server.ask("DBSIZE") == ":0\r\n");
        CHECK(server.ask("DBSIZE a") == wrong_arity("dbsize"));
    }
}

TEST_CASE("at the memory limit what grows is refused, and what shrinks is not") {
    Server server(1, 2000);
    CHECK(server.ask("SET a " + std::string(500, 'v')) == ok);
    CHECK(server.ask("SET b " + std::string(2000, 'v')) == too_much);
    CHECK(server.ask("MSET c 1 b " + std::string(2000, 'v')) == too_much);
    CHECK(server.ask("SET a " + std::string(2000, 'v') + " GET") == too_much);
    CHECK(server.ask("EXISTS a b") == ":1\r\n");
    CHECK(server.ask("DEL a") == ":1\r\n");
    CHECK(server.ask("SET b " + std::string(500, 'v')) == ok);
    CHECK(server.ask("CONFIG GET maxmemory") == "*2\r\n$9\r\nmaxmemory\r\n$4\r\n2000\r\n");
    CHECK(server.ask("INFO memory").find("\r\nmaxmemory:2000\r\n") != std::string::npos);
}

TEST_CASE("with many shards the replies are those of one, in the same order") {
    const auto script = everything();
    const auto expected = Server().receive(script);
    CHECK(expected.size() > 5000);
    for (const unsigned shards : {2u, 3u, 8u}) {
        Server server(shards);
        CHECK(server.receive(script) == expected);
        // All that a batch wants of a shard is asked in one go.
        CHECK(server.visits == shards - 1);
    }
}

TEST_CASE("however the bytes are cut, the replies are the same") {
    const auto script =
        everything().substr(0, 1500) + "\r\n*2\r\n$4\r\nECHO\r\n$3\r\na\r\n\r\nQUIT\r\nPING\r\n";
    const auto expected = Server().receive(script);
    for (const unsigned shards : {1u, 3u}) {
        Server byte_by_byte(shards);
        std::string replies;
        for (const char byte : script) replies += byte_by_byte.receive({&byte, 1});
        CHECK(replies == expected);
        for (std::size_t cut = 0; cut < script.size(); ++cut) {
            Server server(shards);
            const auto first = server.receive(std::string_view(script).substr(0, cut));
            const auto both = first + server.receive(std::string_view(script).substr(cut));
            REQUIRE(both == expected);
        }
    }
}

TEST_CASE("replies are made in pieces, so that nobody has to hold many large ones") {
    const std::string value(1000, 'v');
    for (const unsigned shards : {1u, 3u}) {
        Server server(shards);
        std::string script, expected;
        for (int i = 0; i < 300; ++i) {
            const auto key = std::to_string(i % 10), next = std::to_string(i % 7);
            script +=
                "SET " + key + " " + value + "\r\nGET " + next + "\r\nMGET " + key + " " + next + "\r\n";
        }
        expected = Server().receive(script, resp::unlimited);
        CHECK(expected.size() > 500'000);
        CHECK(server.receive(script, 10'000) == expected);
        CHECK(server.longest < 40'000 * shards);
    }
}

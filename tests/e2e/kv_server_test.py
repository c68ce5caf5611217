"""sharded_kv, as a user meets it: redis-cli and redis-benchmark talk to it, it replies as redis-server does, byte for
byte, whatever shards the keys are on, it survives bad clients, keeps to its memory limit, and stops when told to."""

import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

import example
import resp_script
import trace_format
from example import LIMIT_S, Server, converse, wanted
from resp_script import PING, array


def started(*words):
    return Server("sharded_kv", "--port", 0, *words, where=())


def redis_cli(port, *words, **options):
    return subprocess.run(["redis-cli", "-p", str(port), *map(str, words)], capture_output=True, text=True, timeout=LIMIT_S,
                          check=False, **options).stdout


def memory_bytes(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="utf-8")
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) * 1024


def is_sanitized(server):
    """By the address space that AddressSanitizer and ThreadSanitizer reserve."""
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="utf-8")
    return int(re.search(r"VmSize:\s+(\d+)", status).group(1)) << 10 > 1 << 40


class Redis:
    """A redis-server of our own, for a `with`."""

    def __enter__(self):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        # The program is in redis-tools, under another name; the package redis-server would start a service.
        self.process = subprocess.Popen(["redis-server", "--port", str(self.port), "--save", "", "--appendonly", "no"],
                                        executable=shutil.which("redis-check-rdb"), stdout=subprocess.DEVNULL)
        until = time.monotonic() + LIMIT_S
        while redis_cli(self.port, "PING") != "PONG\n":
            assert time.monotonic() < until and self.process.poll() is None, "redis-server does not start"
            time.sleep(0.02)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class RedisClients(unittest.TestCase):
    def test_redis_cli(self):
        with started("--shards", 2) as server:
            self.assertEqual(redis_cli(server.port, "SET", "greeting", "hello"), "OK\n")
            self.assertEqual(redis_cli(server.port, "GET", "greeting"), "hello\n")
            self.assertEqual(redis_cli(server.port, "MSET", "a", 1, "b", 2, "c", 3), "OK\n")
            self.assertEqual(redis_cli(server.port, "MGET", "c", "b", "a"), "3\n2\n1\n")
            self.assertEqual(redis_cli(server.port, "DBSIZE"), "4\n")
            self.assertIn("shards:2", redis_cli(server.port, "INFO"))
            self.assertIn("get", redis_cli(server.port, "COMMAND"))
            # As with a terminal: it asks for the commands' documentation first.
            typed = redis_cli(server.port, input="INCR n\nINCR n\nTTL n\nnosuch\n")
            self.assertTrue(typed.startswith("1\n2\n-1\nERR unknown command 'nosuch'"), typed)

    def test_redis_benchmark(self):
        for shards in (1, 2):
            with started("--shards", shards) as server:
                words = ["-q", "-t", "get,set", "-P", "16", "-n", "20000", "-r", "1000", "-d", "100"]
                ran = subprocess.run(["redis-benchmark", "-p", str(server.port), *words], capture_output=True, text=True,
                                     timeout=LIMIT_S, check=False)
                self.assertEqual(ran.returncode, 0, ran.stderr)
                self.assertIn("GET: ", ran.stdout)
                self.assertNotIn("rror", ran.stdout + ran.stderr)
                self.assertGreater(int(redis_cli(server.port, "DBSIZE")), 900)


class SameReplies(unittest.TestCase):
    def test_scripts(self):
        with Redis() as redis:
            expected = resp_script.converse("127.0.0.1", redis.port)
            self.assertGreater(len(expected), 70)
            for shards in (1, 2, 5):
                with started("--shards", shards) as server:
                    ours = resp_script.converse("127.0.0.1", server.port)
                for (request, theirs), (_, reply) in zip(expected, ours):
                    with self.subTest(shards=shards, request=request[:200]):
                        self.assertEqual(reply, theirs)

    def test_long_pipeline_across_shards(self):
        lines = []
        for i in range(3000):
            lines += [f"SET k{i} v{i}", f"GET k{i * 7 % 3000}", f"MGET k{i} nosuch k{i // 2} k{i}", f"INCR n{i % 13}",
                      "PING", f"DEL k{i // 3} k{i // 5}", "DBSIZE", f"EXISTS k{i} k{i // 4}", f"MSET m{i % 50} {i} k{i // 2} x"]
        script = "\r\n".join(lines).encode() + b"\r\n"
        with Redis() as redis, started("--shards", 3) as server:
            replies = []
            for port in (redis.port, server.port):
                with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as connection:
                    replies.append(converse(connection, script))
        self.assertGreater(len(replies[0]), 100_000)
        self.assertEqual(replies[0], replies[1])


class BadClients(unittest.TestCase):
    def test_malformed_input_is_answered_and_the_server_lives(self):
        with started("--shards", 2) as server:
            for script in resp_script.MALFORMED:
                resp_script.ask("127.0.0.1", server.port, script)
            with server.connect() as connection:
                # What is behind the error is not read, and does not destroy it.
                self.assertEqual(converse(connection, PING + b"*1\r\nx\r\n" + PING * 20000),
                                 b"+PONG\r\n-ERR Protocol error: expected '$', got 'x'\r\n")
            self.assertEqual(redis_cli(server.port, "PING"), "PONG\n")

    def test_a_client_that_does_not_read_is_not_read_from(self):
        for shards in (1, 2):
            with started("--shards", shards) as server:
                keys = [b"large%d" % i for i in range(4)]
                value = b"v" * 1_000_000
                for key in keys:
                    self.assertEqual(resp_script.ask("127.0.0.1", server.port, array(b"SET", key, value)), b"+OK\r\n")
                before = memory_bytes(server)
                request = b"".join(array(b"GET", key) for key in keys) * 250
                with server.connect() as connection:
                    connection.sendall(request)
                    # Every reply would be a gigabyte. The server gets time to do wrong; another client is served.
                    until = time.monotonic() + 1
                    while time.monotonic() < until:
                        self.assertEqual(redis_cli(server.port, "PING"), "PONG\n")
                    self.assertLess(memory_bytes(server) - before, 100_000_000)
                    # It may still change its mind.
                    reply = b"$1000000\r\n" + value + b"\r\n"
                    for _ in range(100):
                        self.assertTrue(self.read_exactly(connection, len(reply)) == reply)

    @staticmethod
    def read_exactly(connection, size):
        data = bytearray()
        while len(data) < size:
            piece = connection.recv(size - len(data))
            assert piece, "the server has closed"
            data += piece
        return bytes(data)

    def test_clients_that_go_away_leave_nothing(self):
        with started("--shards", 2) as server:
            at_rest = server.descriptors()
            for i in range(50):
                connection = server.connect()
                connection.sendall((PING * 1000)[:3000 + i])
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # by a reset
                connection.close()
            self.assertEqual(redis_cli(server.port, "PING"), "PONG\n")  # accepted in turn: so have they been
            self.assertLessEqual(server.settled_descriptors(at_rest), at_rest)


class Memory(unittest.TestCase):
    def test_limit(self):
        for shards in (1, 2):
            with started("--shards", shards, "--maxmemory", 10_000_000) as server:
                script = b"".join(array(b"SET", b"key:%d" % i, b"v" * 1000) for i in range(12000))
                with server.connect() as connection:
                    replies = converse(connection, script).split(b"\r\n")[:-1]
                refused = replies.count(b"-OOM command not allowed when used memory > 'maxmemory'.")
                self.assertEqual(replies.count(b"+OK") + refused, 12000)
                self.assertTrue(2000 < refused < 6000, refused)
                self.assertEqual(redis_cli(server.port, "GET", "key:0"), "v" * 1000 + "\n")
                self.assertEqual(redis_cli(server.port, "FLUSHALL"), "OK\n")
                self.assertEqual(redis_cli(server.port, "SET", "a", "1"), "OK\n")

    def test_keys_that_expire_give_it_back_unasked(self):
        with started("--shards", 2) as server:
            with server.connect() as connection:
                converse(connection, b"".join(array(b"SET", b"%d" % i, b"v", b"PX", b"50") for i in range(1000)))
            until = time.monotonic() + LIMIT_S
            while redis_cli(server.port, "DBSIZE") != "0\n":
                self.assertLess(time.monotonic(), until)
                time.sleep(0.02)

    def test_large_requests_leave_nothing_behind(self):
        with started("--shards", 2) as server:
            # For one key, of one of the shards: one of two connections in turn has to ask the other for it.
            request = b"*1048576\r\n$6\r\nEXISTS\r\n" + b"$0\r\n\r\n" * 1_048_575
            connections = [server.connect() for _ in range(16)]
            for connection in connections:
                connection.sendall(PING)
                self.assertEqual(connection.recv(100), b"+PONG\r\n")
            before = memory_bytes(server)
            for connection in connections:
                connection.sendall(request[:-1])
            for connection in connections:
                connection.sendall(request[-1:])
            for connection in connections:
                self.assertEqual(connection.recv(100), b":0\r\n")
            # It was 900 MB. malloc keeps some for each thread, and AddressSanitizer what was freed last.
            self.assertLess(memory_bytes(server) - before, (192 << 20) + (320 << 20) * is_sanitized(server))
            for connection in connections:
                connection.close()


class Stop(unittest.TestCase):
    def test_signals(self):
        for with_signal in (signal.SIGTERM, signal.SIGINT):
            with started("--shards", 2) as server:
                idle = [server.connect() for _ in range(10)]
                busy = server.connect()
                busy.sendall(PING)
                self.assertEqual(busy.recv(100), b"+PONG\r\n")
                said = server.stop(with_signal, limit_s=2)
                self.assertIn("stopped after 11 connections", said)
                for connection in [*idle, busy]:
                    self.assertEqual(connection.recv(1), b"")
                    connection.close()

    def test_under_load(self):
        with started("--shards", 2) as server:
            stopping = threading.Event()

            def ask():
                try:
                    while not stopping.is_set():
                        resp_script.ask("127.0.0.1", server.port, (array(b"INCR", b"n") + array(b"MGET", b"a", b"b")) * 20)
                except OSError:
                    pass  # it is gone

            clients = [threading.Thread(target=ask) for _ in range(4)]
            for client in clients:
                client.start()
            until = time.monotonic() + LIMIT_S
            while int(redis_cli(server.port, "GET", "n").strip() or 0) < 200:
                self.assertLess(time.monotonic(), until)
            server.stop(limit_s=5)
            stopping.set()
            for client in clients:
                client.join()

    def test_who_comes_at_the_last_moment_is_sent_away_in_peace(self):
        for _ in range(5):
            with started("--shards", 1) as server, server.connect() as busy:
                busy.sendall(b"*1048576\r\n$6\r\nEXISTS\r\n" + b"$0\r\n\r\n" * 1_048_574)
                time.sleep(0.5)  # read, but for the last key
                busy.sendall(b"$0\r\n\r\n")
                time.sleep(0.002)
                with server.connect() as late:  # while the shard is busy
                    said = server.stop(limit_s=2)
                    self.assertNotIn("cut off", said)
                    self.assertEqual(late.recv(1), b"")

    def test_it_says_why_it_cannot_listen(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            ran = example.run("sharded_kv", "--port", port)
        self.assertEqual(ran.returncode, 1)
        self.assertIn(f"port {port}: ", ran.stderr)
        for words in (["--shards", "0"], ["--port", "65536"], ["--maxmemory", "1G"], ["--cpu", "x"]):
            self.assertEqual(example.run("sharded_kv", *words).returncode, 2)


class Traces(unittest.TestCase):
    def test_each_shard_writes_its_own(self):
        with tempfile.TemporaryDirectory() as folder:
            first = Path(folder, "kv.json")
            with started("--shards", 2, "--trace", first) as server:
                with server.connect() as connection:
                    keys = [b"%d" % i for i in range(100)]
                    converse(connection, b"".join(array(b"SET", key, b"v") for key in keys))
                said = server.stop()
            for i, file in enumerate((first, Path(folder, "kv-2.json"))):
                self.assertRegex(said, rf"{file.name}: \d+ events")
                events = trace_format.check(file.read_text(encoding="utf-8"))
                names = {event["args"]["name"] for event in events["M"]}
                self.assertIn(f"executor kv-{i}", names)
                self.assertLessEqual({"poll", "park"}, {event["name"] for event in events["X"]})
                self.assertIn("spawn task", {re.sub(r" \d+$", "", event["name"]) for event in events["i"]})

    def test_who_has_no_executor_of_its_own_does_not_offer_one(self):
        for name in ("placement", "three_schedulers"):
            ran = example.run(name, "--trace", "trace.json")
            self.assertEqual((ran.returncode, "there is no --trace" in ran.stderr), (2, True), ran.stderr)


if __name__ == "__main__":
    wanted("redis-check-rdb", "redis-cli", "redis-benchmark")
    example.main()

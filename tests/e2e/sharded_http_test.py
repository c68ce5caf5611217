"""sharded_http, asked by curl and wrk in both ways of spreading connections; the bytes are checked."""

import re
import signal
import subprocess
import time
import unittest
from pathlib import Path

from example import LIMIT_S, Server, main, read_all, run, wanted
from http_client import GET, JSON, PLAINTEXT, answers

WAYS = ([], ["--hand-over"])


def accounts(said):
    return [(int(given), int(connections)) for given, connections in re.findall(
        r"shard \d+ gave (\d+) answers on (\d+) connections", said)]


class ShardedHttp(unittest.TestCase):
    def test_curl_gets_the_page_and_both_shards_serve_wrk(self):
        script = Path(__file__).with_name("check_bodies.lua")
        for way in WAYS:
            with self.subTest(way=way), Server("sharded_http", "--shards", 2, *way) as server:
                asked = subprocess.run(["curl", "-sS", f"http://{server.address}/json"], capture_output=True,
                                       timeout=LIMIT_S, check=True)
                self.assertEqual(asked.stdout, JSON)
                load = ["wrk", "-t1", "-c50", "-d1s", "-s", script, f"http://{server.address}/plaintext", "--", "200",
                        PLAINTEXT]
                done = subprocess.run(load, capture_output=True, text=True, check=True, timeout=LIMIT_S)
                right, wrong, errors = map(int, re.search(
                    r"(\d+) right, (\d+) wrong, (\d+) socket errors", done.stdout).groups())
                self.assertEqual((wrong, errors), (0, 0), done.stdout)
                self.assertGreater(right, 1000, done.stdout)
                shards = accounts(server.stop())
                self.assertEqual(len(shards), 2)
                for given, connections in shards:
                    self.assertGreater(connections, 0)
                    self.assertGreater(given, 0)
                if way:  # dealt out in turn
                    self.assertLessEqual(abs(shards[0][1] - shards[1][1]), 1)

    def test_requests_in_the_sockets_of_all_shards_get_their_answers_when_it_is_stopped(self):
        for way in WAYS:
            with self.subTest(way=way), Server("sharded_http", "--shards", 2, *way) as server:
                connections = [server.connect() for _ in range(16)]
                for connection in connections:
                    connection.sendall(GET)
                    self.assertTrue(connection.recv(1000).endswith(PLAINTEXT))
                for connection in connections:
                    connection.sendall(GET * 50)
                said = server.stop()
                for connection in connections:
                    self.assertEqual(answers(read_all(connection)), [(200, PLAINTEXT)] * 50)
                    connection.close()
                self.assertEqual(sum(given for given, _ in accounts(said)), 16 * 51)

    def begun_request(self, server):
        """A connection that has had an answer and will never have another."""
        connection = server.connect()
        connection.sendall(GET + GET[:10])
        self.assertTrue(connection.recv(1000).endswith(PLAINTEXT))
        return connection

    def test_a_request_that_never_ends_does_not_hold_up_the_stop(self):
        for way in WAYS:
            with self.subTest(way=way), Server("sharded_http", "--shards", 2, *way) as server, \
                    self.begun_request(server), self.begun_request(server):
                self.assertEqual(sum(given for given, _ in accounts(server.stop(limit_s=8.0))), 2)

    def test_a_second_signal_ends_it_at_once(self):
        for way in WAYS:
            with self.subTest(way=way), Server("sharded_http", "--shards", 2, *way) as server, \
                    self.begun_request(server), self.begun_request(server), server.connect() as idle:
                server.process.send_signal(signal.SIGINT)
                self.assertEqual(read_all(idle), b"")  # so the signal has arrived
                time.sleep(0.3)  # sooner, it would count as the same
                self.assertEqual(sum(given for given, _ in accounts(server.stop(limit_s=2.0))), 2)

    def test_more_shards_than_cpus_are_refused_in_words(self):
        done = run("sharded_http", "--shards", 4096)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--shards wants a number", done.stderr)


wanted("curl", "wrk")
main()

"""http_server, asked by curl, by wrk, and by hand where a client must misbehave; the bytes are checked."""

import re
import signal
import subprocess
import time
import unittest
from pathlib import Path

from example import LIMIT_S, Server, main, read_all, wanted

PLAINTEXT = b"Hello, World!"
JSON = b'{"message":"Hello, World!"}'
GET = b"GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n"
GET_AND_CLOSE = b"GET /json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def curl(*words):
    return subprocess.run(["curl", "-sS", "--max-time", "10", *words], capture_output=True, check=False, timeout=LIMIT_S)


def answers(stream):
    """Status and body of each answer in a stream of them."""
    found = []
    while stream:
        head, _, stream = stream.partition(b"\r\n\r\n")
        size = int(re.search(rb"content-length: (\d+)", head, re.I).group(1))
        found.append((int(head.split()[1]), stream[:size]))
        stream = stream[size:]
    return found


def ask(server, request):
    """Sends a request and gives the whole answer; the server must close."""
    with server.connect() as connection:
        connection.sendall(request)
        return read_all(connection)


class HttpServer(unittest.TestCase):
    def test_curl_gets_both_pages_byte_by_byte(self):
        with Server("http_server") as server:
            for path, body, kind in (("plaintext", PLAINTEXT, b"text/plain"), ("json", JSON, b"application/json")):
                done = curl("-i", f"http://{server.address}/{path}")
                head, _, text = done.stdout.partition(b"\r\n\r\n")
                self.assertEqual((done.returncode, text), (0, body))
                self.assertTrue(head.startswith(b"HTTP/1.1 200 OK\r\n"), head)
                self.assertIn(b"Content-Type: " + kind, head)
                self.assertIn(b"Content-Length: %d" % len(body), head)
                self.assertRegex(head, rb"\r\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT")

    def test_head_gives_the_same_head_and_no_body(self):
        with Server("http_server") as server:
            done = curl("-I", f"http://{server.address}/json")
            self.assertEqual(done.returncode, 0)
            self.assertIn(b"Content-Length: %d" % len(JSON), done.stdout)
            self.assertTrue(done.stdout.endswith(b"\r\n\r\n"))

    def test_one_connection_serves_many_requests(self):
        with Server("http_server") as server:
            url = f"http://{server.address}/plaintext"
            done = curl("-w", "\n%{num_connects}\n", *[url] * 5)
            self.assertEqual(done.stdout, b"Hello, World!\n1\n" + b"Hello, World!\n0\n" * 4)
            closed = curl("-w", "\n%{num_connects}\n", "-H", "Connection: close", *[url] * 2)
            self.assertEqual(closed.stdout, b"Hello, World!\n1\n" * 2)

    def test_pipelined_requests_are_answered_in_order_however_they_are_cut(self):
        requests = GET * 3 + b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n" + GET_AND_CLOSE
        with Server("http_server") as server:
            for size in (len(requests), 1, 7, 100):
                with server.connect() as connection:
                    for at in range(0, len(requests), size):
                        connection.sendall(requests[at:at + size])
                    got = answers(read_all(connection))
                self.assertEqual([status for status, _ in got], [200, 200, 200, 404, 200])
                self.assertEqual([got[0][1], got[4][1]], [PLAINTEXT, JSON])

    def test_what_is_not_there_and_what_is_not_http_is_refused(self):
        refused = [(b"GET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 404),
                   (b"DELETE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 405), (b"nonsense\r\n\r\n", 400),
                   (b"GET / HTTP/1.1\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400),
                   (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505), (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", 414),
                   (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", 431)]
        with Server("http_server") as server:
            for request, status in refused:
                # The server may close before it has read everything, which resets the connection.
                with server.connect() as connection:
                    connection.sendall(request[:20_000])
                    self.assertEqual(answers(read_all(connection))[0][0], status, request[:60])
            self.assertEqual(curl(f"http://{server.address}/plaintext").stdout, PLAINTEXT)

    def test_who_is_idle_or_slow_is_sent_away(self):
        with Server("http_server", "--idle-ms", 300) as server:
            for begun, status in ((b"", None), (GET[:-2], 408)):
                start = time.monotonic()
                answer = ask(server, begun)
                self.assertLess(time.monotonic() - start, 5)
                self.assertEqual(answers(answer)[0][0] if answer else None, status)

    def test_it_stops_on_both_signals_at_once_with_connections_open(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with Server("http_server") as server, server.connect() as idle, server.connect() as used:
                used.sendall(GET)
                self.assertTrue(used.recv(1000).endswith(PLAINTEXT))
                server.stop(number, limit_s=1.0)
                self.assertEqual((read_all(idle), read_all(used)), (b"", b""))

    def test_wrk_gets_the_right_bytes_every_time_and_no_descriptor_stays(self):
        script = Path(__file__).with_name("check_bodies.lua")
        with Server("http_server") as server:
            at_rest = server.descriptors()
            for path, body in (("plaintext", PLAINTEXT), ("json", JSON)):
                done = subprocess.run(["wrk", "-t1", "-c100", "-d2s", "-s", script, f"http://{server.address}/{path}", "--",
                                       "200", body], capture_output=True, text=True, check=True, timeout=LIMIT_S)
                right, wrong, errors = map(int, re.search(
                    r"(\d+) right, (\d+) wrong, (\d+) socket errors", done.stdout).groups())
                self.assertEqual((wrong, errors), (0, 0), done.stdout)
                self.assertGreater(right, 1000, done.stdout)
            self.assertLessEqual(server.settled_descriptors(at_rest), at_rest)


wanted("curl", "wrk")
main()

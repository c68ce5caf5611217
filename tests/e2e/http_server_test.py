"""http_server, asked by curl, by wrk, and by hand where a client must misbehave; the bytes are checked."""

import re
import socket
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

from example import LIMIT_S, Server, main, read_all, wanted
from http_client import GET, GET_AND_CLOSE, JSON, PLAINTEXT, answers, ask


def curl(*words):
    return subprocess.run(["curl", "-sS", "--max-time", "10", *words], capture_output=True, timeout=LIMIT_S, check=False)


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
            for words in (["-H", "Connection: close"], ["--http1.0"]):
                closed = curl("-w", "\n%{num_connects}\n", *words, *[url] * 2)
                self.assertEqual(closed.stdout, b"Hello, World!\n1\n" * 2)

    def test_curl_fails_where_the_page_does_not_exist(self):
        with Server("http_server") as server:
            self.assertEqual(curl("--fail", f"http://{server.address}/plaintext").returncode, 0)
            self.assertEqual(curl("--fail", f"http://{server.address}/none").returncode, 22)

    def test_a_body_is_taken_and_thrown_away_and_the_connection_goes_on(self):
        with Server("http_server") as server, tempfile.NamedTemporaryFile() as upload:
            upload.write(b"x" * (1 << 20))
            upload.flush()
            url = f"http://{server.address}/json"
            for expect in ("Expect:", "Expect: 100-continue"):  # curl sends no such header, or waits for its answer
                done = curl("-v", "-H", expect, "-T", upload.name, url, "--next", "-sS", "-w", "\n%{num_connects}", url)
                self.assertIn(b"405 Method Not Allowed", done.stderr)
                self.assertIn(b"Allow: GET, HEAD", done.stderr)
                self.assertEqual(b"100 Continue" in done.stderr, "100" in expect)
                self.assertEqual(done.stdout, b"Only GET and HEAD.\n" + JSON + b"\n0")
            upload.write(b"x")
            upload.flush()
            done = curl("-w", "%{http_code}", "-T", upload.name, url)
            self.assertEqual((done.returncode, done.stdout), (0, b"body too large413"))

    def test_requests_behind_a_body_are_found_wherever_it_is_cut(self):
        body = GET * 3  # must not be taken for requests
        posted = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        requests = GET + posted + GET + posted + GET_AND_CLOSE
        with Server("http_server") as server:
            for size in (len(requests), 1, 11, 97):
                with server.connect() as connection:
                    for at in range(0, len(requests), size):
                        connection.sendall(requests[at:at + size])
                    got = answers(read_all(connection))
                self.assertEqual([status for status, _ in got], [200, 405, 200, 405, 200])

    def test_two_hundred_connections_are_served_side_by_side(self):
        with Server("http_server") as server:
            at_rest = server.descriptors()
            connections = [server.connect() for _ in range(200)]
            for _ in range(3):
                for connection in connections:
                    connection.sendall(GET)
                for connection in reversed(connections):
                    self.assertTrue(connection.recv(1000).endswith(PLAINTEXT))
            for number, connection in enumerate(connections):
                if number % 2:  # a reset instead of an end
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()
            self.assertLessEqual(server.settled_descriptors(at_rest), at_rest)

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
                   (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
                   (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501),
                   (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n" + b"x" * 4_000_000, 413),
                   (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
                   (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", 414),
                   (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", 431)]
        with Server("http_server") as server:
            for request, status in refused:
                # The answer arrives although the server closes while the client is still sending.
                self.assertEqual(answers(ask(server, request))[0][0], status, request[:60])
            self.assertEqual(curl(f"http://{server.address}/plaintext").stdout, PLAINTEXT)

    def test_wrk_gets_the_right_bytes_every_time_and_no_descriptor_stays(self):
        script = Path(__file__).with_name("check_bodies.lua")
        with Server("http_server") as server:
            at_rest = server.descriptors()
            total = 0
            for path, body in (("plaintext", PLAINTEXT), ("json", JSON)):
                load = ["wrk", "-t1", "-c100", "-d2s", "-s", script, f"http://{server.address}/{path}", "--", "200", body]
                done = subprocess.run(load, capture_output=True, text=True, check=True, timeout=LIMIT_S)
                right, wrong, errors = map(int, re.search(
                    r"(\d+) right, (\d+) wrong, (\d+) socket errors", done.stdout).groups())
                self.assertEqual((wrong, errors), (0, 0), done.stdout)
                self.assertGreater(right, 1000, done.stdout)
                total += right
            self.assertLessEqual(server.settled_descriptors(at_rest), at_rest)
            # wrk walks away from what is on its way: an answer for each connection, twice.
            given = int(re.search(r"stopped after (\d+) answers", server.stop()).group(1))
            self.assertTrue(total <= given <= total + 200, f"wrk saw {total}, the server gave {given}")


wanted("curl", "wrk")
main()

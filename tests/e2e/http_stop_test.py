"""http_server when time runs out: idle and slow clients, clients that do not read, and the stop by a signal."""

import signal
import socket
import time
import unittest

from example import LIMIT_S, Server, main, read_all
from http_client import GET, JSON, PLAINTEXT, answers, ask

POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def is_refused(server):
    try:
        server.connect().close()
        return False
    except ConnectionRefusedError:
        return True


class HttpLimits(unittest.TestCase):
    def test_who_is_idle_or_slow_is_sent_away(self):
        with Server("http_server", "--idle-ms", 300) as server:
            for begun, status in ((b"", None), (GET[:-2], 408), (POST[:-1], 408)):
                start = time.monotonic()
                answer = ask(server, begun)
                took = time.monotonic() - start
                self.assertTrue(0.3 <= took < 5, f"it took {took:.1f} s")
                self.assertEqual(answers(answer)[0][0] if answer else None, status)

    def test_a_request_in_drops_does_not_keep_the_connection_alive(self):
        with Server("http_server", "--idle-ms", 300) as server, server.connect() as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n")
            connection.settimeout(0.02)
            start, answer = time.monotonic(), None
            while answer is None and time.monotonic() - start < LIMIT_S:
                connection.sendall(b"X: y\r\n")
                try:
                    answer = connection.recv(1000)
                except TimeoutError:
                    pass
            self.assertTrue(answer.startswith(b"HTTP/1.1 408 "), answer)

    def test_who_asks_now_and_then_may_stay(self):
        with Server("http_server", "--idle-ms", 2000) as server, server.connect() as connection:
            until = time.monotonic() + 3
            while time.monotonic() < until:
                connection.sendall(GET)
                self.assertTrue(connection.recv(1000).endswith(PLAINTEXT))
                time.sleep(0.2)

    def test_a_client_that_does_not_read_is_sent_away_too(self):
        with Server("http_server", "--idle-ms", 500) as server:
            at_rest = server.descriptors()
            with socket.socket() as greedy:
                greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                greedy.connect(("127.0.0.1", server.port))
                greedy.settimeout(LIMIT_S)
                with self.assertRaises(ConnectionError):
                    while True:
                        greedy.sendall(GET * 1000)
                self.assertLessEqual(server.settled_descriptors(at_rest), at_rest)
            self.assertEqual(answers(ask(server, GET[:-2] + b"Connection: close\r\n\r\n")), [(200, PLAINTEXT)])


class HttpStop(unittest.TestCase):
    def test_it_stops_on_both_signals_at_once_with_connections_open(self):
        for number in SIGNALS:
            with Server("http_server") as server, server.connect() as idle, server.connect() as used:
                used.sendall(GET)
                self.assertTrue(used.recv(1000).endswith(PLAINTEXT))
                self.assertIn(number.name, server.stop(number, limit_s=1.0))
                self.assertEqual((read_all(idle), read_all(used)), (b"", b""))

    def test_requests_that_have_begun_get_their_answers(self):
        for number in SIGNALS:
            with Server("http_server") as server, server.connect() as idle, server.connect() as head, \
                    server.connect() as body:
                # Two requests at once, of which the second is not whole.
                head.sendall(GET + GET[:10])
                self.assertTrue(head.recv(1000).endswith(PLAINTEXT))
                body.sendall(GET + POST[:-1])
                self.assertTrue(body.recv(1000).endswith(PLAINTEXT))

                server.process.send_signal(number)
                self.assertEqual(read_all(idle), b"")  # so the signal has arrived
                self.assertTrue(is_refused(server))
                head.sendall(GET[10:])
                self.assertEqual(answers(read_all(head)), [(200, PLAINTEXT)])
                body.sendall(POST[-1:])
                self.assertEqual([status for status, _ in answers(read_all(body))], [405])
                said, _ = server.process.communicate(timeout=LIMIT_S)
                self.assertEqual((server.process.returncode, server.errors()), (0, ""))
                self.assertIn("stopped after 4 answers", said)

    def test_requests_that_lie_in_the_socket_get_their_answers(self):
        pipeline = GET * 500 + GET.replace(b"/plaintext", b"/json")
        for number in SIGNALS:
            with Server("http_server") as server:
                connections = [server.connect() for _ in range(20)]
                for connection in connections:  # they are accepted when they have been answered
                    connection.sendall(GET)
                    self.assertTrue(connection.recv(1000).endswith(PLAINTEXT))
                for connection in connections:
                    connection.sendall(pipeline)
                server.process.send_signal(number)
                for connection in connections:
                    got = answers(read_all(connection))
                    self.assertEqual(got, [(200, PLAINTEXT)] * 500 + [(200, JSON)])
                    connection.close()
                said, _ = server.process.communicate(timeout=LIMIT_S)
                self.assertEqual((server.process.returncode, server.errors()), (0, ""))
                self.assertIn(f"stopped after {20 * 502} answers", said)

    def test_a_last_answer_has_its_time_to_be_read(self):
        with Server("http_server") as server, server.connect() as uploading:
            uploading.sendall(POST.replace(b"1000", b"1000000000"))
            self.assertTrue(uploading.recv(1000).startswith(b"HTTP/1.1 413 "))
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            self.assertIsNone(server.process.poll())  # to close now would reset who still sends
            uploading.sendall(b"x" * 1000)
            uploading.close()
            said, _ = server.process.communicate(timeout=1)
            self.assertEqual((server.process.returncode, server.errors()), (0, ""))
            self.assertNotIn("cut off", said)

    def test_a_request_that_never_ends_does_not_hold_up_the_stop(self):
        with Server("http_server") as server, server.connect() as connection:
            connection.sendall(GET + GET[:10])
            self.assertTrue(connection.recv(1000).endswith(PLAINTEXT))
            said = server.stop(limit_s=8.0)
            self.assertIn("1 connections were cut off", said)
            self.assertIn("stopped after 1 answers", said)


main()

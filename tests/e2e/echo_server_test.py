"""echo_server and echo_client: bytes come back as they were sent, whatever the clients do."""

import os
import signal
import socket
import struct
import threading
import unittest

from example import Server, converse, main, read_all, run


class EchoServer(unittest.TestCase):
    def test_the_client_finds_its_messages_unchanged(self):
        with Server("echo_server") as server:
            done = run("echo_client", server.address, "--connections", 50, "--messages", 100, "--bytes", 300)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("5000 messages of 300 bytes on 50 connections came back right", done.stdout)

    def test_megabytes_come_back_and_the_end_of_the_stream_too(self):
        payload = os.urandom(8 << 20)
        with Server("echo_server") as server, server.connect() as connection:
            self.assertEqual(converse(connection, payload), payload)

    def test_a_client_that_never_reads_does_not_hold_up_others(self):
        with Server("echo_server") as server, server.connect() as greedy, server.connect() as polite:
            greedy.setblocking(False)
            sent = 0
            try:
                while True:
                    sent += greedy.send(b"x" * 65536)
            except BlockingIOError:
                pass
            self.assertGreater(sent, 0)
            polite.sendall(b"still there?")
            self.assertEqual(polite.recv(100), b"still there?")

    def test_connections_that_come_and_go_leave_no_descriptor(self):
        with Server("echo_server") as server:
            at_rest = server.descriptors()
            for number in range(200):
                with server.connect() as connection:
                    if number % 2:  # a reset instead of an end
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    connection.sendall(b"hello")
                    self.assertEqual(connection.recv(5, socket.MSG_WAITALL), b"hello")
            self.assertLessEqual(server.settled_descriptors(at_rest), at_rest)

    def test_it_stops_on_both_signals_with_clients_connected(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with Server("echo_server") as server, server.connect() as connection:
                connection.sendall(b"hello")
                self.assertEqual(connection.recv(5, socket.MSG_WAITALL), b"hello")
                self.assertIn(number.name, server.stop(number))
                self.assertEqual(read_all(connection), b"")

    def test_a_port_in_use_and_a_server_that_is_not_there_are_errors_in_words(self):
        with Server("echo_server") as server:
            second = run("echo_server", server.address)
            self.assertEqual(second.returncode, 1)
            self.assertIn("Address already in use", second.stderr)
            address = server.address
        client = run("echo_client", address)
        self.assertEqual(client.returncode, 1)
        self.assertIn("Connection refused", client.stderr)

    def test_the_client_notices_other_bytes_and_a_server_that_hangs_up(self):
        for reply, words in ((b"x" * 64, "other bytes came back"), (b"", "the server has closed the connection")):
            with socket.create_server(("127.0.0.1", 0)) as listener:
                liar = threading.Thread(target=answer_once, args=(listener, reply))
                liar.start()
                client = run("echo_client", f"127.0.0.1:{listener.getsockname()[1]}", "--connections", 1)
                liar.join()
            self.assertEqual(client.returncode, 1)
            self.assertIn(words, client.stderr)

    def test_messages_larger_than_every_buffer_on_the_way_come_back(self):
        with Server("echo_server") as server:
            done = run("echo_client", server.address, "--connections", 3, "--messages", 2, "--bytes", 8 << 20)
        self.assertEqual(done.returncode, 0, done.stderr)


def answer_once(listener, reply):
    connection, _ = listener.accept()
    with connection:
        connection.recv(64, socket.MSG_WAITALL)
        connection.sendall(reply)


main()

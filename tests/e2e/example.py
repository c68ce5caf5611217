"""What the end-to-end tests share: the examples' programs, started, talked to and stopped as a user would.

Each script gets the folder with the programs as its first argument; Meson passes it.
"""

import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

LIMIT_S = 60
programs = Path(sys.argv.pop(1) if len(sys.argv) > 1 else ".")


def run(name, *words, **options):
    """Runs a program to its end; text unless asked otherwise."""
    return subprocess.run([programs / name, *map(str, words)], capture_output=True, timeout=LIMIT_S, check=False,
                          **{"text": True, **options})


def wanted(*tools):
    """Ends the script as skipped if a tool that it talks through is missing."""
    for tool in tools:
        if not shutil.which(tool):
            print(f"SKIP {Path(sys.argv[0]).stem}: there is no {tool}")
            sys.exit(77)


class Server:
    """A server on a free port of 127.0.0.1, for a `with`; it must end cleanly when it is told to."""

    def __init__(self, name, *words, where=("127.0.0.1:0",)):
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([programs / name, *where, *map(str, words)], stdout=subprocess.PIPE,
                                        stderr=self.log, text=True)
        found, said = None, []
        while not found and (line := self.process.stdout.readline()):
            said.append(line)
            found = re.search(r"127\.0\.0\.1:(\d+)", line)
        if not found:
            self.process.kill()
            raise AssertionError(f"{name} does not say where it listens: {said} {self.errors()}")
        self.port = int(found.group(1))
        self.address = f"127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.process.poll() is None:
            if kind is None:
                self.stop()
            else:
                self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()

    def errors(self):
        self.log.seek(0)
        return self.log.read()

    def stop(self, with_signal=signal.SIGTERM, limit_s=5.0):
        """Tells the server to end; gives what it said. It must obey in time, with exit code 0 and no complaint."""
        self.process.send_signal(with_signal)
        start = time.monotonic()
        said, _ = self.process.communicate(timeout=LIMIT_S)
        took = time.monotonic() - start
        assert self.process.returncode == 0, f"exit code {self.process.returncode}: {self.errors()}"
        assert took <= limit_s, f"it took {took:.1f} s to stop"
        assert not self.errors(), self.errors()
        return said

    def descriptors(self):
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def settled_descriptors(self, expected):
        """The number of open descriptors, after the server had a while to come down to `expected`. It must have accepted
        all clients: those in its backlog are not among them yet."""
        until = time.monotonic() + 5
        while (count := self.descriptors()) > expected and time.monotonic() < until:
            time.sleep(0.02)
        return count

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


def read_all(connection):
    """Everything up to the end of the stream."""
    pieces = []
    while piece := connection.recv(1 << 16):
        pieces.append(piece)
    return b"".join(pieces)


def converse(connection, payload):
    """Sends `payload` and ends the sending side while reading what comes; gives all that came."""
    def send():
        connection.sendall(payload)
        connection.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    came = read_all(connection)
    sender.join()
    return came


def main():
    unittest.main(verbosity=2)

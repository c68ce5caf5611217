#!/usr/bin/env python3
"""Row B15: what an idle connection costs an HTTP server in user space: idle_memory.py SERVER [OPTION...]

Each connection has had one answer. Counted is what grows with them: the server's anonymous memory, after requests
enough to touch all its receive buffers.
"""

import json
import os
import re
import resource
import socket
import sys
from pathlib import Path

from rows import OURS, Server
from server_load import RunningServer

CONNECTIONS = 10_000
WARM_UP = 4_000
REQUEST = b"GET /plaintext HTTP/1.1\r\nHost: localhost\r\n\r\n"


def anonymous_bytes(process):
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    return int(re.search(r"RssAnon:\s+(\d+) kB", status).group(1)) * 1024


def ask(connection, times=1):
    for _ in range(times):
        connection.sendall(REQUEST)
        if not connection.recv(4096).startswith(b"HTTP/1.1 200"):
            raise RuntimeError("the server gave no answer")


def ask_on_new(port):
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    ask(connection)
    return connection


def main(command):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    server = RunningServer(Server(OURS, ""), command, min(os.sched_getaffinity(0)))
    try:
        ask(ask_on_new(server.port), WARM_UP)
        before = anonymous_bytes(server.process)
        connections = [ask_on_new(server.port) for _ in range(CONNECTIONS)]
        each = (anonymous_bytes(server.process) - before) / len(connections)
    finally:
        server.stop()
    print(json.dumps({"row": "B15", "case": "idle_bytes", "who": OURS, "value": each, "unit": "bytes"}))


if __name__ == "__main__":
    main(sys.argv[1:])

"""What the scripts about http_server share: requests, and how to take their answers apart."""

import re

from example import read_all

PLAINTEXT = b"Hello, World!"
JSON = b'{"message":"Hello, World!"}'
GET = b"GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n"
GET_AND_CLOSE = b"GET /json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def answers(stream):
    """Status and body of each answer in a stream of them."""
    found = []
    while stream:
        head, _, stream = stream.partition(b"\r\n\r\n")
        size = int(re.search(rb"content-length: (\d+)", head, re.I).group(1))
        assert len(stream) >= size, "the last answer is cut off"
        found.append((int(head.split()[1]), stream[:size]))
        stream = stream[size:]
    return found


def ask(server, request):
    """Sends a request and gives the whole answer; the server must close."""
    with server.connect() as connection:
        connection.sendall(request)
        return read_all(connection)

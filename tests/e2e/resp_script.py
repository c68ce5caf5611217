"""Requests for a server that speaks the Redis protocol, and what it replies.

redis-server and ours must reply alike, byte for byte, so nothing is asked here whose answer depends on the
clock or on who answers. By hand, `resp_script.py PORT` prints a conversation, and `resp_script.py PORT PORT`
the differences between two:

    redis-server --port 7000 --save '' &
    python3 tests/e2e/resp_script.py 7000
"""

import socket
import sys

LIMIT_S = 20


def array(*arguments):
    """A request as clients send it."""
    return b"*%d\r\n" % len(arguments) + b"".join(b"$%d\r\n%s\r\n" % (len(a), a) for a in arguments)


def lines(text):
    """Inline commands, one a line, after a FLUSHALL."""
    return b"FLUSHALL\r\n" + b"".join(line.strip().encode() + b"\r\n" for line in text.strip().splitlines())


PING = array(b"PING")
MOST = 2**63 - 1

CONNECTION = [
    lines("""
        PING
        ping hello
        PING a b
        ECHO hi
        ECHO
        ECHO a b
        COMMAND FOO
        COMMAND COUNT x
        CONFIG
        CONFIG GET
        CONFIG FOO
        CONFIG "F\\r\\nO" x
        CONFIG GET nosuch
        CONFIG GET save
        CONFIG GET SAVE
        config get appendonly
        CONFIG GET maxmemory maxmemory
        CONFIG GET maxmemory-policy
        INFO keyspace
        SET a 1
        INFO Keyspace
        INFO nosuch
        """),
    b"PING\r\nQUIT\r\nPING\r\n",
    b"quit now please\r\n",
]

UNKNOWN = [
    lines(f"""
        FOO
        foo a b
        "" a
        GETT a
        "foo\\r\\nbar" "a\\x00b" c
        "foo\\x00bar" "\\r\\n"
        FOO {"a" * 200} b
        FOO {" ".join(["abcdefghij"] * 20)}
        {"F" * 200} a
        GET
        get a b
        SET a
        INCR a b
        DECR
        TTL
        EXPIRE a
        MGET
        MSET a
        MSET a 1 b
        DEL
        EXISTS
        DBSIZE a
        """),
    array(b""),
    # Not behind the name: Redis may take GET and a NUL for the GET that came before.
    array(b"GE\0T", b"a"),
]

STRINGS = [
    lines("""
        GET a
        SET a 1
        GET a
        SET a "" XX
        GET a
        SET a x FOO
        SET a x NX
        SET b 1 XX
        SET b 1 NX
        SET a 2 NX XX
        SET a 2 XX NX
        SET a 2 NX NX
        SET a 3 GET
        SET a 4 GET NX
        GET a
        SET c 5 GET NX
        SET d 5 GET XX
        SET a 6 GET XX
        MGET a b c d a
        """),
    lines(f"""
        SET a 1 EX
        SET a 1 EX x
        SET a 1 EX 1.5
        SET a 1 EX " 1"
        SET a 1 EX 0
        SET a 1 PX 0
        SET a 1 EX -1
        SET a 1 EX {MOST}
        SET a 1 EX {MOST // 1000}
        SET a 1 PX {MOST}
        SET a 1 PX {MOST + 1}
        SET a 1 EX 10 PX 10
        SET a 1 PX 10 EX 10
        SET a 1 KEEPTTL EX 10
        SET a 1 EX 10 KEEPTTL
        SET a 1 EX 0 FOO
        SET a 1 GET EX 0
        SET a 1 NX EX 0
        EXISTS a
        SET a 1 EX 10 ex 100
        TTL a
        SET a 2 KEEPTTL KEEPTTL
        TTL a
        INCR a
        TTL a
        SET a 3 px 200000 GET xx
        TTL a
        SET a 4
        TTL a
        SET k 1 KEEPTTL
        TTL k
        """),
    lines(f"""
        INCR n
        INCR n
        DECR n
        DECR n
        DECR n
        GET n
        SET s x
        INCR s
        DECR s
        SET n {MOST}
        INCR n
        DECR n
        SET n {-MOST - 1}
        DECR n
        INCR n
        SET n {MOST + 1}
        INCR n
        SET n 01
        INCR n
        SET n " 1"
        INCR n
        SET n ""
        INCR n
        SET n -0
        INCR n
        SET n +1
        INCR n
        SET n -
        INCR n
        """),
    array(b"SET", b"a\0b", b"\r\n\0$") + array(b"GET", b"a\0b") + array(b"SET", b"", b"") + array(b"MGET", b"", b"a"),
    array(b"SET", b"large", b"v" * 300_000) + array(b"GET", b"large"),
]

EXPIRY = [
    lines(f"""
        TTL a
        EXPIRE a 1
        EXPIRE a x
        EXPIRE a x FOO
        EXPIRE a 1 FOO
        EXPIRE a 1 "N\\r\\nX\\r\\n"
        EXPIRE a 1 "N\\x00X"
        EXPIRE a 1 NX XX
        EXPIRE a 1 GT NX
        EXPIRE a x GT LT
        EXPIRE a {MOST}
        EXPIRE a {MOST // 1000}
        EXPIRE a {-MOST - 1}
        EXPIRE a {MOST + 1}
        SET a 1
        TTL a
        EXPIRE a 100 XX
        EXPIRE a 100 GT
        EXPIRE a 100 LT
        TTL a
        EXPIRE a 200 NX
        EXPIRE a 200 LT
        EXPIRE a 50 GT
        EXPIRE a 200 XX GT
        TTL a
        EXPIRE a 50 xx lt
        TTL a
        EXPIRE a 300
        TTL a
        EXPIRE a 0
        EXISTS a
        SET a 1
        EXPIRE a -1
        TTL a
        SET a 1
        EXPIRE a {-(MOST // 1000)}
        GET a
        DBSIZE
        """),
]

MANY_KEYS = [
    lines("""
        MSET a 1 b 2 c 3 d 4 e 5 f 6 a 7
        MGET f e d c b a zzz a
        EXISTS a b a zzz
        DBSIZE
        DEL a zzz a b
        DBSIZE
        MGET a
        FLUSHALL x
        FLUSHALL SYNC ASYNC
        DBSIZE
        FLUSHALL sync
        DBSIZE
        MSET a 1 a 2
        GET a
        FLUSHALL ASYNC
        DEL a
        """),
    array(b"MSET", *[b"%d" % i for i in range(2000)]) + array(b"MGET", *[b"%d" % i for i in range(1001)])
    + array(b"EXISTS", *[b"%d" % i for i in range(2000)]) + array(b"DEL", *[b"%d" % i for i in range(0, 1000, 4)]),
]

PIPELINES = [
    PING * 1000,
    b"PING\r\n" * 100 + PING * 100,
    b"FLUSHALL\r\n" + b"".join(array(b"SET", b"k%d" % i, b"v%d" % i) + array(b"GET", b"k%d" % (i // 2)) for i in range(500)),
    PING + b"*1\r\n$4\r\nPI",
    PING + b"PIN",
    [PING[:5], PING[5:] + PING[:9], PING[9:]],
    [b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$10000\r\n", b"v" * 5000, b"v" * 5000, b"\r\nGET a\r\n"],
]

INLINE = [
    b"PING\n",
    b"\r\n\n \r\nPING\r\n",
    b" \t PING  a\t\r\n",
    b"PING\rx\r\n",
    b"ECHO a\vb\r\nECHO \v\fa\r\n",
    b"\"PING\"\r\nECHO \"a b\"\r\nECHO a\"b c\"\r\nECHO ''\r\n\"\"\r\n",
    b"ECHO \"\\x41\\n\\r\\t\\b\\a\\q\\\\\\\"\\x0\\xzz\\x00\\xFf\"\r\n",
    b"ECHO 'a\\'b\\n'\r\n",
    *(b"PING\r\n" + line + b"\r\nPING\r\n"
      for line in (b"ECHO \"a", b"ECHO 'a", b"ECHO \"a\"b", b"ECHO 'a'b", b"ECHO \"a\\\"", b"ECHO 'a\\'", b"ECHO \"a\"'b'")),
    b"x" * 65536,
    b"x" * 65537,
    b"PI\0NG\r\nPING\r\n",
    b"\0" + PING,
]

MALFORMED = [
    *(PING + b"*" + length + b"\r\n" + PING
      for length in (b"0", b"-1", b"-5", b"", b"a", b"01", b"-0", b"+1", b" 1", b"1 ", b"-", b"1.0", b"2147483648",
                     b"9223372036854775808", b"18446744073709551617")),
    *(b"*1\r\n$" + length + b"\r\nPING\r\n"
      for length in (b"", b"a", b"-1", b"04", b"+4", b" 4", b"4 ", b"536870912", b"536870913", b"9223372036854775808")),
    *(b"*2\r\n$4\r\nECHO\r\n" + other + b"4\r\nPING\r\n" for other in (b"x", b":", b"*", b"\xff", b"\n", b"\r\n", b"'")),
    b"*1\rx$4\rxPINGxx" + PING,
    b"*2\r\n$4\r\nECHO\r\n$3\r\nabcdePING\r\n",
    b"*" + b"1" * 65535,
    b"*" + b"1" * 65536,
    b"*1\r\n$" + b"1" * 65535,
    b"*1\r\n$" + b"1" * 65536,
    b"*1\0\r\n$4\r\nPING\r\n",
    b"*1\r\n\0\r\n",
]

# Each is one connection's bytes; a list of them is sent in these pieces.
SCRIPTS = [*CONNECTION, *UNKNOWN, *STRINGS, *EXPIRY, *MANY_KEYS, *PIPELINES, *INLINE, *MALFORMED]


def ask(host, port, script):
    """Sends a script, says that no more will come, and gives all that is replied until the server closes."""
    reply = bytearray()
    with socket.create_connection((host, port), timeout=LIMIT_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in script if isinstance(script, list) else [script]:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        while piece := connection.recv(1 << 16):
            reply += piece
    return bytes(reply)


def converse(host, port):
    """All scripts, one after the other: a list of (request, reply), as bytes."""
    return [(b"".join(script) if isinstance(script, list) else script, ask(host, port, script)) for script in SCRIPTS]


def short(text):
    return repr(text if len(text) < 400 else text[:200] + b" ... " + text[-200:])


def main(*ports):
    conversations = [converse("127.0.0.1", int(port)) for port in ports]
    if len(conversations) == 1:
        for request, reply in conversations[0]:
            print(short(request), "->", short(reply))
        return 0
    differing = [(a, b) for a, b in zip(*conversations) if a != b]
    for (request, first), (_, second) in differing:
        print(short(request), *(short(r) for r in (first, second)), sep="\n  ")
    print(f"{len(differing)} of {len(SCRIPTS)} differ")
    return bool(differing)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Puts real load on the example servers and looks at what it leaves behind: soak.py BUILD WISH...

    --minutes M        echo, HTTP and keys under churn: every byte checked, memory and descriptors flat
    --connections N    so many open at once
    --bytes 10G        so many echoed, every one of them checked
    --timers N         armed, half of them cancelled: none early, none lost

BUILD is a release build of the whole tree, with soak_client and soak_timers built. `./run soak` calls it.
"""

import argparse
import contextlib
import re
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from example import Server  # noqa: E402  (takes BUILD from the command line)
import example  # noqa: E402

SERVERS = {
    "echo": ("echo_server", ["127.0.0.1:0"]),
    "http": ("sharded_http", ["127.0.0.1:0", "--shards", 2]),
    "kv": ("sharded_kv", ["--port", 0, "--shards", 2]),
}
THREADS = 8  # of each client
PROCESS_CONNECTIONS_MAX = 5000  # a process may have 20,000 descriptors in many a container
PROGRESS_S = 5
# Allowed to grow by, beside 1 %: what the number of connections at the moment makes of a median.
RSS_ALLOWANCE_KIB = 1024
MISBEHAVIOURS = ("resets", "cut", "half_closed", "slow")

passed = failed = 0


def check(holds, text):
    global passed, failed
    passed, failed = passed + bool(holds), failed + (not holds)
    print(f"{'ok    ' if holds else 'FAILED'} {text}", flush=True)


def program(name):
    """In the last phase that has it."""
    found = sorted(example.programs.glob(f"subprojects/phase*/{name}"))
    if not found:
        sys.exit(f"soak: {name} is not built in {example.programs}")
    return found[-1].resolve()


def start(kind):
    name, words = SERVERS[kind]
    return Server(program(name), *words, where=())


def rss_kib(server):
    # Not from stat or statm: those are off by what the counters of each CPU hold back.
    text = Path(f"/proc/{server.process.pid}/smaps_rollup").read_text(encoding="ascii")
    return int(re.search(r"^Rss:\s+(\d+)", text, re.M).group(1))


def size(count):
    for unit, one in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= one:
            return f"{count / one:.1f} {unit}"
    return f"{count} B"


class Client:
    """A soak_client at work. Its counts are those it has told last."""

    def __init__(self, *words):
        self.counts = {}
        self.process = subprocess.Popen([program("soak_client"), *map(str, words)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        errors="backslashreplace")
        self.told = threading.Event()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            words = line.split()
            self.counts = dict(zip(words[::2], map(int, words[1::2])))
            self.told.set()
        self.told.set()

    def is_running(self):
        return self.process.poll() is None

    def complaint(self):
        """Empty if it found nothing wrong. To be asked once, at its end."""
        self.process.wait()
        self.reader.join()
        said = self.process.stderr.read().strip()
        return said if not self.process.returncode else said or f"exit code {self.process.returncode}"

    def close(self):
        self.process.kill()
        self.process.wait()


class Watch:
    """Memory and descriptors of a server, once a second."""

    def __init__(self, server):
        self.server = server
        self.samples = []  # (KiB, descriptors)

    def look(self):
        """False: the server is gone."""
        if self.server.process.poll() is not None:
            return False
        self.samples.append((rss_kib(self.server), self.server.descriptors()))
        return True

    def now(self):
        kib, descriptors = self.samples[-1]
        return f"{kib / 1024:.1f} MiB {descriptors} fds"

    def is_flat(self):
        """Whether the last sixth is as large as a sixth after the first quarter, and in words."""
        kib = [sample[0] for sample in self.samples]
        window = max(1, len(kib) // 6)
        warm = statistics.median(kib[len(kib) // 4:][:window])
        end = statistics.median(kib[-window:])
        return (end <= warm * 1.01 + RSS_ALLOWANCE_KIB,
                f"{warm / 1024:.2f} MiB after warm-up, {end / 1024:.2f} MiB at the end")


def at_rest(server):
    """The number of descriptors once it no longer changes."""
    before = -1
    while before != (now := server.descriptors()):
        before = now
        time.sleep(3)  # a server may wait 2 s for a client to close
    return now


def run_clients(clients, watches):
    """Until the last client ends, or something dies."""
    began = time.monotonic()
    shown = began
    while any(client.is_running() for client in clients.values()):
        time.sleep(1)
        if not all([watch.look() for watch in watches.values()]):
            return
        if any(client.process.poll() for client in clients.values()):
            return
        if time.monotonic() - shown >= PROGRESS_S:
            shown = time.monotonic()
            print(progress(shown - began, clients, watches), flush=True)


def progress(elapsed, clients, watches):
    def total(what, kinds=clients):
        return sum(clients[kind].counts.get(what, 0) for kind in kinds)

    return (f"{elapsed:5.0f} s: {total('connections')} connections, {size(total('bytes', ['echo']))} echoed, "
            f"{total('requests')} requests, {total('resets')} resets, {total('cut')} cut off; "
            + "; ".join(f"{kind} {watch.now()}" for kind, watch in watches.items()))


def soak(minutes, seed):
    print(f"seed {seed}")
    with contextlib.ExitStack() as stack:
        servers = {kind: stack.enter_context(start(kind)) for kind in SERVERS}

        def started_clients(seconds, seed):
            return {kind: stack.enter_context(contextlib.closing(
                Client("churn", kind, server.port, seconds, THREADS, seed))) for kind, server in servers.items()}

        # What a server opens for good when it is first used belongs to the baseline.
        for client in started_clients(1, seed).values():
            client.process.wait()
        baseline = {kind: at_rest(server) for kind, server in servers.items()}
        clients = started_clients(round(minutes * 60), seed + 1)
        watches = {kind: Watch(server) for kind, server in servers.items()}
        run_clients(clients, watches)
        for kind, server in servers.items():
            judge(kind, server, clients[kind], watches[kind], baseline[kind])


def judge(kind, server, client, watch, baseline):
    alive = server.process.poll() is None
    check(alive, f"{kind}: the server lives" + ("" if alive else f": {server.errors()}"))
    if client.is_running():
        return None  # another server or client has failed
    complaint = client.complaint()
    counts = ", ".join(f"{count} {what}" for what, count in client.counts.items())
    check(not complaint, f"{kind}: no byte lost or changed: {complaint or counts}")
    if not alive or complaint:
        return None
    check(all(client.counts[what] for what in MISBEHAVIOURS), f"{kind}: clients misbehaved in every way")
    now = server.settled_descriptors(baseline)
    check(now == baseline, f"{kind}: {now} descriptors, {baseline} before, {max(s[1] for s in watch.samples)} at most")
    flat, text = watch.is_flat()
    check(flat, f"{kind}: memory is flat: {text}")
    return check_stop(kind, server)


def check_stop(kind, server):
    try:
        server.stop()
        problem = ""
    except (AssertionError, subprocess.TimeoutExpired) as error:
        problem = f": {error}"
        server.process.kill()
    check(not problem, f"{kind}: the server stops when told to{problem}")


def hold_connections(count):
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(start("echo"))
        server.connect().close()
        baseline, before_kib, began = at_rest(server), rss_kib(server), time.monotonic()
        parts = [min(PROCESS_CONNECTIONS_MAX, count - first) for first in range(0, count, PROCESS_CONNECTIONS_MAX)]
        clients = [stack.enter_context(contextlib.closing(Client("hold", server.port, part))) for part in parts]
        for client in clients:
            client.told.wait()
        opened, open_s, kib = server.descriptors() - baseline, time.monotonic() - began, rss_kib(server) - before_kib
        check(opened == count, f"connections: {opened} open at once after {open_s:.1f} s, {kib / opened:.2f} KiB of the"
              " server's memory each" if opened else "connections: none is open")
        for client in clients:
            with contextlib.suppress(BrokenPipeError):
                client.process.stdin.write("\n")
                client.process.stdin.flush()
        complaints = {client.complaint() for client in clients} - {""}
        echoed = sum(client.counts.get("bytes", 0) for client in clients)
        check(not complaints, f"connections: {size(echoed)} came back, twice on each: {'; '.join(complaints) or 'all'}")
        now = server.settled_descriptors(baseline)
        check(now == baseline, f"connections: {now} descriptors after all have closed, {baseline} before")
        check_stop("connections", server)


def echo_bytes(count, connections=4):
    with start("echo") as server, contextlib.closing(Client("bytes", server.port, count, connections)) as client:
        began = shown = time.monotonic()
        while client.is_running():
            time.sleep(0.1)
            if time.monotonic() - shown >= PROGRESS_S:
                shown = time.monotonic()
                print(f"{shown - began:5.0f} s: {size(client.counts.get('bytes', 0))} echoed", flush=True)
        complaint, took = client.complaint(), time.monotonic() - began
        came = client.counts.get("bytes", 0)
        check(not complaint and came == count // connections * connections,
              f"bytes: {came} came back right on {connections} connections in {took:.1f} s,"
              f" {came / took / 1e6:.0f} MB/s {complaint}")
        check_stop("bytes", server)


def run_timers(count):
    done = subprocess.run([program("soak_timers"), str(count)], check=False)
    check(done.returncode == 0, f"timers: exit code {done.returncode}")


def bytes_of(text):
    found = re.fullmatch(r"(\d+)([kMG]?)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text} is no size; write it as 10G or 500M")
    return int(found.group(1)) * 1000 ** " kMG".index(found.group(2) or " ")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--connections", type=int)
    parser.add_argument("--bytes", type=bytes_of)
    parser.add_argument("--timers", type=int)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the churn")
    wishes = parser.parse_args()
    if wishes.connections:
        hold_connections(wishes.connections)
    if wishes.bytes:
        echo_bytes(wishes.bytes)
    if wishes.timers:
        run_timers(wishes.timers)
    if wishes.minutes:
        soak(wishes.minutes, wishes.seed)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())

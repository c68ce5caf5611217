"""Row B9: HTTP servers under wrk. The server has one CPU, wrk another; the figure is the server's CPU time a request.

The rate of requests says little: one core of wrk is soon the bottleneck.
"""

import re
import subprocess
import time
from pathlib import Path

import measure
from rows import FLOOR, LOADS, OURS

PIPELINE_SCRIPT = Path(__file__).with_name("pipeline.lua")
PORT = re.compile(r":(\d{2,5})\b")
REQUESTS = re.compile(r"(\d+) requests in")


class RunningServer:
    def __init__(self, server, command, cpu):
        self.who = server.who
        self.process = subprocess.Popen(["taskset", "-c", str(cpu), *command], stdout=subprocess.PIPE, text=True)
        self.port = self.read_port()

    def read_port(self):
        for line in self.process.stdout:
            if found := PORT.search(line):
                return int(found.group(1))
        raise RuntimeError(f"{self.who}: the server ended and named no port")

    def cpu_ns(self):
        """User and system time of all its threads, to the nanosecond."""
        tasks = Path(f"/proc/{self.process.pid}/task")
        return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in tasks.iterdir())

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


def load(server, asked, seconds, cpu):
    """Puts load on a server; returns the number of requests that were answered."""
    words = ["taskset", "-c", str(cpu), "wrk", "-t1", f"-c{asked.connections}", f"-d{seconds}s"]
    url = f"http://127.0.0.1:{server.port}{asked.path}"
    words += ["-s", str(PIPELINE_SCRIPT), url, "--", str(asked.pipeline)] if asked.pipeline > 1 else [url]
    text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(f"{server.who}, {asked.case}: wrk met errors:\n{text}")
    return int(REQUESTS.search(text).group(1))


def microseconds_a_request(server, asked, seconds, cpu, wrk_cpu):
    watch = measure.Watch((cpu,), server.cpu_ns)
    before_ns = server.cpu_ns()
    requests = load(server, asked, seconds, wrk_cpu)
    used_us = (server.cpu_ns() - before_ns) / 1000
    return used_us / requests, watch.was_disturbed()


def order(servers, round_number, repeat):
    """Who is measured in this round: ours and the floor always, in turn first; peers `repeat` times."""
    pair = [server for server in servers if server.who in (OURS, FLOOR)]
    if round_number % 2:
        pair.reverse()
    return pair + [server for server in servers if server.who not in (OURS, FLOOR) and round_number < repeat]


def measure_http(commands, repeat, pairs, seconds, tick):
    """Samples of row B9. `commands` gives the words of each server that was built."""
    cpu, wrk_cpu = measure.cpus()
    samples = measure.Samples()
    quiet = measure.Quiet(tick)
    servers = []
    try:
        for server, command in commands:
            servers.append(RunningServer(server, command, cpu))
        for asked in LOADS:
            for server in servers:
                load(server, asked, 1, wrk_cpu)
            tick(" ")
            for round_number in range(pairs):
                for server in order(servers, round_number, repeat):
                    value, disturbed = quiet.run(
                        lambda: microseconds_a_request(server, asked, seconds, cpu, wrk_cpu))
                    samples.disturbed += disturbed
                    samples.add(server.who, asked.case, value)
                    time.sleep(0.05)
    finally:
        for server in servers:
            server.stop()
    return samples

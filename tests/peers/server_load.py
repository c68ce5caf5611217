"""Servers under load, rows B9 and B14. The server has one CPU, its client another.

The figures are the server's CPU time a request and the rate of requests. For HTTP the rate says little: one core of
wrk is soon the bottleneck.
"""

import re
import subprocess
import time
from pathlib import Path

import measure
from rows import FLOOR, OURS, REDIS, SLEEPING, TOKIO, Server

PIPELINE_SCRIPT = Path(__file__).with_name("pipeline.lua")
PORT = re.compile(r'listen\w*(?: on \S*|"):(\d{2,5})\b')
KEYS = 100_000
RATE_FIRST = 20_000  # of requests to a server whose rate is not known yet


class RunningServer:
    def __init__(self, server, command, cpu):
        self.who = server.who
        self.rates = {}  # requests a second when it was last asked, by case
        self.process = subprocess.Popen(["taskset", "-c", str(cpu), *command], stdout=subprocess.PIPE, text=True)
        self.port = self.read_port(server.port)

    def read_port(self, known):
        for line in self.process.stdout:
            if found := PORT.search(line):
                return int(found.group(1))
            if known and "Ready to accept" in line:
                return known
        raise RuntimeError(f"{self.who}: the server ended and named no port")

    def cpu_ns(self):
        """User and system time of all its threads, to the nanosecond."""
        tasks = Path(f"/proc/{self.process.pid}/task")
        return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in tasks.iterdir())

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


def run_wrk(server, asked, seconds):
    """(requests, requests a second)."""
    words = ["wrk", "-t1", f"-c{asked.connections}", f"-d{seconds}s"]
    url = f"http://127.0.0.1:{server.port}{asked.asked}"
    words += ["-s", str(PIPELINE_SCRIPT), url, "--", str(asked.pipeline)] if asked.pipeline > 1 else [url]
    text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(f"{server.who}, {asked.case}: wrk met errors:\n{text}")
    requests, rate = re.search(r"(\d+) requests in", text), re.search(r"Requests/sec:\s*([\d.]+)", text)
    return int(requests.group(1)), float(rate.group(1))


def run_redis_benchmark(server, asked, seconds):
    requests = int(server.rates.get(asked.case, RATE_FIRST) * seconds)
    words = ["redis-benchmark", "-p", str(server.port), "-t", asked.asked, "-c", str(asked.connections),
             "-P", str(asked.pipeline), "-n", str(requests), "-r", str(KEYS), "--csv"]
    text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return requests, float(text.splitlines()[-1].split(",")[1].strip('"'))


CLIENTS = {"wrk": run_wrk, "redis-benchmark": run_redis_benchmark}


def put_load(server, asked, seconds):
    """Puts load on a server from the CPUs that this program has; returns the number of requests that were answered."""
    requests, server.rates[asked.case] = CLIENTS[asked.client](server, asked, seconds)
    return requests


def measure_once(server, asked, seconds, cpu):
    """({case: figure}, disturbed)."""
    watch = measure.Watch((cpu,), server.cpu_ns)
    before_ns = server.cpu_ns()
    requests = put_load(server, asked, seconds)
    used_us = (server.cpu_ns() - before_ns) / 1000
    figures = {asked.case: used_us / requests, f"{asked.case}.rate": server.rates[asked.case] / 1000}
    return figures, watch.was_disturbed()


def order(servers, round_number, repeat):
    """Who is measured in this round: ours and what it is held against always, in turn first; peers `repeat` times."""
    pair = [server for server in servers if server.who in (OURS, FLOOR, REDIS, SLEEPING)]
    if round_number % 2:
        pair.reverse()
    return pair + [server for server in servers if server not in pair and round_number < repeat]


def measure_load(row, commands, repeat, pairs, seconds, tick):
    """Samples of a row with loads. `commands` gives the words of each server that was built."""
    cpu, _ = measure.cpus()
    names = [case.name for case in row.cases]
    samples = measure.Samples()
    quiet = measure.Quiet(tick)
    servers = []
    try:
        for server, command in commands:
            servers.append(RunningServer(server, command, cpu))
        for asked in row.loads:
            for server in servers:
                put_load(server, asked, 1)
            tick(" ")
            for round_number in range(pairs):
                for server in order(servers, round_number, repeat):
                    figures, disturbed = quiet.run(lambda: measure_once(server, asked, seconds, cpu))
                    samples.disturbed += disturbed
                    for case in figures.keys() & names:
                        samples.add(server.who, case, figures[case])
                    time.sleep(0.05)
    finally:
        for server in servers:
            server.stop()
    return samples


def self_test():
    says = {"http_server listens on http://127.0.0.1:8080/": "8080", '{"listening":41234}': "41234",
            "sharded_kv listens on 127.0.0.1:6379, 2 shards": "6379"}
    assert all(PORT.search(line).group(1) == port for line, port in says.items())
    assert not PORT.search("21 Nov 2026 17:41:02.123 * Running mode=standalone, port=26379.")
    ours, redis, tokio = (Server(who, "") for who in (OURS, REDIS, TOKIO))
    assert order([ours, redis, tokio], 0, 1) == [ours, redis, tokio]
    assert order([ours, redis, tokio], 1, 1) == [redis, ours]

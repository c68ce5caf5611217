"""Runs programs one at a time on a CPU of their own, throws disturbed runs away, and reads the figures."""

import functools
import json
import os
import resource
import statistics
import subprocess
import time

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
UNIT_NS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}
TRIES_MAX = 3
DISCARDS_MAX = 20  # in one row: a machine that is never quiet should not cost an hour


@functools.cache
def cpus():
    """The CPU that is measured on, and the other one (None where there is one only), as at the first call."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[-1], allowed[0] if len(allowed) > 1 else None


def busy_ns(names):
    """Time that these CPUs spent in processes or away from this machine; interrupts are left out."""
    total = 0
    with open("/proc/stat", encoding="ascii") as lines:
        for line in lines:
            name, *fields = line.split()
            if name in names:
                user, nice, system, _, _, _, _, steal, *_ = map(int, fields)
                total += (user + nice + system + steal) * TICK_NS
    return total


def children_ns():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return int((usage.ru_utime + usage.ru_stime) * 1e9)


class Watch:
    """Was another process busy on these CPUs between start and end? Own time is what `own_ns` counts."""

    def __init__(self, on_cpus, own_ns=children_ns):
        self.names = {f"cpu{cpu}" for cpu in on_cpus}
        self.own_ns = own_ns
        self.started = time.monotonic_ns(), busy_ns(self.names), own_ns()

    def was_disturbed(self):
        elapsed = time.monotonic_ns() - self.started[0]
        foreign = busy_ns(self.names) - self.started[1] - (self.own_ns() - self.started[2])
        # The kernel counts in ticks: one of them at each end is no evidence.
        return foreign > 0.03 * elapsed * len(self.names) + 3 * TICK_NS


class Samples:
    """Figures in the order in which they were taken, by who and case; and how often quiet was not to be had."""

    def __init__(self):
        self.figures = {}
        self.disturbed = 0

    def add(self, who, case, value):
        self.figures.setdefault((who, case), []).append(value)

    def get(self, who, case):
        return self.figures.get((who, case), [])

    def who(self, case):
        return [who for who, name in self.figures if name == case]

    def spread(self, who, case):
        """Interquartile range over median."""
        values = self.get(who, case)
        if len(values) < 2:
            return 0.0
        low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
        return (high - low) / middle

    def widest(self):
        return max((self.spread(who, case) for who, case in self.figures), default=0.0)


def google_figures(text, program, unit):
    for result in json.loads(text)["benchmarks"]:
        if "error_message" in result:
            raise RuntimeError(f"{result['name']}: {result['error_message']}")
        case = program.names[result["name"]]
        ns = result["real_time"] * UNIT_NS[result["time_unit"]]
        if unit[case] == "M/s":
            yield case, result["items_per_second"] / 1e6
        else:
            yield case, 1e6 / ns if unit[case] == "kIOPS" else ns / UNIT_NS[unit[case]]
        yield from extras(case, result)


def line_figures(text, program):
    for line in text.splitlines():
        result = json.loads(line)
        case = program.names.get(result["case"], result["case"])
        yield case, result["value"]
        yield from extras(case, result)


def extras(case, result):
    return ((f"{case}.{name}", result[name]) for name in ("memory_mib", "cpu_us") if name in result)


def run_once(program, command, on_cpus, unit):
    """(figures, disturbed) of one run."""
    words = ["taskset", "-c", ",".join(map(str, on_cpus)), *command]
    if program.is_google_benchmark:
        words += ["--benchmark_format=json", "--benchmark_min_time=0.3"]
    watch = Watch(on_cpus)
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    disturbed = watch.was_disturbed()
    if done.returncode != 0 or not done.stdout:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    figures = google_figures(done.stdout, program, unit) if program.is_google_benchmark \
        else line_figures(done.stdout, program)
    return list(figures), disturbed


class Quiet:
    """Repeats runs that somebody disturbed, within limits; ticks a dot for a good run and an x for a bad one."""

    def __init__(self, tick):
        self.tick = tick
        self.discards_left = DISCARDS_MAX

    def run(self, once):
        """What `once()` gave, and whether that last try was disturbed as well."""
        for number in range(1, TRIES_MAX + 1):
            result, disturbed = once()
            self.tick("x" if disturbed else ".")
            if not disturbed or number == TRIES_MAX or self.discards_left == 0:
                return result, disturbed
            self.discards_left -= 1


def measure_row(row, commands, repeat, tick):
    """Samples of a row's programs, alternating. `commands` gives the words of each program that was built."""
    cpu, other_cpu = cpus()
    unit = {case.name: case.unit for case in row.cases}
    samples = Samples()
    quiet = Quiet(tick)
    for _ in range(repeat):
        for program, command in commands:
            on_cpus = (other_cpu, cpu) if program.two_cores else (cpu,)
            figures, disturbed = quiet.run(lambda: run_once(program, command, on_cpus, unit))
            samples.disturbed += disturbed
            for case, value in figures:
                samples.add(program.who, case, value)
    return samples

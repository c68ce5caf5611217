"""The rows of the benchmark table: which programs run, which figures they give, which bars ours must reach.

A bar is a ratio of ours to another's figure. BENCHMARKS in short: judge by ratios within one run.
"""

from dataclasses import dataclass, field

OURS, FLOOR, TOKIO, ASYNC_EXECUTOR, RAW_RING = "ours", "floor", "tokio", "async-executor", "raw ring"
FIO = "fio"


@dataclass(frozen=True)
class Program:
    """One run of a program. It prints JSON lines, or is a Google Benchmark program.

    The command's words may hold {floor}, {rust}, {bench}, {peers}, {blocks}, {cpu} and {other_cpu}; {floor} and
    {bench} are builds by `compiler`. `names` says which case a figure belongs to, where it does not say so itself.
    """
    who: str
    command: str
    names: dict = field(default_factory=dict)
    two_cores: bool = False
    compiler: str = "g++"

    @property
    def is_google_benchmark(self):
        return self.command.startswith("{bench}")


@dataclass(frozen=True)
class Bar:
    """Ours is to be at most `factor` times the figure of `against` (at least, where more is better)."""
    against: str
    factor: float
    text: str
    case: str = ""


@dataclass(frozen=True)
class Case:
    name: str
    title: str
    unit: str
    bars: tuple = ()
    more_is_better: bool = False


@dataclass(frozen=True)
class Row:
    name: str
    title: str
    programs: tuple
    cases: tuple
    phase: int = 1


def google(program, names, compiler="g++", two_cores=False):
    pattern = "|".join(f"^{name}$" for name in names)
    return Program(OURS, f"{{bench}}/{program} --benchmark_filter={pattern}", names, two_cores, compiler)


def both_peers(subcommand):
    return (Program(TOKIO, f"{{rust}}/tokio-peer {subcommand}"),
            Program(ASYNC_EXECUTOR, f"{{rust}}/async-executor-peer {subcommand}"))


CLANG = "clang++-19"

B1 = Row("B1", "two tasks yield in turn", (
    google("phase1_tasks", {"yield": "yield"}),
    Program(FLOOR, "{floor}/floor_tasks yield"),
    *both_peers("yield"),
), (
    Case("yield", "a turn", "ns", (
        Bar(ASYNC_EXECUTOR, 1 / 12, "1/12 of async-executor"),
        Bar(FLOOR, 4, "4 floors"))),
))

B2 = Row("B2", "spawn and await one after another", (
    google("phase1_tasks", {"spawn_await": "spawn_await"}),
    google("phase1_tasks", {"spawn_await": "spawn_await_clang"}, CLANG),
    Program(FLOOR, "{floor}/floor_tasks spawn-await"),
    Program(FLOOR, "{floor}/floor_tasks spawn-await", {"spawn_await": "spawn_await_clang"}, compiler=CLANG),
    *both_peers("spawn-await"),
), (
    Case("spawn_await", "a task, GCC", "ns", (
        Bar(ASYNC_EXECUTOR, 1 / 8, "1/8 of async-executor"),
        Bar(FLOOR, 3.5, "3.5 floors"))),
    Case("spawn_await_clang", "a task, Clang", "ns", (
        Bar(ASYNC_EXECUTOR, 1 / 8, "1/8 of async-executor", "spawn_await"),
        Bar(FLOOR, 3, "3 floors"))),
))

B3 = Row("B3", "spawn many, then await all", (
    google("phase1_tasks", {"spawn_batch/1000": "batch_1000"}),
    Program(FLOOR, "{floor}/floor_tasks spawn-batch"),
    *both_peers("spawn-batch"),
    google("phase1_tasks", {"spawn_batch/1000000": "batch_1000000"}),
    Program(FLOOR, "{floor}/floor_tasks spawn-batch --tasks 1000000 --rounds 3"),
    *both_peers("spawn-batch --tasks 1000000 --rounds 3"),
), (
    Case("batch_1000", "a task of 1,000", "ns", (
        Bar(ASYNC_EXECUTOR, 1 / 5, "1/5 of async-executor"),
        Bar(FLOOR, 1.6, "1.6 floors"))),
    Case("batch_1000000", "a task of 1,000,000, warm", "ns", (
        Bar(ASYNC_EXECUTOR, 1 / 5, "1/5 of async-executor"),
        Bar(FLOOR, 1.6, "1.6 floors"))),
))

B4 = Row("B4", "nested await", (
    google("phase1_tasks", {"nested_await/100": "level", "poll_at_depth/1": "poll_1", "poll_at_depth/10": "poll_10",
                            "poll_at_depth/1000": "poll_1000"}),
    Program(FLOOR, "{floor}/floor_tasks yield", {"yield": "level"}),
), (
    Case("level", "a level (floor: a turn of B1)", "ns", (Bar(FLOOR, 4, "4 floors of B1"),)),
    Case("poll_1", "a poll at depth 1", "ns"),
    Case("poll_10", "a poll at depth 10", "ns", (Bar(OURS, 1.1, "1.1 of depth 1", "poll_1"),)),
    Case("poll_1000", "a poll at depth 1,000", "ns", (Bar(OURS, 1.1, "1.1 of depth 1", "poll_1"),)),
))

B6 = Row("B6", "1,000,000 tasks sleep 10 ms", (
    google("phase2_sleepers", {"sleepers/iterations:1": "sleepers"}),
    Program(FLOOR, "{floor}/floor_sleepers"),
    *both_peers("sleepers"),
), (
    Case("sleepers", "all of them", "ms", (Bar(ASYNC_EXECUTOR, 1 / 2, "1/2 of async-executor"),)),
    Case("sleepers.memory_mib", "peak memory", "MiB", (Bar(ASYNC_EXECUTOR, 1, "async-executor's"),)),
), phase=2)

B7 = Row("B7", "NOP through the ring", tuple(
    program for tasks in (1, 32, 100) for program in (
        google("phase2_ring", {f"nop/{tasks}": f"nop_{tasks}"}),
        Program(FLOOR, f"{{floor}}/floor_nop --tasks {tasks}"))
), tuple(
    Case(f"nop_{tasks}", f"an operation, {tasks} task{'s'[:tasks - 1]}", "ns",
         (Bar(FLOOR, factor, f"{factor} floors"),))
    for tasks, factor in ((1, 1.4), (32, 1.6), (100, 1.5))
), phase=2)

ONE_CORE, TWO_CORES = "--server-cpu {cpu} --client-cpu {cpu}", "--server-cpu {other_cpu} --client-cpu {cpu}"

B8 = Row("B8", "TCP echo round trip", (
    google("phase2_echo", {"echo_same_executor": "same_executor"}),
    Program(FLOOR, "{floor}/floor_echo same"),
    *both_peers("echo-same"),
    google("phase2_echo", {"echo_two_executors_one_core/real_time": "two_executors_one_core"}),
    Program(FLOOR, f"{{floor}}/floor_echo two {ONE_CORE}"),
    Program(RAW_RING, f"{{floor}}/floor_echo two-rings {ONE_CORE}"),
    *both_peers(f"echo-two {ONE_CORE}"),
    google("phase2_echo", {"echo_two_cores/real_time": "two_cores"}, two_cores=True),
    Program(FLOOR, f"{{floor}}/floor_echo two {TWO_CORES}", two_cores=True),
    Program(RAW_RING, f"{{floor}}/floor_echo two-rings {TWO_CORES}", two_cores=True),
    Program(TOKIO, f"{{rust}}/tokio-peer echo-two {TWO_CORES}", two_cores=True),
    Program(ASYNC_EXECUTOR, f"{{rust}}/async-executor-peer echo-two {TWO_CORES}", two_cores=True),
), tuple(
    Case(name, title, "us", (Bar(FLOOR, 1.1, "1.1 floors"),))
    for name, title in (("same_executor", "same executor"), ("two_executors_one_core", "two executors, one core"),
                        ("two_cores", "two cores, blocking"))
), phase=2)

# The floor submits each read at once, as fio does. Where fio is the slower of the two, its IOPS are the measure.
B10 = Row("B10", "4 KiB direct reads at random places", tuple(
    program for depth in (1, 32) for program in (
        google("phase3_reads", {f"direct_reads/{depth}/min_time:2.000/real_time": f"reads_{depth}"}),
        Program(FLOOR, f"{{floor}}/floor_direct --file {{blocks}} --tasks {depth}", {"direct_reads": f"reads_{depth}"}),
        Program(FIO, f"{{peers}}/fio_reads.py {{blocks}} {depth}", {"direct_reads": f"reads_{depth}"}))
), tuple(
    case for depth in (1, 32) for case in (
        Case(f"reads_{depth}", f"reads a second, {depth} in flight", "kIOPS", (
            Bar(FLOOR, 0.97, "0.97 floors"),
            Bar(FIO, 0.97, "0.97 of fio's, or that")), more_is_better=True),
        Case(f"reads_{depth}.cpu_us", "CPU a read", "us", (Bar(FIO, 1.1, "1.1 of fio's"),)))
), phase=3)

B10B = Row("B10b", "4 KiB cached reads, 32 tasks", (
    google("phase2_ring", {"cached_reads/32": "cached_reads"}),
    Program(FLOOR, "{floor}/floor_reads --file {blocks}"),
    Program(TOKIO, "{rust}/tokio-peer cached-reads --file {blocks}"),
), (
    Case("cached_reads", "reads a second", "kIOPS", (Bar(TOKIO, 6, "6 times Tokio"),), more_is_better=True),
), phase=2)


@dataclass(frozen=True)
class Server:
    """An HTTP server of row B9. Prints the port it listens on."""
    who: str
    command: str


TINY = "tokio, tinyhttp"
SERVERS = (
    Server(OURS, "{bench}/http_server --port 0"),
    Server(FLOOR, "{floor}/floor_http"),
    Server(TOKIO, "{rust}/tokio-peer http-minimal"),
    Server(TINY, "{rust}/tokio-peer http-tiny"),
    Server(ASYNC_EXECUTOR, "{rust}/async-executor-peer http-minimal"),
)


@dataclass(frozen=True)
class Load:
    """What wrk asks for in one case of row B9."""
    case: str
    path: str
    connections: int
    pipeline: int = 1


def http_case(load, title):
    bars = (Bar(FLOOR, 1.05, "1.05 floors"), Bar(TOKIO, 1, "the minimal Tokio's"))
    if load.pipeline > 1:
        bars = (Bar(FLOOR, 1.05, "1.05 floors"), Bar(TINY, 1 / 2, "half of tinyhttp's"))
    return Case(load.case, title, "us", bars)


LOADS = (
    Load("json_1", "/json", 1),
    Load("json_100", "/json", 100),
    Load("json_500", "/json", 500),
    Load("plaintext_100", "/plaintext", 100),
    Load("pipeline_16", "/plaintext", 50, 16),
)

B9 = Row("B9", "HTTP, server CPU a request", (), tuple(
    http_case(load, title) for load, title in zip(LOADS, (
        "/json, 1 connection", "/json, 100 connections", "/json, 500 connections", "/plaintext, 100 connections",
        "/plaintext, 50 connections, pipeline 16"))
), phase=2)

ROWS = {row.name: row for row in (B1, B2, B3, B4, B6, B7, B8, B9, B10, B10B)}

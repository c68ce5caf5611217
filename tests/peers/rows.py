"""The rows of the benchmark table: which programs run, which figures they give, which bars ours must reach.

A bar is a ratio of ours to another's figure, or, where nobody is named, a bound on the figure itself. BENCHMARKS in
short: judge by ratios within one run.
"""

from dataclasses import dataclass, field

OURS, FLOOR, TOKIO, ASYNC_EXECUTOR, RAW_RING = "ours", "floor", "tokio", "async-executor", "raw ring"
FIO, REDIS, SLEEPING, NOBODY = "fio", "redis-server", "ours, sleeping", ""


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
    """Ours is to be at most `factor` times the figure of `against` (at least, where more is better).

    Against nobody, ours is to be at most `factor`. Without a factor, the ratio is shown and not judged.
    """
    against: str
    factor: float | None
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
class Server(Program):
    """Says where it listens. If it says only that it is ready, as redis-server does, then on `port`."""
    port: int = 0


@dataclass(frozen=True)
class Load:
    """What a client asks of servers in one case: wrk for a path, redis-benchmark for a command."""
    case: str
    client: str
    asked: str
    connections: int
    pipeline: int = 1


@dataclass(frozen=True)
class Row:
    """With `loads`, its programs are servers: a case is their CPU time a request, its `.rate` thousands a second."""
    name: str
    title: str
    programs: tuple
    cases: tuple
    phase: int = 1
    loads: tuple = ()


def google(program, names, compiler="g++", two_cores=False):
    pattern = "|".join(f"^{name}$" for name in names)
    return Program(OURS, f"{{bench}}/{program} --benchmark_filter={pattern}", names, two_cores, compiler)


def both_peers(subcommand, two_cores=False):
    return (Program(TOKIO, f"{{rust}}/tokio-peer {subcommand}", two_cores=two_cores),
            Program(ASYNC_EXECUTOR, f"{{rust}}/async-executor-peer {subcommand}", two_cores=two_cores))


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
    *both_peers(f"echo-two {TWO_CORES}", two_cores=True),
), tuple(
    Case(name, title, "us", (Bar(FLOOR, 1.1, "1.1 floors"),))
    for name, title in (("same_executor", "same executor"), ("two_executors_one_core", "two executors, one core"),
                        ("two_cores", "two cores, blocking"))
), phase=2)

B8B = Row("B8b", "TCP echo round trip, two cores that spin", (
    google("phase3_echo", {"echo_two_cores_spinning/real_time": "two_cores_spinning"}, two_cores=True),
    Program(FLOOR, f"{{floor}}/floor_echo two-spinning {TWO_CORES}", two_cores=True),
), (Case("two_cores_spinning", "two cores, spinning", "us", (Bar(FLOOR, 1.5, "1.5 floors"),)),), phase=3)

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


# Each phase has one of the two.
OUR_HTTP_SERVERS = ("{bench}/http_server --port 0", "{bench}/sharded_http --port 0 --shards 1")
TINY = "tokio, tinyhttp"
HTTP_SERVERS = (
    *(Server(OURS, command) for command in OUR_HTTP_SERVERS),
    Server(FLOOR, "{floor}/floor_http"),
    Server(TOKIO, "{rust}/tokio-peer http-minimal"),
    Server(TINY, "{rust}/tokio-peer http-tiny"),
    Server(ASYNC_EXECUTOR, "{rust}/async-executor-peer http-minimal"),
)


def http_case(load, title):
    bars = (Bar(FLOOR, 1.05, "1.05 floors"), Bar(TOKIO, 1, "the minimal Tokio's"))
    if load.pipeline > 1:
        bars = (Bar(FLOOR, 1.05, "1.05 floors"), Bar(TINY, 1 / 2, "half of tinyhttp's"))
    return Case(load.case, title, "us", bars)


HTTP_LOADS = (
    Load("json_1", "wrk", "/json", 1),
    Load("json_100", "wrk", "/json", 100),
    Load("json_500", "wrk", "/json", 500),
    Load("plaintext_100", "wrk", "/plaintext", 100),
    Load("pipeline_16", "wrk", "/plaintext", 50, 16),
)

B9 = Row("B9", "HTTP, server CPU a request", HTTP_SERVERS, tuple(
    http_case(load, title) for load, title in zip(HTTP_LOADS, (
        "/json, 1 connection", "/json, 100 connections", "/json, 500 connections", "/plaintext, 100 connections",
        "/plaintext, 50 connections, pipeline 16"))
), phase=2, loads=HTTP_LOADS)

B9B = Row("B9b", "HTTP, 1 connection, spinning before each sleep", tuple(
    Server(who, f"{command}{option}")
    for who, option in ((OURS, " --spin-us 200"), (SLEEPING, ""))
    for command in ("{bench}/http_server --port 0 --cpu {cpu}", "{bench}/sharded_http --port 0 --shards 1")
), (
    Case("json_1.rate", "/json, requests a second", "k/s", (Bar(SLEEPING, 2, "twice sleeping's"),), more_is_better=True),
    Case("json_1", "CPU a request", "us", (Bar(SLEEPING, 1, "sleeping's"),)),
), phase=3, loads=HTTP_LOADS[:1])

BOTH_CPUS = "--cpu {cpu} --other-cpu {other_cpu}"


def cross(subcommand, who=FLOOR):
    return Program(who, f"{{floor}}/floor_cross {subcommand} {BOTH_CPUS}", two_cores=True)


B11 = Row("B11", "messages between two cores", (
    google("phase4_channel", {
        "batched/1024/16384/real_time": "batched", "one_by_one/1/real_time": "one_by_one",
        "round_trip/1000/real_time": "round_trip_spinning", "round_trip/0/real_time": "round_trip_blocking",
        "round_trip_submit_to/1000/real_time": "submit_spinning", "round_trip_submit_to/0/real_time": "submit_blocking",
    }, two_cores=True),
    cross("batched"),
    cross("line"),
    cross("futex"),
    cross("message", RAW_RING),
    cross("event", "raw eventfd"),
    *both_peers(f"one-by-one {BOTH_CPUS}", two_cores=True),
    *both_peers(f"round-trip {BOTH_CPUS}", two_cores=True),
), (
    Case("batched", "messages a second, in batches", "M/s", (
        Bar(NOBODY, 100, "100 M/s"),
        Bar(FLOOR, None, "of the floor")), more_is_better=True),
    Case("one_by_one", "messages a second, sent one by one", "M/s", (
        Bar(TOKIO, None, "of Tokio's"),), more_is_better=True),
    Case("round_trip_spinning", "round trip, spinning", "ns", (
        Bar(NOBODY, 400, "400 ns"),
        Bar(FLOOR, None, "of the floor"))),
    Case("round_trip_blocking", "round trip, sleeping", "us", (
        Bar(NOBODY, 40, "40 us"),
        Bar(FLOOR, None, "of the floor"),
        Bar(RAW_RING, None, "of a raw ring"))),
    Case("submit_spinning", "submit_to, spinning", "ns", (Bar(FLOOR, None, "of the floor", "round_trip_spinning"),)),
    Case("submit_blocking", "submit_to, sleeping", "us", (Bar(FLOOR, None, "of the floor", "round_trip_blocking"),)),
), phase=4)


def wakes(subcommand, who=FLOOR):
    return Program(who, f"{{floor}}/floor_wakes {subcommand} {BOTH_CPUS}", two_cores=True)


B12 = Row("B12", "what a wake costs its sender", (
    google("phase4_wakes", {
        f"from_{sender}/{owner}/iterations:{count}/manual_time": f"{owner}_{sender}"
        for owner, count in (("parked", 5000), ("busy", 100000)) for sender in ("thread", "executor")
    }, two_cores=True),
    wakes("parked"),
    wakes("parked-message"),
    wakes("busy"),
    wakes("busy-word", "exchange"),
), (
    Case("parked_thread", "a sleeper, from a thread", "us", (Bar(FLOOR, 1.2, "1.2 floors"),)),
    Case("parked_executor", "a sleeper, from an executor", "us", (Bar(FLOOR, 1.2, "1.2 floors"),)),
    Case("busy_thread", "a busy owner, from a thread", "us", (
        Bar(FLOOR, 1.2, "1.2 floors"),
        Bar("exchange", None, "of an exchange"))),
    Case("busy_executor", "a busy owner, from an executor", "us", (
        Bar(FLOOR, 1.2, "1.2 floors", "busy_thread"),)),
), phase=4)

KEY_LOADS = tuple(Load(f"{command}_{pipeline}", "redis-benchmark", command, 50, pipeline)
                  for pipeline in (1, 16) for command in ("set", "get"))


def key_cases(load, factor):
    title = f"{load.asked.upper()}, P = {load.pipeline}"
    return (Case(f"{load.case}.rate", f"{title}, requests a second", "k/s", (
                Bar(REDIS, factor, f"{factor} times redis-server"),), more_is_better=True),
            Case(load.case, f"{title}, CPU a request", "us", (Bar(REDIS, None, "of redis-server's"),)))


B14 = Row("B14", "keys, one server core, 50 connections", (
    Server(OURS, "{bench}/sharded_kv --port 0 --shards 1"),
    Server(REDIS, "redis-server --port 26379 --save '' --appendonly no", port=26379),
), tuple(case for load in KEY_LOADS for case in key_cases(load, 1 if load.pipeline == 1 else 1.5)),
    phase=4, loads=KEY_LOADS)

B15 = Row("B15", "idle connections; a local channel", (
    *(Program(OURS, f"{{peers}}/idle_memory.py {command}") for command in OUR_HTTP_SERVERS),
    google("phase3_sync", {"channel_round_trip": "channel"}),
    *both_peers("local-round-trip"),
), (
    Case("idle_bytes", "user memory of an idle connection", "bytes", (Bar(NOBODY, 1024, "1 KiB"),)),
    Case("channel", "local channel, a round trip", "ns", (Bar(ASYNC_EXECUTOR, 1 / 10, "1/10 of async-executor"),)),
), phase=4)

ROWS = {row.name: row for row in (B1, B2, B3, B4, B6, B7, B8, B8B, B9, B9B, B10, B10B, B11, B12, B14, B15)}

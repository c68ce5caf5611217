"""Runs the microbenchmarks and prints one table across phases: bench.py BUILD_FOLDER [--phase NAME] [--json FILE]

BUILD_FOLDER is a configured release build of the whole tree; the benches are built here. `./run bench` calls it.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tree import ROOT, phases

UNITS_NS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}
REPETITIONS = 3


def benches(build):
    """Phase and program (relative to the build folder) of each bench that Meson knows."""
    subprocess.run(["ninja", "-C", build, "build.ninja"], check=True, stdout=subprocess.DEVNULL)  # lists may have changed
    targets = json.loads((build / "meson-info/intro-targets.json").read_text(encoding="utf-8"))
    for target in targets:
        sources = [source for group in target["target_sources"] for source in group["sources"]]
        if target["type"] == "executable" and any("/tests/bench/" in source for source in sources):
            yield target["subproject"], Path(target["filename"][0]).relative_to(build)


def run(program):
    """What Google Benchmark reports of one program: medians only."""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as result:
        done = subprocess.run(
            [program, f"--benchmark_repetitions={REPETITIONS}", "--benchmark_report_aggregates_only=true",
             "--benchmark_min_time=0.2", f"--benchmark_out={result.name}", "--benchmark_out_format=json"],
            check=False, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{program} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        rows = json.load(result)["benchmarks"]
    return [row for row in rows if row.get("aggregate_name") == "median"]


def nanoseconds(row):
    return row["real_time"] * UNITS_NS[row["time_unit"]]


def show(ns):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns:.3g} ns"


def table(results):
    """Lines: one row a benchmark, one column a phase, and the last column against the first."""
    columns = sorted(results)
    names = list(dict.fromkeys(name for column in columns for name in results[column]))
    width = max(map(len, names), default=9)
    yield f"{'benchmark':<{width}}" + "".join(f"{column.partition('-')[0]:>12}" for column in columns) + "       ratio"
    for name in names:
        cells = [results[column].get(name) for column in columns]
        ratio = f"{cells[-1] / cells[0]:.2f}" if len(cells) > 1 and cells[0] and cells[-1] else ""
        yield f"{name:<{width}}" + "".join(f"{show(cell) if cell else '':>12}" for cell in cells) + f"{ratio:>12}"


def machine(build):
    """With what the figures were measured."""
    command = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))[0]["command"].split()
    compiler = next(word for word in command if "ccache" not in word)
    version = subprocess.run([compiler, "--version"], check=True, capture_output=True, text=True).stdout.splitlines()[0]
    cpu = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
                if line.startswith("model name")), platform.machine())
    return {"date": time.strftime("%Y-%m-%d"), "kernel": platform.release(), "cpu": cpu, "cores": os.cpu_count(),
            "compiler": version, "build": "release"}


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("build", type=lambda name: Path(name).resolve())
    parser.add_argument("--phase", choices=[phase.name for phase in phases(ROOT)])
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(arguments)
    chosen = [bench for bench in benches(asked.build) if asked.phase in (None, bench[0])]
    if not chosen:
        sys.exit("there are no benches: is Google Benchmark installed?")
    if subprocess.run(["ninja", "-C", asked.build, *(program for _, program in chosen)], check=False).returncode:
        sys.exit("the benches do not build")
    results = {}
    for number, (phase, program) in enumerate(chosen, 1):
        print(f"[{number}/{len(chosen)}] {phase}: {program.name}", flush=True)
        for row in run(asked.build / program):
            results.setdefault(phase, {})[row["run_name"]] = nanoseconds(row)
    info = machine(asked.build)
    print(f"\nmedians of {REPETITIONS}; " + ", ".join(f"{key} {value}" for key, value in info.items()) + "\n")
    print("\n".join(table(results)))
    if asked.json:
        asked.json.write_text(json.dumps({**info, "unit": "ns", "median_ns": results}, indent=2) + "\n", encoding="utf-8")


def self_test():
    lines = list(table({"phase2-b": {"yield": 6.0, "nop": 70}, "phase1-a": {"yield": 5.0}}))
    assert lines[0].split() == ["benchmark", "phase1", "phase2", "ratio"]
    assert lines[1].split() == ["yield", "5", "ns", "6", "ns", "1.20"]
    assert lines[2].split() == ["nop", "70", "ns"]
    assert [show(ns) for ns in (5.678, 1234, 5e6, 2e9)] == ["5.68 ns", "1.23 us", "5 ms", "2 s"]


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        self_test()
    else:
        main(sys.argv[1:])

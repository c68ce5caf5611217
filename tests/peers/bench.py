"""Measures ours beside its peers and its floors: bench.py [BUILD_FOLDER] [--rows B1,B2] [--phase NAME] [--json FILE]

Installs what is missing, builds all three, runs them in turn on a CPU of their own and prints one line a bar. A run that
another process disturbed is thrown away (an x instead of a dot); a row whose interquartile range exceeds 15 % is
measured again and marked ~ if it stays so. `./run bench --peers` calls it.
"""

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

import measure
import server_load
import verdicts
from programs import ROOT, Programs, install_missing, versions
from rows import ROWS

SPREAD_MAX = 0.15


def parse(arguments):
    phases = sorted(path.name for path in ROOT.glob("phase*-*"))
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("build", nargs="?", type=lambda name: Path(name).resolve(), default=ROOT / "build/g++-release",
                        help="a release build of the whole tree by g++; configured if it is not there")
    parser.add_argument("--rows", default=",".join(ROWS), help=f"of {','.join(ROWS)}; all of them if left out")
    parser.add_argument("--phase", choices=phases, default=phases[-1], help="whose library is measured; else the last")
    parser.add_argument("--work", type=lambda name: Path(name).resolve(), default=ROOT / "build/peers",
                        help="where peers and floors are built; else build/peers")
    parser.add_argument("--json", type=Path, help="else results.json in that folder")
    parser.add_argument("--repeat", type=int, default=5, help="runs of each program")
    parser.add_argument("--pairs", type=int, default=11, help="pairs of runs of ours and its rival in rows B9 and B14")
    parser.add_argument("--seconds", type=int, default=2, help="of load in each run of rows B9 and B14")
    asked = parser.parse_args(arguments)
    asked.rows = asked.rows.split(",")
    if unknown := set(asked.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    return asked


def tick(mark):
    print(mark, end="", flush=True)


def our_programs(rows):
    """(compiler, name) of each program of ours that these rows run."""
    return {(program.compiler, word.removeprefix("{bench}/")) for name in rows for program in ROWS[name].programs
            for word in program.command.split() if word.startswith("{bench}/")}


def measure_once(row, programs, asked):
    cpu, other_cpu = measure.cpus()
    commands = [(program, programs.command(program, cpu, other_cpu)) for program in row.programs
                if other_cpu is not None or not program.two_cores]
    commands = [found for found in commands if found[1]]
    if row.loads:
        return server_load.measure_load(row, commands, asked.repeat, asked.pairs, asked.seconds, tick)
    return measure.measure_row(row, commands, asked.repeat, tick)


def measure_row(row, programs, asked):
    print(f"{row.name:<5}{row.title}  ", end="", flush=True)
    samples = measure_once(row, programs, asked)
    if samples.widest() > SPREAD_MAX:
        tick("  again: ")
        samples = measure_once(row, programs, asked)
    print(flush=True)
    return samples


def machine():
    model = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
                  if line.startswith("model name")), platform.machine())
    return {"date": time.strftime("%Y-%m-%d %H:%M"), "kernel": platform.release(), "cpu": model, "cores": os.cpu_count(),
            "build": "release"}


def main(arguments):
    asked = parse(arguments)
    other_cpu = measure.cpus()[1]
    if other_cpu is None:
        asked.rows = [name for name in asked.rows if not ROWS[name].loads]
        print("one CPU only: no servers under load, and nothing between two cores")
    install_missing()
    programs = Programs(asked.work, asked.build, asked.phase)
    programs.build_rust()
    programs.build_floors()
    programs.build_ours(our_programs(asked.rows))
    programs.make_blocks()
    if other_cpu is not None:
        # What this program itself does must not disturb the CPU that is measured on.
        os.sched_setaffinity(0, {other_cpu})

    info = {**machine(), "phase": asked.phase, "versions": versions()}
    results = {name: measure_row(ROWS[name], programs, asked) for name in asked.rows}
    print(f"\n{info['date']}, kernel {info['kernel']}, {info['cpu']}, {info['cores']} cores, release builds, {asked.phase}")
    print(", ".join(f"{name} {version}" for name, version in info["versions"].items()) + "\n")
    print("\n".join(verdicts.table(results)))
    target = asked.json or asked.work / "results.json"
    target.write_text(json.dumps({**info, "rows": verdicts.as_json(results)}, indent=2) + "\n", encoding="utf-8")
    print(f"\nall figures: {target}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        server_load.self_test()
        verdicts.self_test()
    else:
        main(sys.argv[1:])

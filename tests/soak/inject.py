"""Runs the doctest suites of a build with every third io_uring_enter refused: inject.py BUILD... [--only TEXT]

BUILD is the build folder of a phase. Each suite runs under strace once for each of EINTR, EAGAIN and EBUSY, and must
pass as if nothing had happened. `./run inject` calls it. Needs strace, and the right to trace.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ERRORS = ("EINTR", "EAGAIN", "EBUSY")
LIMIT_S = 180
SUMMARY = re.compile(r"test cases:\s*(\d+) \|\s*(\d+) passed \|\s*(\d+) failed")
FAILED_CASE = re.compile(r"^TEST CASE:\s+(.*)", re.M)

RAW = "calls the kernel by itself, and wants its answer"
COUNTS = "says how many calls there are, or in which of them something happens"
MEASURES = "measures CPU time, wake-ups or a race, to which tracing adds"

# What cannot hold when calls are refused: suite -> [(test cases that are left out, why)].
LEFT_OUT = {
    "executor_park_test": [("an operation that completes as it is submitted is not waited for by spinning", MEASURES)],
    "executor_preempt_test": [("R14: a spinning loop sees a timer of the latency ring*", RAW),
                              ("R42: a queue of whom latency matters runs within its bound*", MEASURES)],
    "executor_stall_test": [("an idle executor is woken by at most one signal", MEASURES),
                            ("R44: no alarm*", MEASURES)],
    "faults_core_contract_test": [("R24: what a cancellation says is not how its target ended", RAW)],
    "faults_core_ownership_test": [("R27: a queued operation keeps its descriptor*", RAW)],
    "faults_core_queues_test": [("*", COUNTS)],
    "faults_core_start_test": [("R3: *", MEASURES)],
    "faults_fs_polled_test": [("R37: what polling refuses with EOPNOTSUPP*", RAW)],
    "faults_net_accept_test": [("R36: a listener that backs off*", COUNTS)],
    "faults_net_cancel_test": [("R23: *dropped after the kernel had accepted*", RAW), ("R25: contract*", RAW),
                               ("R25: data that the kernel has received when the time is over*", RAW),
                               ("R26: contract*", RAW)],
    "faults_net_drops_test": [("R21: contract*", RAW), ("R29: contract*", RAW)],
    "faults_net_multishot_test": [("R17: contract*", RAW), ("R18: contract*", RAW), ("R19: *", COUNTS)],
    "faults_net_peer_test": [("R34: contract*", RAW)],
    "faults_ring_message_test": [("R49: a message to a ring that is gone or disabled*", RAW)],
    "fs_dma_file_test": [("a read or write is with the kernel as soon as it is started", COUNTS)],
    "operation_timeout_test": [("in a thousand races between data and deadline no byte is lost", MEASURES)],
    "pool_blocking_test": [("a function runs on another thread*", MEASURES)],
    "reactor_test": [("operations that start in one turn reach the kernel in one call", COUNTS),
                     ("an idle turn does not call the kernel", COUNTS), ("flush hands over what is queued*", COUNTS)],
    "ring_test": [("*", RAW)],
}


def count_lines(path, word):
    with open(path, encoding="utf-8", errors="replace") as lines:
        return sum(word in line for line in lines)


def run_suite(name, command, error, scratch):
    """(problem or None, test cases that passed, calls that were refused)"""
    log = Path(scratch, "strace")
    words = ["strace", "-f", "-qq", "-o", log, "-e", "trace=io_uring_enter", "-e", "signal=none",
             "-e", f"inject=io_uring_enter:error={error}:when=3+3", *command,
             "--no-breaks"]  # doctest takes strace for a debugger to stop in
    if left_out := LEFT_OUT.get(name):
        words.append("--test-case-exclude=" + ",".join(cases for cases, _ in left_out))
    # LeakSanitizer traces the program itself. Traced, calls are dear: smaller loads, as in an emulated machine.
    more = {"ASAN_OPTIONS": "detect_leaks=0", "RINGLET_EMULATED": "1"}
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          env={**os.environ, **more}, start_new_session=True) as process:
        try:
            said, _ = process.communicate(timeout=LIMIT_S)
            problem = None if process.returncode == 0 else f"exit code {process.returncode}"
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            said, _ = process.communicate()
            problem = f"not done after {LIMIT_S} s"
    counts = SUMMARY.search(said)
    if not counts and not problem:
        problem = "no summary of doctest's"
    if problem:
        names = ", ".join(dict.fromkeys(FAILED_CASE.findall(said)))
        problem += f": {names}\n" + "\n".join("    " + line for line in said.splitlines()[-40:])
    return problem, int(counts.group(2)) if counts else 0, count_lines(log, "(INJECTED)")


def suites_of(build, only):
    """[(name, command)]; a program may hold several suites, and is told which."""
    listed = subprocess.run(["meson", "introspect", "--tests", build], check=True, capture_output=True)
    return [(test["name"], test["cmd"]) for test in json.loads(listed.stdout)
            if only in test["name"] and "--source-file" in " ".join(test["cmd"])]


def is_left_out(name):
    return any(cases == "*" for cases, _ in LEFT_OUT.get(name, []))


def report_left_out(suites):
    for name in sorted({name for name, _ in suites} & set(LEFT_OUT)):
        for cases, reason in LEFT_OUT[name]:
            print(f"left out of {name}: {cases}: it {reason}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", nargs="+")
    parser.add_argument("--only", default="", metavar="TEXT", help="suites whose names hold it")
    wishes = parser.parse_args()
    if not shutil.which("strace") or subprocess.run(["strace", "-o", "/dev/null", "true"], check=False).returncode:
        sys.exit("inject: strace is not there, or may not trace here")
    suites = [suite for build in wishes.build for suite in suites_of(build, wishes.only)]
    report_left_out(suites)
    suites = [suite for suite in suites if not is_left_out(suite[0])]
    passed = failed = 0
    refused = dict.fromkeys(ERRORS, 0)
    with tempfile.TemporaryDirectory() as scratch:
        for number, (name, command) in enumerate(suites, 1):
            for error in ERRORS:
                began = time.monotonic()
                problem, cases, calls = run_suite(name, command, error, scratch)
                took = time.monotonic() - began
                passed, failed, refused[error] = passed + (not problem), failed + bool(problem), refused[error] + calls
                verdict = "FAILED" if problem else "ok"
                print(f"{number:3}/{len(suites)} {error:6} {verdict:6} {name}: {cases} cases,"
                      f" {calls} calls refused, {took:.1f} s", flush=True)
                if problem:
                    print("    " + problem, flush=True)
    print("refused calls: " + ", ".join(f"{count} {error}" for error, count in refused.items()))
    if not all(refused.values()):
        failed += 1
        print("FAILED: an error that never struck shows nothing")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())

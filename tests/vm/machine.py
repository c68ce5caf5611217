"""Runs the suites in a machine made of QEMU: machine.py BUILD_FOLDER [NAME...]; `./run vm` calls it.

The machine has what few machines have: the oldest kernel that Ringlet supports, drives that poll, and eight CPUs in two
NUMA nodes. All of it is emulated: this proves behaviour, never speed. pack.sh makes what it boots from, init.sh is its
first process. With names, for example `phase2-io-uring/ring_test` or `/net_`, only suites whose names hold one of them
run. Everything lies in build/vm afterwards: `console.log` is what the kernel said, `suites.log` what the suites said.
"""

import fcntl
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build/vm"
sys.path.append(str(ROOT / "tests/tools"))

from test_summary import add_up, count  # noqa: E402

SLOWDOWN = 5     # Meson's limits times this: emulated, everything takes 10 to 30 times as long as it does
TOTAL_S = 5400   # for all suites together
BOOT_S = 120     # until the first word, and between a suite's limit and its end
LEFT_OUT = {  # by label
    "e2e": "it wants Python, curl and wrk, which the machine does not hold",
}
LEFT_OUT_CASES = {  # by suite: a filter of doctest, without blanks
    "faults_core_shutdown_test": ("R53:?an?executor?with*", "it measures that 250 operations end within 100 ms"),
    "executor_park_test": ("an?idle?executor?uses*", "it measures CPU time"),
    "executor_preempt_test": ("R42:*", "it measures latencies"),
    "executor_stats_test": ("an?operation?s?time?is*,time?spent?looking*", "they measure times to a tenth of a millisecond"),
    "executor_trace_test": ("a?sleep?is?noted*", "it measures a time to a millisecond"),
}
# Of Intel's make, since QEMU gives an emulated AMD processor neither two threads to a core nor a clock to be trusted.
QEMU = """
    qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -nodefaults -display none -no-reboot
    -cpu qemu64,vendor=GenuineIntel
    -smp 8,sockets=2,cores=2,threads=2 -m 1G
    -object memory-backend-ram,id=m0,size=512M -numa node,nodeid=0,cpus=0-3,memdev=m0
    -object memory-backend-ram,id=m1,size=512M -numa node,nodeid=1,cpus=4-7,memdev=m1
    -drive file=scratch,format=raw,if=none,id=scratch -device nvme,serial=scratch,drive=scratch
    -drive file=disk,format=raw,if=none,id=disk -device nvme,serial=disk,drive=disk
    -serial file:console.log -serial stdio -kernel vmlinuz -initrd initramfs -append
""".split() + ["console=ttyS0 quiet panic=1"]


def suites(build, names):
    """{name: (program, seconds, options)} of what can run in the machine; says what cannot."""
    listed = subprocess.run(["meson", "introspect", "--tests", build], check=True, capture_output=True)
    found = {}
    for test in json.loads(listed.stdout):
        project, labels = test["suite"][0].split(":")[0], {suite.split(":")[1] for suite in test["suite"]}
        name = f"{project}/{test['name']}"
        if "once" in labels or (names and not any(part in name for part in names)):
            continue  # what is labelled so does not depend on the machine
        if reasons := [LEFT_OUT[label] for label in labels if label in LEFT_OUT]:
            print(f"SKIP {name}: {reasons[0]}")
            continue
        # Which of the suites in the program it is.
        options = " ".join(word for word in test["cmd"][1:] if word.startswith("--source-file"))
        if case := LEFT_OUT_CASES.get(test["name"]):
            print(f"SKIP {name}, {case[0].replace('?', ' ')}: {case[1]}")
            options += f" --test-case-exclude={case[0]}"
        found[name] = (test["cmd"][0], test["timeout"] * SLOWDOWN, options)
    return found


def silent(_signal, _frame):
    raise TimeoutError


def talk(machine, wanted):
    """What the machine says, line by line, until it is done, dead, or silent for too long."""
    signal.signal(signal.SIGALRM, silent)
    with open(WORK / "suites.log", "w", encoding="utf-8") as log:
        try:
            while True:
                signal.alarm(BOOT_S + max(seconds for _, seconds, _ in wanted.values()))
                line = machine.stdout.readline()
                log.write(line)
                if line == "DONE\n":
                    machine.wait()  # it powers off
                    break
                if not line:
                    break
                yield line
        except TimeoutError:
            print("the machine has fallen silent")
        finally:
            signal.alarm(0)


def listen(lines, wanted):
    """Prints the facts that the machine states first, and the progress; returns the record of each suite."""
    records = {name: {"name": name, "result": "ERROR"} for name in wanted}
    output = None
    for line in lines:
        start = re.fullmatch(r"BEGIN \S+\n", line)
        end = re.fullmatch(r"END (\S+) (\d+)\n", line)
        if start:
            output, began = [], time.monotonic()
        elif end:
            result = {0: "OK", 77: "SKIP", 137: "TIMEOUT", 143: "TIMEOUT"}.get(int(end[2]), "FAIL")
            records[end[1]] = {"name": end[1], "result": result, "stdout": "".join(output)}
            report(records[end[1]], time.monotonic() - began)
        elif output is None:
            print("  ", line, end="", flush=True)
        else:
            output.append(line)
    return list(records.values())


def report(ended, seconds):
    passed, failed, _ = count(ended)
    verdict = "FAIL" if failed else "ok  "
    print(f"{seconds:7.1f} s  {verdict}  {ended['name']}: {passed} passed, {failed} failed", flush=True)
    if failed:
        print(ended["result"], ended["stdout"], sep="\n", flush=True)


def run(wanted):
    with open(WORK / "list", "w", encoding="utf-8") as file:
        file.writelines(" ".join([name, *map(str, words)]) + "\n" for name, words in wanted.items())
    subprocess.run([ROOT / "tests/vm/pack.sh", "list"], cwd=WORK, check=True)
    machine = subprocess.Popen(["timeout", "-k", "5", str(TOTAL_S), *QEMU], cwd=WORK, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, text=True, errors="replace")
    try:
        return listen(talk(machine, wanted), wanted)
    finally:
        machine.terminate()
        machine.wait()


def main(build, *names):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    WORK.mkdir(parents=True, exist_ok=True)
    lock = open(WORK / "lock", "w", encoding="utf-8")  # until the end of the process
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("the machine is running already")
    wanted = suites(build, names)
    if not wanted:
        sys.exit("no suite has such a name")
    records = run(wanted)
    lost = [r["name"] for r in records if r["result"] == "ERROR"]
    if lost:
        print("never ended:", *lost)
        print(*(WORK / "console.log").read_text(encoding="utf-8", errors="replace").splitlines()[-30:], sep="\n")
    passed, failed, skips = add_up(records)
    for line in skips:
        print(line)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

#!/usr/bin/env python3
"""Planted bugs: does the simulation find what it is there to find? `./run sim --mutants` calls this.

    tests/sim/mutants.py [--suites] [NAME...]

Each of mutants/NAME.patch breaks the library in a few lines; mutants/mutants.txt names, beforehand, the invariant that
must kill it, or several, if the bug shows itself in more than one way. Each is applied to a scratch copy of its phase,
built, and run on as many seeds as it is allowed. With --suites the suites that do not simulate run too: only those that
the table lists as exceptions may fail.
Last line: how many were killed and how many survived; those killed by something else than named count as survivors.
"""
import argparse
import collections
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
MUTANTS = ROOT / "tests/sim/mutants"
FOLDERS = {int(folder.name[5]): folder.name for folder in ROOT.glob("phase[0-9]-*")}
WRITTEN_FOR = FOLDERS[4]  # the folder that the patches name; an earlier phase has the same lines
RUN_SECONDS = 900

Mutant = collections.namedtuple("Mutant", "name phase invariant seeds fails")


def read_table():
    mutants = []
    for line in (MUTANTS / "mutants.txt").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, phase, invariant, seeds, fails = (field.strip() for field in line.split("|"))
        mutants.append(Mutant(name, int(phase), invariant, int(seeds), set(fails.split())))
    return mutants


def patch_of(mutant):
    text = (MUTANTS / f"{mutant.name}.patch").read_text()
    return text.replace(f"{WRITTEN_FOR}/", f"{FOLDERS[mutant.phase]}/")


def run(command, **options):
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, **options)


def must_run(command, **options):
    done = run(command, **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
    return done.stdout


class Copy:
    """A phase, with what it links to, and its build folder."""

    def __init__(self, scratch, phase):
        self.scratch, self.phase = scratch, phase
        self.build = scratch / f"build-{phase}"
        self.touched = {}
        for folder in ("common", "tests", FOLDERS[phase]):
            if not (scratch / folder).exists():
                shutil.copytree(ROOT / folder, scratch / folder, symlinks=True)
        must_run(["meson", "setup", self.build, scratch / FOLDERS[phase], "-Dsuites=all"])

    def apply(self, patch):
        for name in re.findall(r"^--- a/(.*)$", patch, re.MULTILINE):
            self.touched[self.scratch / name] = (self.scratch / name).read_bytes()
        # Not patch(1), which finds a place for a hunk whose surroundings have changed, and plants nothing there.
        must_run(["git", "apply", "-"], cwd=self.scratch, input=patch)

    def revert(self):
        for file, before in self.touched.items():
            file.write_bytes(before)
        self.touched = {}

    def simulate(self, seeds):
        """The invariant that was violated and the seed; no invariant: it survived."""
        must_run(["ninja", "-C", self.build, f"phase{self.phase}_sim"])
        try:
            ran = run([self.build / f"phase{self.phase}_sim", "--seeds", str(seeds)], timeout=RUN_SECONDS)
        except subprocess.TimeoutExpired:
            return "it hung", None
        violated = re.search(r"^VIOLATED: (.*)\n.*\n  seed (\d+)", ran.stdout, re.MULTILINE)
        if violated:
            return violated.group(1), int(violated.group(2))
        return (None if ran.returncode == 0 else f"exit status {ran.returncode}"), None

    def failing_suites(self):
        tests = json.loads(must_run(["meson", "introspect", "--tests", self.build]))
        suites = {test["name"]: test["cmd"][0] for test in tests
                  if test["name"].endswith("_test") and not test["name"].startswith("sim_") and "e2e" not in str(test["suite"])}
        must_run(["ninja", "-C", self.build, *(pathlib.Path(program).name for program in suites.values())])
        run(["meson", "test", "-C", self.build, "--no-rebuild", *suites])
        log = self.build / "meson-logs/testlog.json"
        results = [json.loads(line) for line in log.read_text().splitlines()]
        return {result["name"].split()[-1] for result in results if result["result"] not in ("OK", "SKIP")}


def judge(copy, mutant, with_suites):
    """What is wrong; nothing if the mutant is killed as it should be."""
    began = time.monotonic()
    copy.apply(patch_of(mutant))
    invariant, seed = copy.simulate(mutant.seeds)
    fails = copy.failing_suites() if with_suites else set()
    copy.revert()
    wrong = []
    if invariant not in mutant.invariant.split(" or "):
        wrong.append(f"killed by '{invariant}'" if invariant else f"survived {mutant.seeds} seeds")
    if fails - mutant.fails:
        wrong.append(f"fails also {' '.join(sorted(fails - mutant.fails))}")
    suites = f"  suites that fail: {' '.join(sorted(fails)) or 'none'}" if with_suites else ""
    verdict = ", ".join(wrong) or "killed"
    print(f"{mutant.name:34} {mutant.invariant:46} seed {seed or '-':>8} {time.monotonic() - began:5.0f} s  {verdict}{suites}",
          flush=True)
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suites", action="store_true", help="run the suites that do not simulate, too")
    parser.add_argument("names", nargs="*", help="only mutants whose name begins so")
    options = parser.parse_args()
    mutants = [mutant for mutant in read_table()
               if not options.names or mutant.name.startswith(tuple(options.names))]
    survived = 0
    with tempfile.TemporaryDirectory(prefix="ringlet-mutants-") as scratch:
        copies = {phase: Copy(pathlib.Path(scratch), phase) for phase in sorted({mutant.phase for mutant in mutants})}
        for copy in copies.values():
            if (found := copy.simulate(1000)) != (None, None):
                sys.exit(f"phase {copy.phase} as it is: {found[0]}, seed {found[1]}")
        for mutant in mutants:
            survived += bool(judge(copies[mutant.phase], mutant, options.suites))
    print(f"{len(mutants) - survived} killed, {survived} survived")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())

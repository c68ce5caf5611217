"""Seeds on the simulated kernel: sim.py BUILD [--phase P] [--seeds N | --minutes M] [--seed S]

`./run sim` calls it with a release build. Runs the programs phaseN_sim of the build, two at a time on different seeds,
shows how they go on, and at the first failure what is needed to see it again: the seed, its last events as text and
as a picture, and the command that replays it. Exit code 1 then.
"""

import argparse
import html
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

SUMMARY = re.compile(r"^(\d+) seeds, \d+ a second; a seed: ([\d.]+) tasks, (\d+) steps, (\d+) completions", re.M)
EVENT = re.compile(r"^(\d+)\t(-?\d+)\t([^\t]+)\t([0-9a-f]+)\t(-?\d+)$", re.M)
FIRST_OF_SECOND = 1_000_000_000  # where the seeds of the second process begin
LANE, WIDTH, LEFT = 80, 1400, 70
# IORING_OP_*, of those that the runtime uses.
OPERATIONS = {0: "nop", 3: "fsync", 4: "read fixed", 5: "write fixed", 6: "poll", 11: "timeout", 12: "update timeout",
              13: "accept", 14: "cancel", 16: "connect", 18: "open", 19: "close", 22: "read", 23: "write", 26: "send",
              27: "receive", 40: "message to a ring"}


class Run:
    """One process on a range of seeds."""

    def __init__(self, program, words):
        self.text = ""
        self.process = subprocess.Popen([program, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        text=True)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.text += line

    def seeds(self):
        found = SUMMARY.findall(self.text)
        return int(found[-1][0]) if found else 0


def events_of(text):
    return [(int(at), int(shard), what, subject, int(value)) for at, shard, what, subject, value in EVENT.findall(text)]


def words_of(event):
    """What happened, to which operation (generation and slot), with what result."""
    _, _, what, subject, value = event
    if what == "submission" or what.startswith("in flight"):
        value = OPERATIONS.get(value, value)
    number = int(subject, 16)
    generation_and_slot = f"#{number >> 32}:{number & 0x7fffffff}"
    if number == (1 << 64) - 1:
        generation_and_slot = "not awaited"
    elif number & 1 << 31:  # RingDriver::of_cancel
        generation_and_slot = "of the cancellation of " + generation_and_slot
    if what == "completion" or what == "submission" or what.startswith("in flight"):
        return f"{what} {generation_and_slot} {value}"
    return what


def timeline(events, title):
    """An SVG: a lane for each shard, grey while it sleeps, with what it submits below and what completes above."""
    begin = events[0][0]
    end = begin + max((events[-1][0] - begin) * 103 // 100, 1)
    lanes = sorted({event[1] for event in events})

    def x(at):
        return LEFT + (at - begin) * (WIDTH - LEFT - 10) / (end - begin)

    out, asleep, labels = [], {}, {}
    for at, shard, what, subject, value in events:
        y = 56 + lanes.index(shard) * LANE
        tip = f"<title>{(at - begin) / 1000:.1f} us: {html.escape(words_of((at, shard, what, subject, value)))}</title>"
        if what == "sleep":
            asleep[shard] = at
        elif what == "wake" and shard in asleep:
            since = asleep.pop(shard)
            out.append(f'<rect x="{x(since):.1f}" y="{y}" width="{x(at) - x(since):.1f}" height="24" fill="#c8ccd0">{tip}</rect>')
        else:
            color, dy = {"completion": ("#1a7f37", -10), "submission": ("#0550ae", 26)}.get(what, ("#bc4c00", 7))
            text = {"completion": str(value), "submission": OPERATIONS.get(value, "")}.get(what, "")
            if text and x(at) > labels.get((shard, dy), 0):  # where there is room
                labels[shard, dy] = x(at) + 6 * len(text) + 6
                out.append(f'<text x="{x(at):.1f}" y="{y + dy + (20 if dy > 0 else -2)}" font-size="10">{text}</text>')
            out.append(f'<rect x="{x(at):.1f}" y="{y + dy}" width="1.5" height="10" fill="{color}">{tip}</rect>')
    for shard, since in asleep.items():
        y = 56 + lanes.index(shard) * LANE
        out.append(f'<rect x="{x(since):.1f}" y="{y}" width="{x(end) - x(since):.1f}" height="24" fill="#ffb3b3"/>')
    rows = [f'<text x="4" y="{73 + i * LANE}">shard {shard}</text>'
            f'<rect x="{LEFT}" y="{56 + i * LANE}" width="{WIDTH - LEFT - 10}" height="24" fill="none" stroke="#57606a"/>'
            for i, shard in enumerate(lanes)]
    height = 76 + len(lanes) * LANE
    legend = f"{(end - begin) / 1000:.1f} us; grey: asleep; green: completions; blue: submissions; red: asleep at the end"
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">'
            f'<rect width="{WIDTH}" height="{height}" fill="white"/><text x="{LEFT}" y="20">{html.escape(title)}: {legend}</text>'
            + "".join(rows + out) + "</svg>\n")


def report(phase, run, folder):
    found = re.search(r"VIOLATED: (.*)\n  (.*)\n  seed (\d+)", run.text)
    if not found:
        print(run.text[-2000:])
        return f"phase {phase}: the program ended with {run.process.returncode}, without a word"
    invariant, text, seed = found.groups()
    folder.mkdir(parents=True, exist_ok=True)
    events = events_of(run.text)
    print("   time (us) shard  event")
    for event in events[-30:]:
        print(f"{(event[0] - events[0][0]) / 1000:12.1f} {event[1]:5}  {words_of(event)}")
    (folder / f"phase{phase}-{seed}.txt").write_text(run.text)
    (folder / f"phase{phase}-{seed}.svg").write_text(timeline(events, f"phase {phase}, seed {seed}: {invariant}"))
    return (f"phase {phase}: VIOLATED: {invariant} ({text}), at seed {seed}\n"
            f"all events: {folder}/phase{phase}-{seed}.txt, as a picture: .svg\nagain: ./run sim --phase {phase} --seed {seed}")


def run_phase(build, phase, options):
    program = next(build.glob(f"**/phase{phase}_sim"))
    if options.seed is not None:
        runs = [Run(program, ["--seed", options.seed])]
    else:
        limit = ["--seconds", options.minutes * 60] if options.minutes else ["--seeds", (options.seeds + 1) // 2]
        runs = [Run(program, ["--first", first, *limit]) for first in (1, FIRST_OF_SECOND)]
    began = shown = time.monotonic()
    while any(run.process.poll() is None for run in runs) and not any(run.process.poll() for run in runs):
        time.sleep(0.1)
        if time.monotonic() - shown > 5:
            shown = time.monotonic()
            print(f"phase {phase}: {sum(run.seeds() for run in runs)} seeds in {shown - began:.0f} s", flush=True)
    for run in runs:
        if run.process.poll() is None:
            run.process.kill()
        run.process.wait()
        run.reader.join()
    for run in runs:
        if run.process.returncode > 0:
            print(report(phase, run, build.parent / "sim"))
            return False
    seeds, seconds = sum(run.seeds() for run in runs), time.monotonic() - began
    _, tasks, steps, completions = SUMMARY.findall(runs[0].text)[-1]
    print(f"phase {phase}: {seeds} seeds without a violation in {seconds:.0f} s, {seeds / seconds:.0f} a second; "
          f"on average {tasks} tasks, {steps} steps, {completions} completions")
    print("  " + runs[0].text.strip().splitlines()[-1])
    return True


def main():
    parser = argparse.ArgumentParser(prog="./run sim", description="Seeds on the simulated kernel.")
    parser.add_argument("build", type=Path)
    parser.add_argument("--phase", choices=["2", "3", "4"])
    parser.add_argument("--seeds", type=int, default=100_000, help="in each phase")
    parser.add_argument("--minutes", type=float, help="in each phase, instead of a number of seeds")
    parser.add_argument("--seed", type=int, help="this one, twice")
    options = parser.parse_args()
    phases = [options.phase] if options.phase else ["2", "3", "4"]
    good = [run_phase(options.build, phase, options) for phase in phases]
    print(f"{sum(good)} passed, {len(good) - sum(good)} failed")
    return 0 if all(good) else 1


def self_test():
    text = "1000\t0\tsleep\t1\t0\n2000\t1\tcompletion\tff\t-5\n3000\t0\twake\t1\t1\n4000\t1\tsleep\t2\t0\n"
    events = events_of(text)
    assert events[1] == (2000, 1, "completion", "ff", -5)
    assert words_of(events[1]) == "completion #0:255 -5"
    assert words_of((0, 0, "completion", "180000002", -2)) == "completion of the cancellation of #1:2 -2"
    drawn = timeline(events, "a < b")
    assert drawn.count("#c8ccd0") == 1 and drawn.count("#ffb3b3") == 1 and "a &lt; b" in drawn
    assert SUMMARY.findall("12 seeds, 7 a second; a seed: 2.5 tasks, 30 steps, 4 completions\n") == [("12", "2.5", "30", "4")]


if __name__ == "__main__":
    self_test() if sys.argv[1:] == ["--self-test"] else sys.exit(main())

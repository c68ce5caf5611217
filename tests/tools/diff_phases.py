"""The difference between two phases as a reader wants it: diff_phases.py phase1-futures phase2-io-uring [--stat]

First the files that are born, edited, identical (and gone), then the hunks. `./run diff 1 2` calls it.
"""

import difflib
import os
import sys

from phase_map import states
from tree import ROOT, library

COLOURS = {"+": "\033[32m", "-": "\033[31m", "@": "\033[36m", "=": "\033[1m"}


def paint(line):
    colour = COLOURS.get(line[:1]) if sys.stdout.isatty() else None
    print(f"{colour}{line}\033[0m" if colour else line)


def lines_of(path):
    return path.read_text(encoding="utf-8").splitlines() if path else []


def figures(before, after):
    """Lines added and removed."""
    added = removed = 0
    for tag, a, b, c, d in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag != "equal":
            added, removed = added + d - c, removed + b - a
    return added, removed


def summary(found, before, after):
    """Prints each file with its figures; then the sums."""
    total_added = total_removed = 0
    for state in ("born", "edited", "gone", "identical"):
        names = [name for name in found if found[name] == state]
        if names:
            paint(f"== {state}: {len(names)} " + ("file" if len(names) == 1 else "files"))
        for name in names:
            added, removed = figures(lines_of(before.get(name)), lines_of(after.get(name)))
            total_added, total_removed = total_added + added, total_removed + removed
            print(f"   {name:<40} +{added} -{removed}" if added or removed else f"   {name}")
    share = 100 * total_removed // max(1, total_added + total_removed)
    print(f"\n{total_added} lines added, {total_removed} removed ({share} % of what changed)")


def hunks(found, before, after, phase_before, phase_after):
    for name, state in found.items():
        if state != "identical":
            paint(f"\n=== {name}: {state}")
            for line in difflib.unified_diff(lines_of(before.get(name)), lines_of(after.get(name)),
                                             f"{phase_before}/ringlet/{name}", f"{phase_after}/ringlet/{name}",
                                             lineterm=""):
                paint(line)


def main(phase_before, phase_after, options):
    before, after = library(ROOT / phase_before), library(ROOT / phase_after)
    found = states(before, after)
    summary(found, before, after)
    if "--stat" not in options:
        hunks(found, before, after, phase_before, phase_after)


if __name__ == "__main__":
    if len(sys.argv) < 3 or any(option != "--stat" for option in sys.argv[3:]):
        sys.exit(__doc__)
    try:
        main(sys.argv[1], sys.argv[2], sys.argv[3:])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader closed the pager
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

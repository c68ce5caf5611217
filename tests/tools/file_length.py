"""Checks that no file of code is longer than a reader's patience: 400 lines."""

import sys

from tree import ROOT, report, walk

LINES_MAX = 400
SUFFIXES = (".hpp", ".cpp", ".h", ".c", ".rs", ".py", ".sh", ".build")


def check(root):
    for path in walk(root):
        if path.suffix in SUFFIXES or path == root / "run":
            lines = len(path.read_text(encoding="utf-8").splitlines())
            if lines > LINES_MAX:
                yield f"{path.relative_to(root)}: {lines} lines, more than {LINES_MAX}"


if __name__ == "__main__":
    sys.exit(report(list(check(ROOT)), f"no file is over {LINES_MAX} lines"))

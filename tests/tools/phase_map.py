"""Checks phase_map.txt: which files each phase's library gains, edits, and leaves alone.

The difference between two phases is the lesson, so no file may differ by accident: one that is born, edited, identical
or gone without being listed as such fails. `phase_map.py --write` writes the map as the tree is; review its diff.
"""

import sys
import tempfile
from pathlib import Path

from tree import ROOT, library, phases, report, write

MAP = Path(__file__).with_name("phase_map.txt")
HEADER = "# What each phase does to the files of ringlet/, relative to the phase before. Checked by phase_map.py.\n"


def states(before, now):
    """State of each file of `now` relative to `before`; both map names to paths."""
    found = {}
    for name in sorted(before.keys() | now.keys()):
        if name not in before:
            found[name] = "born"
        elif name not in now:
            found[name] = "gone"
        else:
            same = before[name].read_bytes() == now[name].read_bytes()
            found[name] = "identical" if same else "edited"
    return found


def tree_map(root):
    """{phase: {file: state}} as the tree is."""
    found, before = {}, {}
    for phase in phases(root):
        now = library(phase)
        found[phase.name] = states(before, now)
        before = now
    return found


def parse(text):
    """{phase: {file: state}} as the map says."""
    said, phase = {}, None
    for line in text.splitlines():
        if line.startswith("["):
            phase = said.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            state, name = line.split()
            phase[name] = state
    return said


def render(found):
    parts = [HEADER]
    for phase, files in found.items():
        parts.append(f"\n[{phase}]\n")
        parts += [f"{state:<9} {name}\n" for name, state in files.items()]
    return "".join(parts)


def compare(found, said):
    for phase in sorted(found.keys() | said.keys()):
        is_now, listed = found.get(phase, {}), said.get(phase, {})
        for name in sorted(is_now.keys() | listed.keys()):
            state, wanted = is_now.get(name, "absent"), listed.get(name, "not listed")
            if state != wanted:
                yield f"{phase}/ringlet/{name}: {state}, but the map says: {wanted}"


def check(root, text):
    problems = list(compare(tree_map(root), parse(text)))
    if problems:
        problems.append("if that is meant: python3 tests/tools/phase_map.py --write")
    return problems


def self_test():
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write(root, {"phase1-a/ringlet/x.hpp": "1", "phase1-a/ringlet/y.hpp": "1", "phase1-a/ringlet/w.hpp": "1",
                     "phase2-b/ringlet/x.hpp": "1", "phase2-b/ringlet/y.hpp": "2", "phase2-b/ringlet/z.hpp": "1"})
        found = tree_map(root)
        assert found["phase2-b"] == {"w.hpp": "gone", "x.hpp": "identical", "y.hpp": "edited", "z.hpp": "born"}
        text = render(found)
        assert parse(text) == found and check(root, text) == []
        write(root, {"phase2-b/ringlet/x.hpp": "changed"})
        assert check(root, text)[0] == "phase2-b/ringlet/x.hpp: edited, but the map says: identical"
        write(root, {"phase3-c/ringlet/v.hpp": "1"})
        assert any("v.hpp: born, but the map says: not listed" in line for line in check(root, text))


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        self_test()
    elif sys.argv[1:] == ["--write"]:
        MAP.write_text(render(tree_map(ROOT)), encoding="utf-8")
    else:
        sys.exit(report(check(ROOT, MAP.read_text(encoding="utf-8") if MAP.exists() else ""), "the phase map holds"))

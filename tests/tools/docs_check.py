"""Checks docs/*.md, README.md, CONTRIBUTING.md and phase*/README.md against the tree: `./run docs check`.

A fence that names a file (```cpp title="phase1-futures/ringlet/task/state.hpp") must stand in it, verbatim and in one
piece. C++ that is not ours is tagged `sketch` (```cpp sketch). Relative links lead to files, and anchors to headings.
Last comes, for each phase, the share of the lines it adds to the library that some document quotes.
"""

import difflib
import re
import sys
import tempfile
from pathlib import Path

from markdown import anchors, fences, links
from tree import ROOT, library, phases, report, write

TITLE = re.compile(r'title="([^"]*)"')


def documents(root):
    names = ["README.md", "CONTRIBUTING.md", "docs/**/*.md", "phase*/README.md"]
    return sorted(path for name in names for path in root.glob(name))


def find(quote, lines):
    """Where `quote` stands in `lines`, both lists of lines; None if it does not."""
    for at in range(len(lines) - len(quote) + 1):
        if lines[at:at + len(quote)] == quote:
            return at
    return None


def check_fence(root, fence, quoted):
    """What is wrong with a fence, or None. Notes the lines that it quotes in `quoted`, {file: set of line numbers}."""
    title = TITLE.search(fence.info)
    words = fence.info.split()
    if not title:
        if words[:1] == ["cpp"] and "sketch" not in words:
            return 'C++ without title="FILE"; if it is not in the tree, tag it: ```cpp sketch'
        return None
    path = root / title.group(1)
    if not path.is_file():
        return f"there is no file {title.group(1)}"
    if not fence.lines:
        return "the fence is empty"
    at = find(fence.lines, path.read_text(encoding="utf-8").splitlines())
    if at is None:
        return f"this does not stand in {title.group(1)}; its first line is: {fence.lines[0].strip()}"
    quoted.setdefault(path, set()).update(range(at, at + len(fence.lines)))
    return None


def check_link(root, document, target):
    if re.match(r"[a-z]+:", target):
        return None
    name, _, anchor = target.partition("#")
    path = (document.parent / name).resolve() if name else document
    if not path.exists() or root.resolve() not in (path, *path.parents):
        return f"the link leads nowhere: {target}"
    if anchor and path.suffix == ".md" and anchor not in anchors(path.read_text(encoding="utf-8")):
        return f"no heading for the anchor: {target}"
    return None


def added_lines(before, now):
    """Numbers of the non-blank lines in `now` that `before` (the file in the phase before) does not have."""
    matcher = difflib.SequenceMatcher(None, before, now, autojunk=False)
    return {number for tag, _, _, start, end in matcher.get_opcodes() if tag in ("insert", "replace")
            for number in range(start, end) if now[number].strip()}


def coverage(root, quoted):
    """For each phase: a line that says how much of what it adds is quoted."""
    before = {}
    for phase in phases(root):
        now = {name: path.read_text(encoding="utf-8").splitlines() for name, path in library(phase).items()}
        total = shown = 0
        for name, lines in now.items():
            added = added_lines(before.get(name, []), lines)
            total += len(added)
            shown += len(added & quoted.get(phase / "ringlet" / name, set()))
        before = now
        yield f"{phase.name}: {shown} of {total} library lines quoted ({100 * shown // max(1, total)} %)"


def check(root):
    problems, quoted = [], {}
    for document in documents(root):
        text = document.read_text(encoding="utf-8")
        found = [(fence.line, check_fence(root, fence, quoted)) for fence in fences(text)]
        found += [(line, check_link(root, document, target)) for line, target in links(text)]
        problems += [f"{document.relative_to(root)}:{line}: {what}" for line, what in sorted(found, key=lambda f: f[0])
                     if what]
    return problems, list(coverage(root, quoted))


def self_test():
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write(root, {"phase1-a/ringlet/x.hpp": "one\n\n    two\nthree\n", "docs/b.md": "# A `Heading`, twice\n# A\n# A\n"})

        def problems(text):
            write(root, {"docs/a.md": text})
            return check(root)[0]

        assert not problems('```cpp title="phase1-a/ringlet/x.hpp"\n    two\nthree\n```\n')
        assert check(root)[1] == ["phase1-a: 2 of 3 library lines quoted (66 %)"]
        assert "does not stand" in problems('```cpp title="phase1-a/ringlet/x.hpp"\ntwo\nthree\n```\n')[0]
        assert "does not stand" in problems('```cpp title="phase1-a/ringlet/x.hpp"\none\nthree\n```\n')[0]
        assert problems('\n```cpp title="no.hpp"\none\n```\n') == ["docs/a.md:2: there is no file no.hpp"]
        assert "tag it" in problems("```cpp\none\n```\n")[0]
        assert not problems("```cpp sketch\none\n```\n```sh\nls\n```\n")
        assert not problems("[a](b.md) [b](b.md#a-heading-twice) [c](b.md#a-1) <https://a.b> [d](https://a.b/#c) `[e](no.md)`\n")
        assert not problems("~~~~\n```cpp\n[a](no.md)\n~~~~\n")
        assert "leads nowhere" in problems("![figure](no.svg)")[0]
        assert "leads nowhere" in problems("[a]: ../../no.md\n")[0]
        assert "no heading" in problems("[a](b.md#no)")[0]
        write(root, {"phase2-b/ringlet/x.hpp": "one\n\n    two\nthree\nfour\n"})
        assert problems('```cpp title="phase2-b/ringlet/x.hpp"\nthree\nfour\n```\n') == []
        assert check(root)[1][1] == "phase2-b: 1 of 1 library lines quoted (100 %)"


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        self_test()
    else:
        faults, shares = check(ROOT)
        print("\n".join(shares))
        sys.exit(report(faults, "every quote stands in its file, every link leads somewhere"))

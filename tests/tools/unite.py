"""Writes one C++ file that holds several suites: unite.py OUTPUT SUITE...

Most of what a suite costs to compile are headers and the templates made of them; this way they are paid once. The
includes of all suites come first, so that they do nothing where a suite repeats them, inside a namespace of its own:
two suites may use one name. Which of them runs says doctest's option --source-file. tests/meson.build calls it.
"""

import re
import sys
from pathlib import Path

INCLUDE = re.compile(r'^#include [<"](.*)[>"]$', re.M)
# GCC warns of types without linkage in templates of any file but the main one.
HEAD = """\
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wsubobject-linkage"
#endif
"""


def united(suites):
    includes = {}
    for suite in suites:
        for line in INCLUDE.finditer(suite.read_text(encoding="utf-8")):
            beside = suite.parent / line[1]
            includes[f'#include "{beside.resolve()}"' if beside.exists() else line[0]] = True
    spaces = [f'namespace {suite.stem} {{\n#include "{suite.resolve()}"\n}}' for suite in suites]
    return HEAD + "\n".join([*includes, *spaces, ""])


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(united([Path(name) for name in sys.argv[2:]]), encoding="utf-8")

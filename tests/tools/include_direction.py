"""Checks which way the library's includes point: to a lower layer, or within their own.

base < future < task < executor < reactor < runtime < time, net, fs < sync, channel < pool
"""

import re
import sys
import tempfile
from pathlib import Path

from tree import ROOT, library, phases, report, write

LAYERS = ["base", "future", "task", "executor", "reactor", "runtime", "time net fs", "sync channel", "pool"]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names.split()}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]', re.M)
# Only the reactor knows io_uring; what stands beside the library is for tests, benches and examples.
URING = ("liburing.h", "linux/io_uring.h", "liburing/")
OUTSIDE = ("common/", "http/", "doctest/", "benchmark/")


def layer(name):
    """The layer of a file, by its path below ringlet/: its folder, or its stem for runtime.hpp and runtime.cpp."""
    head, slash, _ = name.partition("/")
    return head if slash else head.partition(".")[0]


def fault(name, quote, target, files):
    """Why file `name` may not include `target`; None if it may."""
    own = layer(name)
    if own not in RANK:
        return f"the layer '{own}' is not in the order"
    if quote == '"':
        return f'"{target}": write the path from the top, in angle brackets'
    if target.startswith(OUTSIDE):
        return f"<{target}> is not part of the library"
    if target.startswith(URING) and own != "reactor":
        return f"<{target}>: only reactor/ knows io_uring"
    if not target.startswith("ringlet/"):
        return None
    target = target.removeprefix("ringlet/")
    other = layer(target)
    if target not in files:
        return f"<ringlet/{target}> is not in this phase"
    if other != own and RANK.get(other, len(LAYERS)) >= RANK[own]:
        return f"<ringlet/{target}>: {own} may not look up to {other}"
    return None


def check(root):
    problems = []
    for phase in phases(root):
        files = library(phase)
        for name, path in files.items():
            for quote, target in INCLUDE.findall(path.read_text(encoding="utf-8")):
                why = fault(name, quote, target, files)
                if why:
                    problems.append(f"{phase.name}/ringlet/{name}: {why}")
    return problems


def self_test():
    def problems(name, line):
        with tempfile.TemporaryDirectory() as folder:
            write(folder, {"phase1-a/ringlet/task/task.hpp": "", "phase1-a/ringlet/base/check.hpp": "",
                           "phase1-a/ringlet/net/tcp.hpp": "", f"phase1-a/ringlet/{name}": line})
            return check(Path(folder))

    assert not problems("executor/a.hpp", "#include <ringlet/task/task.hpp>\n#include <vector>\n")
    assert not problems("executor/a.hpp", "#include <ringlet/executor/a.hpp>")
    assert not problems("runtime.cpp", "#include <ringlet/task/task.hpp>")
    assert not problems("reactor/ring.hpp", "#include <liburing.h>")
    assert "may not look up to task" in problems("future/a.hpp", "#  include <ringlet/task/task.hpp>")[0]
    assert "may not look up to net" in problems("time/a.hpp", "#include <ringlet/net/tcp.hpp>")[0]
    assert "angle brackets" in problems("task/a.hpp", '#include "task.hpp"')[0]
    assert "not part of the library" in problems("task/a.hpp", "#include <common/x.hpp>")[0]
    assert "only reactor" in problems("net/a.hpp", "#include <liburing.h>")[0]
    assert "not in this phase" in problems("net/a.hpp", "#include <ringlet/base/no.hpp>")[0]
    assert "not in the order" in problems("misc/a.hpp", "#include <vector>")[0]


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        self_test()
    else:
        sys.exit(report(check(ROOT), "every include points down"))

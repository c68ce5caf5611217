"""Carries uncommitted changes of one phase's library into all later phases: carry.py phase1-futures [FILE...]

A fix to a shared file belongs in every phase, in one commit. What was changed in phase N since HEAD is merged into the
same file of each later phase. Where it does not apply, nothing at all is written, and the places are named.
Carrying twice does no harm. `./run carry phase1` calls it.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from tree import ROOT, library, phases, write


def git(root, *words):
    return subprocess.run(["git", "-C", str(root), *words], capture_output=True, check=False)


def committed(root, phase):
    """The library's files of a phase in HEAD: {path below ringlet/: bytes}."""
    prefix = f"{phase}/ringlet/"
    listing = git(root, "ls-tree", "-r", "--name-only", "HEAD", "--", prefix)
    if listing.returncode:
        sys.exit(f"carry: {listing.stderr.decode().strip()}")
    return {path.removeprefix(prefix): git(root, "show", f"HEAD:{path}").stdout
            for path in listing.stdout.decode().splitlines()}


def merge(ours, base, theirs):
    """The three-way merge of file contents, and the number of conflicts."""
    with tempfile.TemporaryDirectory() as folder:
        names = [Path(folder, name) for name in ("later", "before", "changed")]
        for path, content in zip(names, (ours, base, theirs)):
            path.write_bytes(content)
        done = git(folder, "merge-file", "-p", "--diff3", *map(str, names))
    return done.stdout, done.returncode


def carry_file(name, base, theirs, target):
    """What `target`, a later phase's file, is to hold, and why the change does not apply (one of them is None).

    `base` is the file before the change, None where it is new; `theirs` after it, None where it was deleted."""
    ours = target.read_bytes() if target.exists() else None
    if ours == theirs:
        return ours, None
    if theirs is None:
        return None, f"{name} was deleted; delete it there by hand, if that is meant"
    if base is None:
        return (theirs, None) if ours is None else (None, f"{name} is new, but exists there with another content")
    if ours is None:
        return None, f"{name} does not exist there"
    merged, conflicts = merge(ours, base, theirs)
    if conflicts:
        return None, f"{name} does not apply ({conflicts} conflict{'s' * (conflicts > 1)}):\n{merged.decode()}"
    return merged, None


def carry(root, phase, only):
    """Carries; returns (lines to print, whether all applied)."""
    before = committed(root, phase)
    now = {name: path.read_bytes() for name, path in library(root / phase).items()}
    changed = [name for name in sorted(before.keys() | now.keys())
               if before.get(name) != now.get(name) and (not only or name in only)]
    writes, problems = {}, []
    for later in (folder for folder in phases(root) if folder.name > phase):
        for name in changed:
            target = later / "ringlet" / name
            content, problem = carry_file(name, before.get(name), now.get(name), target)
            if problem:
                problems.append(f"{later.name}: {problem}")
            elif content is not None and (not target.exists() or content != target.read_bytes()):
                writes[target] = content
    if problems:
        return problems + ["nothing was written"], False
    for target, content in writes.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return [f"carried into {target.relative_to(root)}" for target in writes] or ["nothing to carry"], True


def self_test():
    lines = [f"line {number}\n" for number in range(20)]
    with tempfile.TemporaryDirectory() as folder:
        root, shared = Path(folder), "".join(lines)
        write(root, {"phase1-a/ringlet/x.hpp": shared, "phase2-b/ringlet/x.hpp": shared + "phase 2 adds\n"})
        git(root, "init", "-q")
        git(root, "add", ".")
        git(root, "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "start")
        assert carry(root, "phase1-a", []) == (["nothing to carry"], True)

        fixed = shared.replace("line 3\n", "line three\n")
        write(root, {"phase1-a/ringlet/x.hpp": fixed, "phase1-a/ringlet/base/new.hpp": "new\n"})
        assert carry(root, "phase1-a", ["x.hpp"]) == (["carried into phase2-b/ringlet/x.hpp"], True)
        assert (root / "phase2-b/ringlet/x.hpp").read_text() == fixed + "phase 2 adds\n"
        assert carry(root, "phase1-a", [])[0] == ["carried into phase2-b/ringlet/base/new.hpp"]
        assert carry(root, "phase1-a", []) == (["nothing to carry"], True)

        clash = shared.replace("line 3\n", "line drei\n")
        write(root, {"phase2-b/ringlet/x.hpp": clash, "phase1-a/ringlet/base/new.hpp": "newer\n"})
        said, applied = carry(root, "phase1-a", [])
        assert not applied and any("x.hpp does not apply (1 conflict)" in line for line in said)
        assert (root / "phase2-b/ringlet/x.hpp").read_text() == clash
        assert (root / "phase2-b/ringlet/base/new.hpp").read_text() == "new\n", "all or nothing"


def main(phase, files):
    names = [file.removeprefix(f"{phase}/").removeprefix("ringlet/") for file in files]
    unknown = [name for name in names if not (ROOT / phase / "ringlet" / name).exists()]
    if unknown:
        sys.exit(f"carry: {phase}/ringlet has no {', '.join(unknown)}")
    said, applied = carry(ROOT, phase, names)
    print("\n".join(said))
    return 0 if applied else 1


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    elif sys.argv[1:] == ["--self-test"]:
        self_test()
    else:
        sys.exit(main(sys.argv[1].rstrip("/"), sys.argv[2:]))

"""What the tools share: where the repository is, its phases, its files, and how a check reports."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def phases(root=ROOT):
    """The folders of the phases, in order."""
    return sorted(folder for folder in root.glob("phase*-*") if (folder / "ringlet").is_dir())


def library(phase):
    """The library's files of one phase: path below ringlet/ -> path."""
    base = phase / "ringlet"
    return {path.relative_to(base).as_posix(): path
            for path in sorted(base.rglob("*")) if path.suffix in (".hpp", ".cpp")}


def walk(root=ROOT):
    """Every file of the tree, without build folders, hidden folders and the folders behind symlinks."""
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names
                          if name not in ("build", "__pycache__", "target") and not name.startswith(".")
                          and not os.path.islink(os.path.join(folder, name)))
        yield from (Path(folder, file) for file in sorted(files))


def write(root, files):
    """Lays out a small tree for a self-test: {path: text}."""
    for name, text in files.items():
        path = Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def report(problems, good):
    """Prints the problems, or what is good; gives the exit code."""
    for problem in problems:
        print(problem)
    if not problems:
        print(good)
    return 1 if problems else 0

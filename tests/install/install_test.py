"""Installs into an empty folder, builds outside.cpp there with what pkg-config says, and runs it: install_test.py BUILD"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAM = Path(__file__).with_name("outside.cpp")


def run(*words, **options):
    done = subprocess.run(words, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stdout}{done.stderr}")
    return done.stdout


def main():
    build = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        run("meson", "install", "-C", build, "--no-rebuild", "--destdir", folder)
        described = list(Path(folder).rglob("ringlet.pc"))
        assert len(described) == 1, f"one ringlet.pc was expected, not {described}"
        prefix = run("pkg-config", "--variable=prefix", described[0]).strip()
        # As if the folder were where the file says it is.
        flags = run("pkg-config", "--cflags", "--libs", f"--define-variable=prefix={folder}{prefix}", "ringlet",
                    env=os.environ | {"PKG_CONFIG_PATH": str(described[0].parent)}).split()
        installed = [path for path in Path(folder).rglob("*") if path.is_file()]
        assert not [path for path in installed if path.suffix == ".cpp"], "a source file was installed"
        assert str(Path(__file__).parents[2]) not in " ".join(flags), f"the flags lead into the tree: {flags}"
        program = Path(folder, "outside")
        run(os.environ.get("CXX", "c++"), PROGRAM, "-o", program, *flags)
        said = run(program)
        assert said == "shard 1 says 42\n", f"it said {said!r}"
    print(f"{len(installed)} files installed; a program outside of the tree runs on them")


if __name__ == "__main__":
    main()

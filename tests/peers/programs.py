"""Installs what is missing, builds the peers, the floors and ours, and says where each program lies."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "tests/peers"
CRATES = Path("/usr/share/cargo/registry")
BLOCKS_BYTES = 64 << 20
COMPILERS = {"g++": "gcc", "clang++-19": "clang-19"}

COMMANDS = {"cargo": "cargo", "clang++-19": "clang-19", "fio": "fio", "g++": "g++", "meson": "meson", "ninja": "ninja-build",
            "pkg-config": "pkg-config", "redis-benchmark": "redis-tools", "redis-server": "redis-server",
            "taskset": "util-linux", "wrk": "wrk"}
HEADERS = {"benchmark/benchmark.h": "libbenchmark-dev", "doctest/doctest.h": "doctest-dev", "liburing.h": "liburing-dev"}
CRATE_PACKAGES = {crate: f"librust-{crate}-dev" for crate in (
    "async-channel", "async-executor", "async-io", "bytes", "futures-lite", "futures-util", "http", "httparse",
    "httpdate", "libc", "memchr", "tokio", "tokio-util")}


def crate_version(crate):
    """The version of a crate as Debian installed it, or None."""
    versions = (folder.name.removeprefix(f"{crate}-") for folder in CRATES.glob(f"{crate}-[0-9]*"))
    return next(versions, None)


def has_header(header):
    return any((Path(folder) / header).exists() for folder in ("/usr/include", "/usr/local/include"))


def missing_packages():
    yield from (package for command, package in COMMANDS.items() if not shutil.which(command))
    yield from (package for header, package in HEADERS.items() if not has_header(header))
    yield from (package for crate, package in CRATE_PACKAGES.items() if not crate_version(crate))


def install_missing():
    packages = sorted(set(missing_packages()))
    if not packages:
        return
    if not shutil.which("apt-get"):
        sys.exit(f"please install (names as in Debian): {' '.join(packages)}")
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    print(f"installing with apt-get: {' '.join(packages)}", flush=True)
    subprocess.run([*as_root, "apt-get", "update", "-q"], check=True)
    subprocess.run([*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-q",
                    "--no-install-recommends", *packages], check=True)


def run_logged(words, log, **more):
    """Runs a build step; shows its output only if it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as out:
        if subprocess.run(words, stdout=out, stderr=subprocess.STDOUT, **more).returncode != 0:
            sys.exit(log.read_text(encoding="utf-8") + f"\nfailed: {shlex.join(map(str, words))}")


class Programs:
    """Builds into `folder`; ours come from `build`, a configured release build, and from a Clang build beside it."""

    def __init__(self, folder, build, phase):
        self.folder = folder
        self.builds = {"g++": build, "clang++-19": build.parent / "clang++-19-release"}
        self.phase = phase
        self.blocks = folder / "blocks"

    def build_rust(self):
        print("building the Rust peers", flush=True)
        source = self.folder / "rust"
        shutil.copytree(PEERS / "rust", source, dirs_exist_ok=True)
        run_logged(["cargo", "build", "--release", "--offline"], self.folder / "rust.log", cwd=source)

    def build_floors(self):
        for compiler, c_compiler in COMPILERS.items():
            print(f"building the floors with {compiler}", flush=True)
            target = self.folder / f"floor-{compiler}"
            if not (target / "build.ninja").exists():
                run_logged(["meson", "setup", target, PEERS / "floor"], self.folder / "floor.log",
                           env={**os.environ, "CXX": compiler, "CC": c_compiler})
            run_logged(["ninja", "-C", target], self.folder / "floor.log")

    def build_ours(self, wanted):
        """The programs of ours that are wanted, as (compiler, name), as far as their phase has them."""
        for compiler in sorted({compiler for compiler, _ in wanted}):
            build = self.builds[compiler]
            print(f"building ours with {compiler}", flush=True)
            if not (build / "build.ninja").exists():
                run_logged(["meson", "setup", build, ROOT, "-Dbuildtype=release"], self.folder / "ours.log",
                           env={**os.environ, "CXX": compiler, "CC": COMPILERS[compiler]})
            # Meson may have to look again first, or new programs are not known.
            run_logged(["ninja", "-C", build, "build.ninja"], self.folder / "ours.log")
            names = [path.relative_to(build) for name, path in self.our_targets(build).items()
                     if (compiler, name) in wanted]
            if names:
                run_logged(["ninja", "-C", build, *names], self.folder / "ours.log")

    def our_targets(self, build):
        """Name -> path of the benches and examples that Meson knows in the chosen phase."""
        targets = json.loads((build / "meson-info/intro-targets.json").read_text(encoding="utf-8"))
        return {target["name"]: Path(target["filename"][0]) for target in targets
                if target["subproject"] == self.phase and target["type"] == "executable"
                and re.search("/tests/bench/|/examples/", " ".join(target["target_sources"][0]["sources"]))}

    def make_blocks(self):
        """A file for the cached reads, in the page cache. Ours find it by the environment."""
        os.environ["RINGLET_BENCH_FILE"] = str(self.blocks)
        if not self.blocks.exists() or self.blocks.stat().st_size != BLOCKS_BYTES:
            self.blocks.write_bytes(os.urandom(BLOCKS_BYTES))
        with self.blocks.open("rb") as blocks:
            while blocks.read(1 << 20):
                pass

    def command(self, program, cpu, other_cpu):
        """The words that run a program, or None if there is no such program."""
        words = shlex.split(program.command.format(
            floor=self.folder / f"floor-{program.compiler}", rust=self.folder / "rust/target/release", bench="{bench}",
            peers=PEERS, blocks=self.blocks, cpu=cpu, other_cpu=other_cpu))
        for index, word in enumerate(words):
            if word.startswith("{bench}/"):
                ours = self.our_targets(self.builds[program.compiler]).get(word.removeprefix("{bench}/"))
                if not ours or not ours.exists():
                    return None
                words[index] = str(ours)
        return words if shutil.which(words[0]) else None


def first_line(*command):
    return subprocess.run(command, capture_output=True, text=True).stdout.partition("\n")[0]


def versions():
    return {**{compiler: first_line(compiler, "--version") for compiler in COMPILERS},
            "rustc": first_line("rustc", "--version"), "fio": first_line("fio", "--version"),
            "redis-server": first_line("redis-server", "--version"),
            "liburing": first_line("pkg-config", "--modversion", "liburing"),
            **{crate: crate_version(crate) for crate in ("tokio", "async-executor", "async-io", "async-channel")}}

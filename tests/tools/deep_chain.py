"""Builds and runs tests/phase1/deep_chain.cpp in many ways: deep_chain.py PHASE_FOLDER COMPILER...

Chains of 100,000 coroutine frames must not overflow a stack of 8 MiB. Whether they do depends on optimisation level,
compiler and sanitizer, so one build of the suite shows little. Without RINGLET_TEST_ALL=1 it is the given compiler at
three settings. With it: every level, compiler and sanitizer, in each phase whose future/ or task/ differs from that of the phase before.
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from phase_map import tree_map
from tree import ROOT, library

SOURCE = ROOT / "tests/phase1/deep_chain.cpp"
STACK_BYTES = 8 << 20
LIMIT_S = 120
SANITIZERS = {"plain": [], "asan+ubsan": ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
              "tsan": ["-fsanitize=thread"]}
QUICK = [("-O0", "plain"), ("-O2", "plain"), ("-O0", "asan+ubsan")]
LAYERS = ("base/", "future/", "task/", "executor/")  # that the program uses
COMPILERS = ["g++", "clang++-19"]


def differs(phase):
    """Whether a phase's coroutines or tasks are not those of the phase before."""
    return any(state != "identical" for name, state in tree_map(ROOT)[phase.name].items()
               if name.startswith(("future/", "task/")))


def settings(phase, given):
    """The (compiler, level, sanitizer) to try."""
    if os.environ.get("RINGLET_TEST_ALL") != "1" or not differs(phase):
        return [(given, level, sanitizer) for level, sanitizer in QUICK]
    for compiler in COMPILERS:
        if not shutil.which(compiler):
            print(f"SKIP deep_chain: no {compiler}")
    return [([compiler], level, sanitizer) for compiler in COMPILERS if shutil.which(compiler)
            for level in ("-O0", "-O1", "-O2", "-O3") for sanitizer in SANITIZERS]


def build_and_run(phase, folder, compiler, level, sanitizer):
    """Output of what went wrong; nothing if it passed."""
    program = Path(folder, f"{Path(compiler[-1]).name}{level}-{sanitizer}")
    sources = [path for name, path in library(phase).items() if name.endswith(".cpp") and name.startswith(LAYERS)]
    command = [*compiler, "-std=c++23", level, "-g1", *SANITIZERS[sanitizer], f"-I{phase}", str(SOURCE),
               *map(str, sources), "-o", str(program), "-pthread"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode:
        return f"it does not build:\n{built.stderr}"
    # GCC 12's thread sanitizer does not start where the kernel spreads addresses widely.
    same_addresses = ["setarch", "-R"] if sanitizer == "tsan" else []
    try:
        ran = subprocess.run([*same_addresses, str(program)], capture_output=True, text=True, check=False,
                             timeout=LIMIT_S, preexec_fn=limit_stack)
    except subprocess.TimeoutExpired:
        return f"it ran for more than {LIMIT_S} s"
    return "" if ran.returncode == 0 else f"exit code {ran.returncode}\n{ran.stdout}{ran.stderr}"


def limit_stack():
    resource.setrlimit(resource.RLIMIT_STACK, (STACK_BYTES, resource.getrlimit(resource.RLIMIT_STACK)[1]))


def main(phase, given):
    failed = 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        def attempt(setting):
            start = time.monotonic()
            fault = build_and_run(phase, folder, *setting)
            return setting, fault, time.monotonic() - start

        for (compiler, level, sanitizer), fault, seconds in pool.map(attempt, settings(phase, given)):
            failed += bool(fault)
            print(f"{'FAILED' if fault else 'ok':<7}{compiler[-1]} {level} {sanitizer} ({seconds:.1f} s)", flush=True)
            if fault:
                print(fault)
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]).resolve(), sys.argv[2:]))

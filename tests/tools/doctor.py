"""What this machine can do for Ringlet, and what each lack will limit: `./run doctor`.

`doctor.py --io-uring` only says whether io_uring works (exit code 0) or why not.
"""

import ctypes
import errno
import os
import platform
import re
import resource
import shutil
import struct
import subprocess
import sys
from pathlib import Path

SYS_IO_URING_SETUP = 425  # the same number on every architecture
PARAMS_BYTES = 120        # sizeof(struct io_uring_params)
FLAGS_OFFSET = 8          # of its flags
SETUP_FLAGS = 0x3000      # SINGLE_ISSUER and DEFER_TASKRUN, which the library asks of every kernel
KERNEL_OLDEST = (6, 1)
MEMLOCK_WANTED_BYTES = 8 << 20
FILES_WANTED = 10_000
PACKAGES = {"doctest/doctest.h": "doctest-dev", "liburing.h": "liburing-dev", "benchmark/benchmark.h": "libbenchmark-dev"}
TOOLS = {"meson": "meson", "ninja": "ninja-build", "pkg-config": "pkg-config", "git": "git", "curl": "curl", "wrk": "wrk"}


def read(path):
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def setup_errno():
    """Makes the smallest ring of the library's kind; 0 or the errno."""
    libc = ctypes.CDLL(None, use_errno=True)
    params = ctypes.create_string_buffer(PARAMS_BYTES)
    struct.pack_into("=I", params, FLAGS_OFFSET, SETUP_FLAGS)
    descriptor = libc.syscall(SYS_IO_URING_SETUP, 1, params)
    if descriptor < 0:
        return ctypes.get_errno()
    os.close(descriptor)
    return 0


def explain(error, disabled, seccomp):
    """Why io_uring does not work, and what to do. `disabled` is the sysctl's text, `seccomp` the mode of this process."""
    if error == errno.ENOSYS and seccomp != "2":
        return "absent: this kernel was built without io_uring", "boot a kernel of 6.1 or newer with CONFIG_IO_URING"
    if error == errno.EINVAL:
        return "too old: it has no DEFER_TASKRUN, as kernels before 6.1", "boot a kernel of 6.1 or newer"
    if error in (errno.EPERM, errno.EACCES) and disabled in ("1", "2"):
        return (f"disabled: sysctl kernel.io_uring_disabled is {disabled}",
                "as root: sysctl kernel.io_uring_disabled=0" + (", or run as root" if disabled == "1" else ""))
    if error in (errno.EPERM, errno.EACCES, errno.ENOSYS) and seccomp == "2":
        return ("blocked by a seccomp filter, as in Docker's default profile",
                "docker run --security-opt seccomp=unconfined ..., or a profile that allows io_uring_setup, _enter and _register")
    if error == errno.ENOMEM:
        return "refused: not enough memory may be locked", "raise it: ulimit -l 65536"
    return f"refused: {os.strerror(error)}", "look in the kernel's log, and at security modules such as SELinux"


def io_uring():
    """(whether it works, what it is, what to do)."""
    error = setup_errno()
    if not error:
        return True, "works", ""
    seccomp = re.search(r"^Seccomp:\s*(\d)", read("/proc/self/status"), re.M)
    return False, *explain(error, read("/proc/sys/kernel/io_uring_disabled"), seccomp.group(1) if seccomp else "")


def limit(which):
    soft, hard = resource.getrlimit(which)
    return tuple(float("inf") if value == resource.RLIM_INFINITY else value for value in (soft, hard))


def kib(value):
    return "unlimited" if value == float("inf") else f"{value // 1024} KiB"


def polled_devices():
    return [path.parts[3] for path in sorted(Path("/sys/block").glob("*/queue/io_poll")) if read(path) == "1"]


def compiler(name):
    """The version of a compiler; nothing if it is not there."""
    if not shutil.which(name):
        return ""
    option = "-dumpversion" if "clang" in name else "-dumpfullversion"
    return subprocess.run([name, option], capture_output=True, text=True, check=False).stdout.strip()


def has_header(name):
    found = subprocess.run(["g++", "-fsyntax-only", "-xc++", "-"], input=f"#include <{name}>", text=True,
                           capture_output=True, check=False) if shutil.which("g++") else None
    return found is not None and found.returncode == 0


def machine_rows():
    """(good, what, value, what a lack limits and what to do)."""
    version = tuple(map(int, re.findall(r"\d+", platform.release())[:2]))
    yield version >= KERNEL_OLDEST, "kernel", platform.release(), "older than 6.1: phase 2 will not start"
    works, state, remedy = io_uring()
    yield works, "io_uring", state, f"phase 2 and later cannot run; {remedy}"
    soft, hard = limit(resource.RLIMIT_MEMLOCK)
    yield (soft >= MEMLOCK_WANTED_BYTES or os.geteuid() == 0, "memory to lock", f"{kib(soft)}, at most {kib(hard)}",
           "rings are charged to it: few executors at once; ulimit -l 8192")
    soft, hard = limit(resource.RLIMIT_NOFILE)
    yield (soft >= FILES_WANTED, "open files", f"{soft}, at most {hard}",
           "servers take fewer connections; raise it" +
           (f": ulimit -n {FILES_WANTED}" if hard >= FILES_WANTED else " in /etc/security/limits.conf"))
    allowed = sorted(os.sched_getaffinity(0))
    yield (len(allowed) >= 2, "cores allowed", f"{len(allowed)} of {os.cpu_count()}: {', '.join(map(str, allowed))}",
           "client and server share a core: benchmarks across cores mean nothing")
    polled = polled_devices()
    yield (bool(polled), "polled devices", ", ".join(polled) or "none",
           "phase 3's poll ring falls back to the main ring; everything else is unaffected")


def software_rows():
    gcc, clang = compiler("g++"), compiler("clang++-19")
    yield int(gcc.partition(".")[0] or 0) >= 12, "g++", gcc or "absent", "12 or newer builds Ringlet; apt-get install g++"
    yield bool(clang), "clang++-19", clang or "absent", "./run test --all wants it and installs clang-19"
    for name, package in TOOLS.items():
        path = shutil.which(name)
        yield bool(path), name, path or "absent", f"./run installs {package}"
    for header, package in PACKAGES.items():
        there = has_header(header)
        yield there, package, "installed" if there else "absent", f"./run installs {package}"


def main():
    lacks = []
    for good, what, value, effect in [*machine_rows(), *software_rows()]:
        print(f"{'ok  ' if good else 'LACK'}  {what:<17} {value}")
        if not good:
            lacks.append(f"{what}: {effect}")
    print("\nnothing is lacking" if not lacks else "\nwhat the lacks limit:")
    for lack in lacks:
        print(f"  {lack}")
    return 0


def self_test():
    assert explain(errno.ENOSYS, "", "0")[0].startswith("absent")
    assert explain(errno.EPERM, "2", "0")[0].startswith("disabled")
    assert explain(errno.EPERM, "0", "2")[0].startswith("blocked by a seccomp")
    assert explain(errno.ENOSYS, "", "2")[0].startswith("blocked by a seccomp")
    assert explain(errno.EINVAL, "0", "0")[0].startswith("too old")
    assert explain(errno.ENOMEM, "0", "0")[0].startswith("refused: not enough memory")
    assert kib(8 << 20) == "8192 KiB" and kib(float("inf")) == "unlimited"
    assert len(list(machine_rows())) == 6


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        self_test()
    elif sys.argv[1:] == ["--io-uring"]:
        good, state, remedy = io_uring()
        print("io_uring " + state + (f"; {remedy}" if remedy else ""))
        sys.exit(0 if good else 1)
    else:
        sys.exit(main())

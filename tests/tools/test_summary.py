"""Adds up Meson's test logs: test_summary.py build/*/meson-logs/testlog.json

`./run test` calls it last. A doctest suite counts with its test cases, every other test as one. Lines that a test
prints as `SKIP n: reason` are repeated, then comes the line `N passed, N failed`; the exit code is 1 on any failure.
A log that is not there means that the build failed, and counts as one failure.
"""

import json
import os
import re
import sys

CASES = re.compile(r"^\[doctest\] test cases:\s*\d+ \|\s*(\d+) passed \|\s*(\d+) failed \|", re.M)
SKIP = re.compile(r"^SKIP .*$", re.M)


def count(record):
    """Passed, failed and the SKIP lines of one test, as Meson recorded it."""
    output = record.get("stdout", "")
    skips = SKIP.findall(output)
    good = record["result"] in ("OK", "EXPECTEDFAIL")
    if record["result"] == "SKIP":
        return 0, 0, skips or [f"SKIP {record['name']}: it exited with 77"]
    found = CASES.findall(output)
    if not found:
        return int(good), int(not good), skips
    # What doctest calls skipped is run by another case, in a child process.
    passed, failed = map(int, found[-1])
    if good and passed == 0:
        return 0, 1, skips + [f"SKIP {record['name']}: it has no test case"]
    return passed, failed if good else max(failed, 1), skips


def add_up(records):
    counts = [count(record) for record in records]
    skips = [line for _, _, lines in counts for line in lines]
    return sum(c[0] for c in counts), sum(c[1] for c in counts), list(dict.fromkeys(skips))


def read(paths):
    for path in paths:
        if not os.path.exists(path):
            yield {"name": path, "result": "ERROR"}
            continue
        with open(path, encoding="utf-8", errors="replace") as log:
            yield from (json.loads(line) for line in log)


def main(paths):
    passed, failed, skips = add_up(read(paths))
    for line in skips:
        print(line)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


def self_test():
    def summary(passed, failed, skipped):
        total = passed + failed
        return f"SKIP 33: no loop device\n[doctest] test cases:  {total} |  {passed} passed | {failed} failed | {skipped} skipped"

    def record(result, output=""):
        return {"name": "t", "result": result, "stdout": output}

    assert count(record("OK", summary(3, 0, 0))) == (3, 0, ["SKIP 33: no loop device"])
    assert count(record("FAIL", summary(3, 2, 0)))[:2] == (3, 2)
    assert count(record("FAIL", summary(3, 0, 0)))[:2] == (3, 1), "a leak found at exit is a failure"
    assert count(record("TIMEOUT"))[:2] == (0, 1)
    assert count(record("OK", summary(0, 0, 0)))[1] == 1, "an empty suite is a failure"
    assert count(record("SKIP")) == (0, 0, ["SKIP t: it exited with 77"])
    assert count(record("OK", summary(3, 0, 1)))[2] == ["SKIP 33: no loop device"]
    same = record("OK", "SKIP 2: not root")
    assert add_up([same, same]) == (2, 0, ["SKIP 2: not root"])


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        self_test()
    else:
        sys.exit(main(sys.argv[1:]))

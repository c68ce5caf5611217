"""The catalogue of faults, with the tests that show what Ringlet does about each: ./run faults

faults.txt has the rows. A test bears the number of its row: a doctest case in its name ("R45: ..."), a test in Python
in the first words of its docstring, the simulated kernel in a comment of its own ("// R45: ..."). The results are
those of Meson's logs, for each suite of the newest log that has it. A row is open if it has no test and no reason, or
if it is marked S and nothing in tests/sim/ bears its number. The exit code is 1 if a row is open or a test has failed.
`--check` asks only for tests and reasons, not for results.
"""

import json
import re
import sys
import tempfile
from pathlib import Path

from tree import ROOT, write

ROW = re.compile(r"(\d+)\s+(\d)\s+([S-])\s+(.+)")
CASE = re.compile(r'TEST_CASE\(\s*"((?:[^"\\]|\\.)*)"')
COMMENT = re.compile(r"^\s*// (R\d+\b.*)", re.M)
DOCSTRING = re.compile(r'\A(?:#!.*\n)?"""(R\d+\b.*)')
# "R8: ...", or "R8, R12: ..."; what stands after "inner" is run by the case of that number, in a child process.
NUMBERED = re.compile(r"(R\d+(?:(?:, | and )R\d+)*): (.+)")
GOOD = ("OK", "EXPECTEDFAIL")


def parse(text):
    """[{number, phase, simulated, fault, reason}], as faults.txt has them."""
    rows = []
    for line in text.splitlines():
        if line.startswith(" "):
            rows[-1]["reason"] = line.strip()
        elif line and not line.startswith("#"):
            number, phase, mark, fault = ROW.fullmatch(line).groups()
            rows.append({"number": int(number), "phase": int(phase), "simulated": mark == "S", "fault": fault,
                         "reason": ""})
    return rows


def names_in(path, is_simulated):
    """The names in one file that may bear numbers. Suites of sim/ need not be cases of doctest."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return DOCSTRING.findall(text)
    return CASE.findall(text) + (COMMENT.findall(text) if is_simulated else [])


def tests_of(root):
    """{number: [(file below tests/, name)]}"""
    found = {}
    for path in sorted((root / "tests").rglob("*")):
        if path.suffix not in (".cpp", ".hpp", ".py"):
            continue
        file = path.relative_to(root / "tests")
        for name in names_in(path, file.parts[0] == "sim"):
            if numbered := NUMBERED.match(name):
                for number in re.findall(r"\d+", numbered[1]):
                    found.setdefault(int(number), []).append((file, name))
    return found


def read_logs(root):
    """{suite: its records in the newest log that has it}; Meson calls a test `project:label / suite`."""
    newest = {}
    logs = root.glob("build/*/meson-logs/testlog.json")
    for log in sorted(logs, key=lambda path: path.stat().st_mtime):
        records = {}
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            record = json.loads(line)
            records.setdefault(record["name"].rsplit(" / ")[-1], []).append(record)
        newest |= records
    return newest


def result_of(number, file, name, logs):
    """A suite that has failed and names none of its cases, by a leak or a timeout, has failed in all of them."""
    records = logs.get(file.stem)
    if records is None and file.parts[0] == "sim":
        records = [record for suite, some in logs.items() if suite.startswith("sim") for record in some]
    if not records:
        return "not run"
    outputs = [record.get("stdout", "") for record in records]
    if any(record["result"] not in (*GOOD, "SKIP") and ("TEST CASE:" not in output or name in output)
           for record, output in zip(records, outputs)):
        return "failed"
    skipped = any(record["result"] == "SKIP" or re.search(rf"^SKIP {number}:", output, re.M)
                  for record, output in zip(records, outputs))
    return "skipped" if skipped else "passed"


def lack_of(row, tests):
    """What an open row wants; empty if it is not open."""
    if row["reason"]:
        return ""
    if not tests:
        return "no test and no reason"
    if row["simulated"] and not any(file.parts[0] == "sim" for file, _ in tests):
        return "no test under the simulated kernel"
    return ""


def catalogue(rows, tests, logs):
    """The lines of the table, and whether a row is open or a test has failed; with no logs there are no results."""
    lines, bad = [], False
    for row in rows:
        number, own = row["number"], tests.get(row["number"], [])
        lines.append(f"R{number:<3} phase {row['phase']}  {row['fault']}")
        for file, name in own:
            result = result_of(number, file, name, logs)
            bad |= result == "failed"
            lines.append(f"       {result:<8} {file.stem}: {NUMBERED.match(name)[2]}")
        if row["reason"]:
            lines.append(f"       reason   {row['reason']}")
        if lack := lack_of(row, own):
            bad = True
            lines.append(f"       OPEN     {lack}")
    return lines, bad


def summary(rows, tests):
    opened = [row["number"] for row in rows if lack_of(row, tests.get(row["number"], []))]
    tested = [row["number"] for row in rows if row["number"] not in opened and row["number"] in tests]
    reasoned = len(rows) - len(opened) - len(tested)
    return f"{len(tested)} rows with a test, {reasoned} with a reason, {len(opened)} open"


def problems(rows, tests):
    for row in rows:
        if lack := lack_of(row, tests.get(row["number"], [])):
            yield f"R{row['number']}: {lack}: {row['fault']}"
    for number in sorted(tests.keys() - {row["number"] for row in rows}):
        yield f"R{number}: a test bears this number, but faults.txt has no such row"


def main(arguments, root=ROOT):
    rows = parse((root / "tests/tools/faults.txt").read_text(encoding="utf-8"))
    tests = tests_of(root)
    wrong = list(problems(rows, tests))
    if arguments == ["--check"]:
        lines, bad = wrong, bool(wrong)
    else:
        lines, bad = catalogue(rows, tests, read_logs(root))
    for line in [*lines, summary(rows, tests)]:
        print(line)
    return 1 if bad or wrong else 0


def self_test():
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)

        def log(build, *records):
            lines = [json.dumps({"name": f"p:phase1 / {name}", "result": result, "stdout": output})
                     for name, result, output in records]
            write(root, {f"build/{build}/meson-logs/testlog.json": "\n".join(lines)})

        write(root, {
            "tests/tools/faults.txt": "# why\n1 1 -  one\n2 1 -  two\n   so it is\n3 2 S  three\n4 1 -  four\n5 1 -  five\n",
            "tests/phase1/a_test.cpp": 'TEST_CASE("R1, R4: it holds") {}\nTEST_CASE(\n    "R3: and \\"so\\"") {}\n// R5: no',
            "tests/phase1/b_test.cpp": 'TEST_CASE("inner R5: helps" * skip()) {}',
            "tests/e2e/c_test.py": '"""R1: as a program.\n"""\n'})
        rows, tests = parse((root / "tests/tools/faults.txt").read_text()), tests_of(root)
        assert [len(tests.get(number, [])) for number in range(1, 6)] == [2, 0, 1, 1, 0]
        assert list(problems(rows, tests)) == ["R3: no test under the simulated kernel: three",
                                               "R5: no test and no reason: five"]
        assert summary(rows, tests) == "2 rows with a test, 1 with a reason, 2 open"
        write(root, {"tests/sim/programs.hpp": "// R3: a program\n// R7: none such\n"})
        assert list(problems(rows, tests_of(root)))[1].startswith("R7: a test bears this number")

        file = Path("phase1/a_test.cpp")
        log("x", ("a_test", "OK", ""), ("a_test", "FAIL", "TEST CASE:  R1, R4: it holds"), ("sim", "OK", ""))
        logs = read_logs(root)
        assert result_of(1, file, "R1, R4: it holds", logs) == "failed"
        assert result_of(3, file, 'R3: and "so"', logs) == "passed", "another case has failed"
        assert result_of(3, Path("sim/programs.hpp"), "R3: a program", logs) == "passed"
        assert result_of(1, Path("e2e/c_test.py"), "R1: as a program.", logs) == "not run"
        log("x", ("a_test", "TIMEOUT", ""))
        assert result_of(3, file, 'R3: and "so"', read_logs(root)) == "failed", "it names no case"
        log("x", ("a_test", "OK", "SKIP 3: not root"))
        assert result_of(3, file, 'R3: and "so"', read_logs(root)) == "skipped"


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        self_test()
    else:
        sys.exit(main(sys.argv[1:]))

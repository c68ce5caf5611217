"""What the examples show of an executor at work: a trace, a timeline, and the report of a stall."""

import re
import tempfile
import unittest
import xml.etree.ElementTree as xml
from pathlib import Path

import trace_format
from example import main, run

QUEUES = ["default", "bulk", "files", "urgent"]


def width_of(shape):
    return float(shape.get("width", 0))


class Trace(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as folder:
            trace, timeline = Path(folder, "trace.json"), Path(folder, "timeline.svg")
            cls.done = run("trace_me", "--trace", trace, "--timeline", timeline)
            cls.text = trace.read_text(encoding="utf-8")
            cls.svg = timeline.read_text(encoding="utf-8")

    def test_the_program_says_what_it_wrote_and_prints_a_table(self):
        self.assertEqual((self.done.returncode, self.done.stderr), (0, ""))
        self.assertRegex(self.done.stdout, r"trace\.json: \d+ events, 0 dropped\n")
        for queue in QUEUES:
            self.assertRegex(self.done.stdout, rf"(?m)^{queue} +\d+ ")
        for ring in ("main", "latency"):
            self.assertRegex(self.done.stdout, rf"(?m)^{ring} +\d+ ")

    def test_the_trace_keeps_to_the_format_and_holds_what_happened(self):
        events = trace_format.check(self.text)
        slices = {event["name"] for event in events["X"]}
        self.assertLessEqual({*QUEUES, "poll", "park", "task 1"}, slices)
        instants = {re.sub(r" \d+$", "", event["name"]) for event in events["i"]}
        self.assertLessEqual({"spawn task", "wake task", "preempted", "submit READ", "complete READ",
                              "submit TIMEOUT (runtime)"}, instants)
        self.assertEqual({event["name"] for event in events["s"]}, {"wake", "operation"})
        self.assertIn("main READ", {event["name"] for event in events["b"]})

    def test_the_timeline_is_a_picture_with_a_row_for_each_queue_and_ring(self):
        picture = xml.fromstring(self.svg)
        self.assertEqual(picture.get("width"), "1200")
        words = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
        for row in [*QUEUES, "parked", "main ring", "latency ring"]:
            self.assertIn(row, words)
        for shape in picture.iter("{http://www.w3.org/2000/svg}rect"):
            if "x" in shape.keys() and "y" in shape.keys():
                self.assertLessEqual(float(shape.get("x")) + width_of(shape), 1200)
        self.assertIn("preempted", words)

    def test_a_command_line_that_makes_no_sense_is_refused(self):
        for words in (["--nonsense"], ["--trace"]):
            done = run("trace_me", *words)
            self.assertEqual(done.returncode, 2)
            self.assertIn("usage: trace_me [--trace FILE.json]", done.stderr)
        self.assertEqual(run("trace_me", "--help").returncode, 0)


class Stall(unittest.TestCase):
    def test_a_stall_is_reported_with_queue_and_stack_and_a_polite_task_is_not(self):
        done = run("stall")
        self.assertEqual(done.returncode, 0)
        reports = re.findall(r"a task of queue '(\w+)' of executor 'stall' has (held|given)", done.stderr)
        self.assertEqual(reports, [("primes", "held"), ("primes", "given"), ("naps", "held"), ("naps", "given")])
        primes, naps = done.stderr.split("'primes' of executor 'stall' has given")
        self.assertIn("count_primes", primes)
        self.assertIn("3nap", naps)
        self.assertEqual(re.findall(r"queue (\w+): (\d+) stalls", done.stdout),
                         [("primes", "1"), ("naps", "1"), ("polite", "0")])


main()

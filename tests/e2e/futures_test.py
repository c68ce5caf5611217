"""The examples of phase 1: what they print, line by line where it does not depend on the machine."""

import unittest

from example import main, run


class Futures(unittest.TestCase):
    def lines(self, name):
        done = run(name)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.splitlines()

    def test_the_first_program_prints_three(self):
        self.assertEqual(self.lines("first_program"), ["adding", "3"])

    def test_queues_and_their_tasks_take_turns(self):
        seen = [tuple(line.split()) for line in self.lines("two_queues")]
        queues = {"tea": ["assam", "sencha"], "coffee": ["mocha", "arabica"]}
        self.assertEqual([(name, turn.strip(","), queue) for name, _, turn, _, queue in seen],
                         [(name, turn, queue) for queue, names in queues.items() for turn in "12" for name in names])

    def test_each_end_of_a_task_destroys_its_locals_once(self):
        lines = [line.strip() for line in self.lines("cancel_and_detach")]
        for end in ("awaited", "cancelled", "detached"):
            self.assertEqual(lines.count(f"{end}: its locals are destroyed"), 1)
        self.assertIn("awaited: got 2", lines)
        self.assertIn("cancelled: no value, and its future is gone", lines)
        self.assertIn("detached: 3", lines)

    def test_a_pinned_executor_stays_on_its_cpu_and_an_absent_cpu_is_named(self):
        *turns, refused = self.lines("pinned_executor")
        self.assertEqual(len({line.partition(" on CPU ")[2] for line in turns}), 1)
        self.assertRegex(refused, r"cannot run on CPU 9999: it does not exist; allowed: \d")


main()

"""copy_file, cat and ten_thousand_sleepers: the bytes on the disk, and errors in words."""

import os
import re
import tempfile
import unittest
from pathlib import Path

from example import main, run

SIZES = [0, 1, 4095, 128 << 10, (128 << 10) + 1, (20 << 20) + 17]


class Files(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def file(self, name, size):
        path = self.folder / name
        path.write_bytes(os.urandom(size))
        return path

    def test_a_copy_holds_the_same_bytes_and_mode_whatever_its_size(self):
        for size in SIZES:
            for options in ([], ["--in-flight", 3, "--block-kib", 1 if size < 1 << 20 else 64]):
                source, target = self.file("from", size), self.folder / "to"
                source.chmod(0o640)
                target.unlink(missing_ok=True)
                done = run("copy_file", source, target, *options)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertIn(f"copied {size} bytes", done.stdout)
                self.assertEqual(target.read_bytes(), source.read_bytes())
                self.assertEqual(target.stat().st_mode & 0o777, 0o640)

    def test_a_copy_replaces_a_longer_file(self):
        source, target = self.file("from", 100), self.file("to", 100_000)
        self.assertEqual(run("copy_file", source, target).returncode, 0)
        self.assertEqual(target.read_bytes(), source.read_bytes())

    def test_what_cannot_be_copied_is_named_and_nothing_is_lost(self):
        source = self.file("from", 1000)
        before = source.read_bytes()
        for first, second, words in [(self.folder / "none", self.folder / "to", "No such file or directory"),
                                     (source, self.folder / "no/to", "No such file or directory"),
                                     (self.folder, self.folder / "to", "not a regular file"),
                                     (source, source, "the same file")]:
            done = run("copy_file", first, second)
            self.assertEqual(done.returncode, 1)
            self.assertIn(words, done.stderr)
        self.assertEqual(source.read_bytes(), before)

    def test_cat_pours_files_and_stdin_in_order(self):
        first, second = self.file("a", 300_001), self.file("b", 0)
        piped = os.urandom(200_000)
        done = run("cat", first, "-", second, first, input=piped, text=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(done.stdout, first.read_bytes() + piped + first.read_bytes())
        self.assertEqual(run("cat", input=piped, text=False).stdout, piped)

    def test_cat_goes_on_after_a_file_that_is_not_there(self):
        there = self.file("a", 10)
        done = run("cat", self.folder / "none", there, text=False)
        self.assertEqual((done.returncode, done.stdout), (1, there.read_bytes()))
        self.assertIn(b"No such file or directory", done.stderr)

    def test_no_sleeper_wakes_early(self):
        done = run("ten_thousand_sleepers", "--ms", 200)
        self.assertEqual(done.returncode, 0, done.stderr)
        took = re.search(r"10000 tasks slept 200 ms each, on one thread, in (\d+) ms", done.stdout)
        self.assertTrue(took, done.stdout)
        self.assertGreaterEqual(int(took.group(1)), 200)
        self.assertIn("none early", done.stdout)


main()

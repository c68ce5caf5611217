"""copy_file, cat and ten_thousand_sleepers: the bytes on the disk, and errors in words."""

import hashlib
import os
import pty
import re
import resource
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

from example import LIMIT_S, main, programs, run

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

    def test_twenty_mebibytes_have_the_same_sha256_however_many_blocks_are_in_flight(self):
        source, target = self.file("from", 20 << 20), self.folder / "to"
        wanted = hashlib.sha256(source.read_bytes()).hexdigest()
        for in_flight in (1, 8, 200):
            self.assertEqual(run("copy_file", source, target, "--in-flight", in_flight).returncode, 0)
            self.assertEqual(hashlib.sha256(target.read_bytes()).hexdigest(), wanted)

    def test_a_file_that_does_not_know_its_size_is_copied_to_its_end(self):
        target = self.folder / "to"
        self.assertEqual(run("copy_file", "/proc/version", target).returncode, 0)
        self.assertEqual(target.read_bytes(), Path("/proc/version").read_bytes())

    def test_a_copy_replaces_a_longer_file(self):
        source, target = self.file("from", 100), self.file("to", 100_000)
        self.assertEqual(run("copy_file", source, target).returncode, 0)
        self.assertEqual(target.read_bytes(), source.read_bytes())

    def test_what_cannot_be_copied_is_named_and_nothing_is_lost(self):
        source = self.file("from", 1000)
        before = source.read_bytes()
        link = self.folder / "link"
        link.symlink_to(source)
        for first, second, words in [(self.folder / "none", self.folder / "to", "No such file or directory"),
                                     (source, self.folder / "no/to", "No such file or directory"),
                                     (self.folder, self.folder / "to", "not a regular file"),
                                     (source, Path("/dev/full"), "write: No space left on device"),
                                     (source, source, "the same file"), (source, link, "the same file")]:
            done = run("copy_file", first, second)
            self.assertEqual(done.returncode, 1)
            self.assertIn(words, done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertEqual(source.read_bytes(), before)

    def test_a_limit_on_the_size_of_files_is_an_error_after_what_fits(self):
        def no_file_over_a_mebibyte():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

        source, target = self.file("from", 3 << 20), self.folder / "to"
        done = run("copy_file", source, target, "--in-flight", 1, preexec_fn=no_file_over_a_mebibyte)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"{target}: write: File too large", done.stderr)
        self.assertEqual(target.read_bytes(), source.read_bytes()[:1 << 20])

    def test_a_command_line_that_makes_no_sense_is_refused_with_the_usage(self):
        for words in ([], ["a"], ["a", "b", "c"], ["a", "b", "--in-flight", "0"], ["a", "b", "--in-flight"],
                      ["a", "b", "--fast"]):
            done = run("copy_file", *words)
            self.assertEqual(done.returncode, 2)
            self.assertIn("usage: copy_file FROM TO", done.stderr)
        self.assertEqual(run("copy_file", "--help").returncode, 0)

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

    def test_cat_reports_what_it_cannot_read_or_write(self):
        there = self.file("a", 10)
        done = run("cat", self.folder, there, text=False)
        self.assertEqual((done.returncode, done.stdout), (1, there.read_bytes()))
        self.assertEqual(done.stderr, f"cat: {self.folder}: read: Is a directory\n".encode())
        with open("/dev/full", "wb") as full:
            done = subprocess.run([programs / "cat", there], stdout=full, stderr=subprocess.PIPE, text=True,
                                  timeout=LIMIT_S, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("write: No space left on device", done.stderr)

    def test_cat_in_the_middle_of_pipes_and_its_end_when_nobody_reads(self):
        big = self.file("big", 20 << 20)
        words = f"'{programs}/cat' < '{big}' | '{programs}/cat' - | sha256sum"
        done = subprocess.run(words, shell=True, capture_output=True, text=True, timeout=LIMIT_S, check=True)
        self.assertEqual(done.stdout.split()[0], hashlib.sha256(big.read_bytes()).hexdigest())
        with subprocess.Popen([programs / "cat", big], stdout=subprocess.PIPE) as cat:
            cat.stdout.read(10)
            cat.stdout.close()
            self.assertEqual(cat.wait(LIMIT_S), -signal.SIGPIPE)

    def test_cat_on_a_terminal(self):
        keyboard, terminal = pty.openpty()
        with subprocess.Popen([programs / "cat"], stdin=terminal, stdout=terminal) as cat:
            os.close(terminal)
            os.write(keyboard, b"hello\n")
            shown = b""
            while shown.count(b"hello") < 2:  # what was typed, and what cat says
                shown += os.read(keyboard, 100)
            os.write(keyboard, b"\x04")  # Ctrl-D
            self.assertEqual(cat.wait(LIMIT_S), 0)
        os.close(keyboard)

    def test_no_sleeper_wakes_early(self):
        done = run("ten_thousand_sleepers", "--ms", 200)
        self.assertEqual(done.returncode, 0, done.stderr)
        took = re.search(r"10000 tasks slept 200 ms each, on one thread, in (\d+) ms", done.stdout)
        self.assertTrue(took, done.stdout)
        self.assertGreaterEqual(int(took.group(1)), 200)
        self.assertIn("none early", done.stdout)
        enters = int(re.search(r"the kernel was entered (\d+) times and saw 0 ring entries", done.stdout).group(1))
        self.assertLess(enters, 1000)


main()

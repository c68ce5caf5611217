"""R1: where io_uring is refused, each example says why and what to do in one sentence, and ends; it does not abort.

A seccomp filter in the child refuses io_uring_setup, as Docker's default profile does.
"""

import ctypes
import errno
import struct
import unittest

from example import main, programs, run

SYS_IO_URING_SETUP = 425
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
RET_ERRNO, RET_ALLOW = 0x00050000, 0x7FFF0000
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
EXAMPLES = {"copy_file": ["a", "b"], "echo_server": ["--port", "0"], "echo_client": [], "http_server": ["--port", "0"],
            "ten_thousand_sleepers": [], "cat": []}

libc = ctypes.CDLL(None, use_errno=True)


def refuse(error):
    """For the child, before it becomes the program: io_uring_setup fails with `error` from now on."""
    code = b"".join(struct.pack("HBBI", *step) for step in [
        (LOAD_WORD, 0, 0, 0), (JUMP_IF_EQUAL, 0, 1, SYS_IO_URING_SETUP), (RETURN, 0, 0, RET_ERRNO | error),
        (RETURN, 0, 0, RET_ALLOW)])
    held = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(held))
    assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    assert libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program) == 0


class Refused(unittest.TestCase):
    def test_every_example_says_so_and_ends(self):
        for error in (errno.EPERM, errno.ENOSYS):
            for name, words in EXAMPLES.items():
                with self.subTest(example=name, error=errno.errorcode[error]):
                    self.assertTrue((programs / name).exists())
                    done = run(name, *words, preexec_fn=lambda number=error: refuse(number))
                    self.assertEqual(done.returncode, 1, "an exit code of 1, no signal: " + done.stderr)
                    self.assertIn("io_uring", done.stderr)
                    self.assertEqual(done.stderr.count("\n"), 1, "one sentence: " + done.stderr)


main()

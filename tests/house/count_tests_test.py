#!/usr/bin/env python3
"""Holds the line that closes a test run to the truth: it counts what meson's log says."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

COUNT = pathlib.Path(__file__).resolve().parents[2] / "tools/count_tests.py"


def count(*results):
    """Writes a log with those results; returns (exit status, lines of output)."""
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder, "testlog.json")
        log.write_text("".join(json.dumps({"name": f"t{i}", "result": r, "stdout": "why\n"}) + "\n"
                               for i, r in enumerate(results)), encoding="utf-8")
        done = subprocess.run([sys.executable, COUNT, log], capture_output=True, text=True)
        return done.returncode, done.stdout.splitlines()


class CountTest(unittest.TestCase):
    def test_all_passed(self):
        self.assertEqual(count("OK", "OK", "EXPECTEDFAIL"), (0, ["3 passed, 0 failed"]))

    def test_every_other_result_is_a_failure(self):
        for result in ("FAIL", "TIMEOUT", "ERROR", "INTERRUPT", "UNEXPECTEDPASS"):
            with self.subTest(result=result):
                self.assertEqual(count("OK", result),
                                 (1, [f"failed: t1 ({result})", "1 passed, 1 failed"]))

    def test_skipped_tests_are_named_with_their_reason(self):
        self.assertEqual(count("OK", "SKIP"),
                         (0, ["skipped: t1: why", "1 passed, 0 failed, 1 skipped"]))

    def test_no_test_is_a_failure(self):
        self.assertEqual(count(), (1, ["0 passed, 0 failed"]))

    def test_no_log_is_a_failure(self):
        done = subprocess.run([sys.executable, COUNT, "/nowhere/testlog.json"],
                              capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (1, "0 passed, 0 failed\n"))


if __name__ == "__main__":
    unittest.main()

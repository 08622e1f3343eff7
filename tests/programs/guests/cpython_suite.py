"""Runs parts of CPython's own test suite; one line a test, its name and how it ended, in a file."""

import sys
import unittest
from pathlib import Path
from typing import Any, TextIO

from test import support  # type: ignore[import-not-found]

support.use_resources = []


class Lines(unittest.TestResult):
    """What unittest tells of each test, a line each."""

    def __init__(self, out: TextIO) -> None:
        super().__init__()
        self.out = out

    def _say(self, test: unittest.TestCase, how: str) -> None:
        print(test.id(), how, file=self.out, flush=True)

    def addSuccess(self, test: unittest.TestCase) -> None:
        self._say(test, "ok")

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self._say(test, "skipped")

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:
        self._say(test, "expected")

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        super().addError(test, err)
        self._failed(test, self.errors[-1][1])

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        super().addFailure(test, err)
        self._failed(test, self.failures[-1][1])

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err:
            self._failed(test, (self.failures + self.errors)[-1][1])

    def _failed(self, test: unittest.TestCase, why: str) -> None:
        self._say(test, "failed")
        print(test.id(), why, file=sys.stderr, flush=True)


def flat(suite: unittest.TestSuite) -> list[unittest.TestCase]:
    """Its tests, without those that wait for ever on a virtual machine without a peer."""
    parts = [flat(p) if isinstance(p, unittest.TestSuite) else [p] for p in suite]
    return [test for part in parts for test in part if "VSOCKSocketStream" not in test.id()]


loader = unittest.defaultTestLoader
tests = flat(unittest.TestSuite(loader.loadTestsFromName("test." + n) for n in sys.argv[2:]))
with Path(sys.argv[1]).open("w") as out:
    unittest.TestSuite(tests).run(Lines(out))

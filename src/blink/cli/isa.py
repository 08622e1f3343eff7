"""`blink isa coverage`: which instructions programs contain, and which of them we lack."""

from __future__ import annotations

import sys

from blink.cli.main import USAGE_ERROR
from blink.cli.options import UsageError
from blink.debugger.coverage_report import as_json, as_text, files, survey_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

INCOMPLETE = 1
HELP = """\
usage: blink isa coverage [--json] [--jobs N] PLACE...

Lists every instruction that the x86-64 executables and shared objects at the places (folders with
all below them, or files) contain, and how many occurrences are not implemented.

  -h, --help    print this text
  --json        print one JSON object
  --jobs N      use N processes, by default as many as there are CPUs

The exit status is 1 if an instruction is missing that every x86-64-v3 CPU has, or that CPUID
promises.
"""


class Request:
    """What the words behind the subcommand ask for; `jobs` is 0 when they do not say."""

    __slots__ = ("help", "jobs", "json", "places")

    def __init__(self, words: Sequence[str]) -> None:
        """Raises UsageError."""
        self.help = self.json = False
        self.jobs = 0
        self.places: list[str] = []
        rest = list(words)
        while rest:
            self._take(rest.pop(0), rest)
        if not self.places and not self.help:
            raise UsageError("isa coverage needs a folder or a file")

    def _take(self, word: str, rest: list[str]) -> None:
        if word in ("-h", "--help"):
            self.help = True
        elif word == "--json":
            self.json = True
        elif word == "--jobs":
            self._set_jobs(rest.pop(0) if rest else "")
        elif word.startswith("-"):
            raise UsageError(f"isa coverage has no option {word}")
        else:
            self.places.append(word)

    def _set_jobs(self, text: str) -> None:
        if not text.isdigit() or int(text) == 0:
            raise UsageError("--jobs needs a number")
        self.jobs = int(text)


def main(words: Sequence[str]) -> int:
    """Runs the subcommand with the words behind it; returns the exit status."""
    try:
        request = Request(words)
        if request.help:
            print(HELP, end="", flush=True)
            return 0
        survey = survey_all(list(files(request.places)), request.jobs)
        print(as_json(survey) if request.json else as_text(survey), flush=True)
    except UsageError as error:
        return _refuse(f"{error}; see blink isa coverage -h")
    except OSError as error:
        return _refuse(f"{error.filename or 'cannot write'}: {error.strerror}")
    return INCOMPLETE if survey.wanted else 0


def _refuse(problem: str) -> int:
    print(f"blink: {problem}", file=sys.stderr)
    return USAGE_ERROR

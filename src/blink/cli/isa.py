"""`blink isa coverage`: which instructions programs contain, and which of them we lack."""

from __future__ import annotations

from blink.cli.main import CANNOT_START, fail, show
from blink.cli.options import Option, UsageError
from blink.cli.tool import Tool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.cli.options import CommandLine

INCOMPLETE = 1
ABOUT = """
Lists every instruction that the x86-64 executables and shared objects at the places (folders with
all below them, or files) contain, and how many occurrences are not implemented.

The exit status is 1 if an instruction is missing that every x86-64-v3 CPU has, or that CPUID
promises.
"""
OWN = (
    Option("", "json", "print one JSON object"),
    Option("", "jobs", "use N processes, by default as many as there are CPUs", "N", "a number"),
)


def _main(line: CommandLine) -> int:
    from blink.debugger.coverage_report import as_json, as_text, files, survey_all

    if not line.argv:
        raise UsageError("no place was named")
    jobs = line.number("jobs", 0, least=1)
    try:
        survey = survey_all(list(files(line.argv)), jobs)
    except OSError as error:
        return fail(f"{error.filename}: {error.strerror}", CANNOT_START)
    text = as_json(survey) if "json" in line else as_text(survey)
    return show(f"{text}\n") or (INCOMPLETE if survey.wanted else 0)


TOOL = Tool("isa coverage", ["blink isa coverage [OPTIONS] PLACE..."], OWN, _main, ABOUT)

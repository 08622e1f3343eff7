"""`blink isa coverage`: which instructions programs contain, and which of them we lack."""

from __future__ import annotations

from blink.cli.arguments import Parser, natural
from blink.cli.main import CANNOT_START, fail, show
from blink.debugger.coverage_report import as_json, as_text, files, survey_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

INCOMPLETE = 1
ABOUT = """Lists every instruction that the x86-64 executables and shared objects at the places
(folders with all below them, or files) contain, and how many occurrences are not implemented."""
STATUS = """The exit status is 1 if an instruction is missing that every x86-64-v3 CPU has, or that
CPUID promises."""


def main(words: Sequence[str]) -> int:
    """Runs the subcommand with the words behind it; returns the exit status."""
    parser = Parser("blink isa coverage", description=ABOUT, epilog=STATUS)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--jobs", type=natural, default=0, metavar="N",
        help="use N processes, by default as many as there are CPUs",
    )  # fmt: skip
    parser.add_argument("places", nargs="+", metavar="PLACE", help="a folder or a file")
    request = parser.parse_args(list(words))
    try:
        survey = survey_all(list(files(request.places)), request.jobs)
    except OSError as error:
        return fail(f"{error.filename}: {error.strerror}", CANNOT_START)
    text = as_json(survey) if request.json else as_text(survey)
    return show(f"{text}\n") or (INCOMPLETE if survey.wanted else 0)

"""The section about recordings: it is replaced, not doubled, and its neighbours stay."""

from __future__ import annotations

from tests.bench.samples import good, results

from bench.notes import Notes
from bench.recording import KEPT, TITLE, placed, section
from bench.report import page


def test_the_section_takes_its_old_place() -> None:
    once = placed("# Page\n\n## A\n\ntext\n", f"{TITLE}\n\nold\n")
    assert once == f"# Page\n\n## A\n\ntext\n\n{TITLE}\n\nold\n"
    between = placed(once + "\n## B\n\nmore\n", f"{TITLE}\n\nnew\n")
    assert between == f"# Page\n\n## A\n\ntext\n\n{TITLE}\n\nnew\n\n## B\n\nmore\n"


def test_a_run_of_the_benchmarks_keeps_it() -> None:
    assert KEPT.exists()
    assert section().startswith(TITLE)
    assert page(results(good()), Notes({})).count(TITLE) == 1

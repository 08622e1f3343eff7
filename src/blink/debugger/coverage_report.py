"""Surveys of whole folders, by several processes, and how they are printed."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
import sys
from collections.abc import Iterable, Iterator

from blink.debugger.coverage import Found, Missing, Survey, level_of, survey_file


def files(places: Iterable[str]) -> Iterator[str]:
    """Regular files below the places, each once, the largest first.  OSError for a bad place."""
    found: dict[tuple[int, int], tuple[int, str]] = {}
    for path in _paths(places):
        try:
            status = os.lstat(path)
        except OSError:
            continue  # gone since its folder was read
        if stat.S_ISREG(status.st_mode) and status.st_size:
            found.setdefault((status.st_dev, status.st_ino), (status.st_size, path))
    for _, path in sorted(found.values(), key=lambda entry: (-entry[0], entry[1])):
        yield path


def _paths(places: Iterable[str]) -> Iterator[str]:
    for place in places:
        if not stat.S_ISDIR(os.stat(place).st_mode):
            yield os.path.realpath(place)
            continue
        for folder, _, names in os.walk(os.path.realpath(place)):
            yield from (os.path.join(folder, name) for name in names)


def survey_all(paths: list[str], jobs: int) -> Survey:
    """The sum over the files, with a line of progress where a person looks on.

    `jobs`: how many processes; 0 for as many as there are CPUs.
    """
    total, progress = Survey(), sys.stderr.isatty()
    with multiprocessing.get_context("fork").Pool(jobs or os.cpu_count()) as pool:
        for i, survey in enumerate(pool.imap_unordered(survey_file, paths, chunksize=4), 1):
            total.merge(survey)
            if progress and (i % 50 == 0 or i == len(paths)):
                end = "\r" if i < len(paths) else "\r\x1b[K"
                print(f"{i} of {len(paths)} files", end=end, file=sys.stderr, flush=True)
    return total


# -- what is printed -----------------------------------------------------------------------------


def _by_count(found: dict[Missing, Found]) -> list[tuple[Missing, Found]]:
    return sorted(found.items(), key=lambda item: (-item[1].number, item[0]))


def _missing_row(what: Missing, found: Found) -> str:
    features, level = " ".join(what.features) or "-", level_of(what.features) or "-"
    if not what.mnemonic:
        return f"  {'(bad)':20} {found.number:>12,}  {found.place}"
    return f"  {what.mnemonic:20} {found.number:>12,}  {features:20} {level:12} {found.place}"


def _section(title: str, rows: Iterable[str]) -> list[str]:
    listed = list(rows)
    return ["", title, *(listed or ["  none"])]


def as_text(survey: Survey) -> str:
    """The tables: not implemented, perhaps data, implemented."""
    total = survey.implemented.total()
    lines = [
        f"{survey.files:,} file{'s' * (survey.files != 1)} with {survey.bytes:,} bytes of code; "
        f"{total:,} instructions of {len(survey.implemented):,} mnemonics are implemented, "
        f"{sum(f.number for f in survey.missing.values()):,} of {len(survey.missing):,} are not"
    ]
    missing = _by_count(survey.missing)
    lines += _section(
        "Not implemented, though every x86-64-v3 CPU has it or CPUID promises it:",
        (_missing_row(*item) for item in missing if level_of(item[0].features)),
    )
    lines += _section(
        "Not implemented, and CPUID says so:",
        (_missing_row(*item) for item in missing if not level_of(item[0].features)),
    )
    for reason in sorted({reason for reason, _ in survey.doubtful}):
        found = {what: f for (why, what), f in survey.doubtful.items() if why == reason}
        lines += _section(f"Perhaps data: {reason}", (_missing_row(*i) for i in _by_count(found)))
    lines += _section(
        "Implemented:", (f"  {name:20} {n:>12,}" for name, n in survey.implemented.most_common())
    )
    return "\n".join(lines)


def _as_dict(what: Missing, found: Found) -> dict[str, object]:
    return {
        "mnemonic": what.mnemonic,
        "features": list(what.features),
        "level": level_of(what.features),
        "count": found.number,
        "first": found.place,
    }


def as_json(survey: Survey) -> str:
    """The same as one JSON object."""
    doubtful = sorted(survey.doubtful.items(), key=lambda item: (item[0][0], -item[1].number))
    result = {
        "files": survey.files,
        "bytes": survey.bytes,
        "skipped": dict(survey.skipped.most_common()),
        "instructions": survey.implemented.total(),
        "implemented": dict(survey.implemented.most_common()),
        "missing": [_as_dict(*item) for item in _by_count(survey.missing)],
        "doubtful": [{"reason": why, **_as_dict(what, f)} for (why, what), f in doubtful],
    }
    return json.dumps(result, indent=1)

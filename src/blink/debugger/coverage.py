"""Which instructions programs contain, and which of them are not implemented.

The engine sweeps executable sections with its own decoder, anew from each function's start.
A function with something that is not implemented is swept once more alone, so that data among the
code are not taken for code; what cannot be decided so is reported apart, by reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import iced_x86

from blink import _engine
from blink.debugger.code_file import CodeFile, NotCode, Section
from blink.isa.cpuid import ADVERTISED, BITS, LEVELS

DATA = "bytes that are no instruction"
BEHIND = "behind such bytes in its function"
OUTSIDE = "in no function that unwinding knows"
NO_UNWIND = "file without unwind information"
ADVERTISED_LEVEL = "advertised"

_MNEMONICS = {v: k for k, v in vars(iced_x86.Mnemonic).items() if isinstance(v, int)}
_FEATURES = {v: k for k, v in vars(iced_x86.CpuidFeature).items() if isinstance(v, int)}


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name))


# iced's names of features -> those of isa/cpuid.py
_OURS = {_plain(name): name for name in BITS} | {"CMPXCHG16B": "CX16"}
# What iced calls features and every x86-64 CPU has.
_EVERYWHERE = ("INTEL", "FPU", "X64", "CPUID", "MSR", "PAUSE", "MULTIBYTENOP", "RDPMC")


def feature_name(name: str) -> str:
    """The name in isa/cpuid.py of iced's feature; "" for what every x86-64 CPU has."""
    if name.startswith(_EVERYWHERE):
        return ""
    return _OURS.get(_plain(name), name)


def level_of(features: tuple[str, ...]) -> str:
    """The psABI level that includes the features, or "advertised", or "" if CPUID denies them."""
    needed, included = set(features) - {""}, set[str]()
    for level, more in LEVELS.items():
        included |= set(more)
        if needed <= included:
            return level
    return ADVERTISED_LEVEL if needed <= set(ADVERTISED) else ""


class Found(NamedTuple):
    """Something that is not implemented: how often, and where first."""

    number: int
    place: str


class Missing(NamedTuple):
    """An instruction that is not implemented; "" for bytes that are none."""

    mnemonic: str
    features: tuple[str, ...]


def _sum(before: Found | None, found: Found) -> Found:
    return Found(before.number + found.number, before.place) if before else found


NONE = Missing("", ())


class Survey:
    """What one file or many contain; `merge` adds them up.

    implemented  mnemonic -> occurrences
    missing      instructions in functions, and so surely code
    doubtful     (reason, instruction): perhaps data
    skipped      reason -> files that were not looked at
    """

    def __init__(self) -> None:
        self.files = 0
        self.bytes = 0
        self.implemented: Counter[str] = Counter()
        self.missing: dict[Missing, Found] = {}
        self.doubtful: dict[tuple[str, Missing], Found] = {}
        self.skipped: Counter[str] = Counter()

    def merge(self, other: Survey) -> None:
        self.files += other.files
        self.bytes += other.bytes
        self.implemented.update(other.implemented)
        self.skipped.update(other.skipped)
        for what, found in other.missing.items():
            self.add_missing(what, found)
        for key, found in other.doubtful.items():
            self.add_doubtful(*key, found)

    def add_missing(self, what: Missing, found: Found) -> None:
        self.missing[what] = _sum(self.missing.get(what), found)

    def add_doubtful(self, reason: str, what: Missing, found: Found) -> None:
        self.doubtful[reason, what] = _sum(self.doubtful.get((reason, what)), found)

    @property
    def wanted(self) -> list[Missing]:
        """What is missing although CPUID, or a level that is claimed, promises it."""
        return [what for what in self.missing if level_of(what.features)]


class _Sections:
    """Looks at the sections of one file."""

    def __init__(self, path: str, file: CodeFile, survey: Survey) -> None:
        self.path, self.file, self.survey = path, file, survey
        self.names = _engine.form_names()

    def look(self, section: Section) -> None:
        starts = self.file.unwind.starts_in(section.address, len(section.data))
        counts, missing, invalid = _engine.sweep(section.data, starts)
        self.survey.bytes += len(section.data)
        for form, count in counts:
            self.survey.implemented[self.names[form]] += count
        decoder = iced_x86.Decoder(64, section.data) if missing or invalid else None
        if decoder is not None:
            self._explain(section, decoder, sorted(missing + invalid))

    def _explain(self, section: Section, decoder: iced_x86.Decoder, offsets: list[int]) -> None:
        """Each place is in a function, which is looked at as a whole, or in none."""
        end = 0  # of what was looked at last
        for offset in offsets:
            if offset < end:
                continue
            function = self.file.unwind.function(section.address + offset)
            if function is None:
                what, length = _instruction(decoder, offset)
                end = offset + length
                if self.file.unwind.starts_in(section.address + offset + 1, length - 1):
                    what, end = NONE, offset + 1  # padding in front of a function, cut off by it
                reason = OUTSIDE if self.file.unwind else NO_UNWIND
                self._doubt(reason, what, section, offset)
                continue
            start, end = (address - section.address for address in function)
            self._function(section, decoder, max(start, 0), min(end, len(section.data)))

    def _function(self, section: Section, decoder: iced_x86.Decoder, start: int, end: int) -> None:
        sure = True
        for offset, what in _unknown(section.data, decoder, start, end):
            if sure and what.mnemonic:
                found = Found(1, self._place(section, offset))
                self.survey.add_missing(what, found)
            else:
                reason = BEHIND if what.mnemonic else DATA
                self._doubt(reason, what, section, offset)
                sure = False

    def _doubt(self, reason: str, what: Missing, section: Section, offset: int) -> None:
        self.survey.add_doubtful(reason, what, Found(1, self._place(section, offset)))

    def _place(self, section: Section, offset: int) -> str:
        return f"{self.path}+{section.address + offset:#x}"


def _unknown(
    data: bytes, decoder: iced_x86.Decoder, start: int, end: int
) -> Iterator[tuple[int, Missing]]:
    """What is not implemented between two offsets, the first of which begins an instruction."""
    while start < end:
        _, missing, invalid = _engine.sweep(data[start:end])
        stop = invalid[0] if invalid else end - start
        for offset in missing:
            if offset < stop:
                yield start + offset, _instruction(decoder, start + offset)[0]
        if not invalid:
            return
        what, length = _instruction(decoder, start + stop)
        yield start + stop, what
        start += stop + length


def _instruction(decoder: iced_x86.Decoder, offset: int) -> tuple[Missing, int]:
    """The instruction at an offset and its length; 1 for a byte that begins none."""
    decoder.position = offset
    instruction = decoder.decode()
    if not instruction:
        return NONE, 1
    features = {feature_name(_FEATURES[n]) for n in instruction.cpuid_features()}
    return Missing(_MNEMONICS[instruction.mnemonic], tuple(sorted(features - {""}))), len(
        instruction
    )


def survey_file(path: str) -> Survey:
    """What one file contains; a reason in `skipped` if it has no code to look at."""
    survey = Survey()
    try:
        with open(path, "rb") as source:
            head = source.read(16)
            file = CodeFile(head + source.read() if head.startswith(b"\x7fELF") else head)
    except OSError as error:
        survey.skipped[error.strerror or "cannot be read"] += 1
    except NotCode as why:
        survey.skipped[str(why)] += 1
    else:
        survey.files = 1
        looker = _Sections(path, file, survey)
        for section in file.sections():
            looker.look(section)
    return survey

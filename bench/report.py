"""The tables: ratios to native and to qemu-user with their spread, and the aims beside them."""

from __future__ import annotations

from bench import recording
from bench.figures import Figures, allowed, fault, faults, megabytes
from bench.notes import MEMORY, TIME, Notes
from bench.ratios import number
from bench.records import Frames, Measurement, Results
from bench.workloads import SECTIONS

Column = tuple[str, list[str]]  # head, cells
ABSENT = "-"
CHART = "performance.svg"
PAIRS = (
    ("qemu", "native"),
    ("blink", "native"),
    ("blink", "qemu"),
    ("blink -j", "native"),
    ("blink -j", "qemu"),
    ("blink -Z", "blink"),
    ("blink -m", "blink -j"),
)
RATED = "blink -j"
WEIGHED = ("native", "qemu", "blink")
BUILD_AIM = 60.0  # seconds; issue 2
FRAMES_AIM = 20.0  # a second; issue 6
INTRODUCTION = f"""\
# Performance

Written by `./dev bench`; the raw samples are in `bench/results`. The engines ran in alternation,
and a ratio is that of two neighbours in time: median (lowest..highest) of the rounds. 2.00 means
twice the time. An engine that is slow has fewer rounds. All write the same output, or the table
says what went wrong.

![Time relative to native]({CHART})
"""

ABOUT_MEMORY = """\
The highest proportional set size (PSS) of the process tree, looked at every millisecond in a run of
its own; 0 is a program too short to be seen. A page that processes share counts as its share: the
benchmark's own Python maps the files of the one in blink. The limit is native + 40 MB, and 10 MB
for each further process that ran at that moment; 30 MB for /bin/true.
"""


ABOUT_FRAMES = """\
`blinkenlights` in a terminal of its own, all panels live, while the program runs at a speed (in
instructions a second): frames whose panels were drawn. "ms a frame" is the processor time of the
interface's process. At full speed the program stops for each frame, and its last 100 instructions
are looked at one by one.
"""


def page(results: Results, notes: Notes, cpu: bool = False) -> str:
    """All as Markdown that reads well as text; `cpu`: processor time, not wall time."""
    figures = Figures(results, cpu)
    parts = [INTRODUCTION, _conditions(results, cpu), _missed(figures, notes), _wrong(results)]
    parts += [_section(figures, name, about) for name, about in _sections(results)]
    parts += [_memory(results), _frames(results), _build(results), recording.section()]
    return "\n".join(part for part in parts if part)


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table with aligned columns."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [_line(head, widths), "|" + "|".join("-" * (w + 2) for w in widths) + "|"]
    return "\n".join([*lines, *(_line(row, widths) for row in rows)]) + "\n"


def _line(cells: list[str], widths: list[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
    return f"| {' | '.join(padded)} |"


def _conditions(results: Results, cpu: bool) -> str:
    rounds = max((len(s) for m in results.measurements for s in m.samples.values()), default=0)
    rows = [["date", results.started], ["command", f"`{results.command}`"]]
    rows += [["time", "processor time" if cpu else "wall time"], ["samples", f"up to {rounds}"]]
    return table(["what", "value"], rows + [[k, v] for k, v in results.machine.items()])


# --- what is missed ----------------------------------------------------------------------------


def _missed(figures: Figures, notes: Notes) -> str:
    """A line for each aim that is not met, with the reason."""
    lines = []
    for m in figures.results.measurements:
        lines += _missed_times(figures, m, notes)
        if (limit := allowed(m)) is not None and megabytes(m.memory["blink"]) > limit:
            found = f"{number(megabytes(m.memory['blink']))} MB, limit {number(limit)} MB"
            lines.append(f"- **{m.title}**, memory: {found}. {notes.why(MEMORY, m.name)}")
    slow = [f for f in figures.results.frames if f.rate < FRAMES_AIM]
    if slow:
        found = f"{min(f.rate for f in slow):.1f} to {max(f.rate for f in slow):.1f} a second"
        lines.append(f"- **frames**: {found}, aim {FRAMES_AIM:.0f}. {notes.why(TIME, 'frames')}")
    build = figures.results.build
    if build and (build.status or build.seconds > BUILD_AIM):
        lines.append(f"- **build**: {build.seconds:.0f} s. {notes.why(TIME, 'build')}")
    return "## Aims missed\n\n" + "\n".join(lines) + "\n" if lines else ""


def _missed_times(figures: Figures, m: Measurement, notes: Notes) -> list[str]:
    """One line for all missed aims of a workload; none if it meets them."""
    missed = []
    for aim in m.aims:
        found = figures.figure(m, aim)
        if found is None or not aim.met(found):
            value = "" if found is None else f", found {number(found)}"
            missed.append(f"{aim}{value}: {aim.verdict(found)}")
    return [f"- **{m.title}**: {'; '.join(missed)}. {notes.why(TIME, m.name)}"] if missed else []


def _wrong(results: Results) -> str:
    """What did not run, or did something else than natively."""
    lines = [f"- {what}" for what in results.missing]
    for m in results.measurements:
        lines += [f"- {m.title}: {engine}: {wrong}" for engine, wrong in faults(m).items()]
    return "## Not as natively\n\n" + "\n".join(lines) + "\n" if lines else ""


# --- times -------------------------------------------------------------------------------------


def _sections(results: Results) -> list[tuple[str, str]]:
    """The titles in the run's order, each with what workloads.py says of it."""
    about = {section.title: section.about for section in SECTIONS}
    return [(t, about.get(t, "")) for t in dict.fromkeys(m.section for m in results.measurements)]


def _section(figures: Figures, title: str, about: str) -> str:
    rows = [m for m in figures.results.measurements if m.section == title]
    pairs = [pair for pair in PAIRS if any(set(pair) <= set(m.samples) for m in rows)]
    columns: list[Column] = [("workload", [m.title for m in rows])]
    columns.append(("native ms", [_milliseconds(figures, m) for m in rows]))
    for ours, theirs in pairs:
        ratios = [compared(figures, m, ours, theirs) for m in rows]
        columns.append((f"{ours} / {theirs}", ratios))
    columns += _rates(figures, rows) + _speedups(figures, rows)
    columns.append(("aim", [_verdicts(figures, m) for m in rows]))
    cells = [list(row) for row in zip(*(column for _, column in columns), strict=True)]
    parts = [f"## {title}\n", f"{about}\n" if about else "", table([h for h, _ in columns], cells)]
    return "\n".join(part for part in [*parts, _paths(rows)] if part)


def _milliseconds(figures: Figures, m: Measurement) -> str:
    found = figures.seconds(m, "native")
    return ABSENT if found is None else number(found * 1e3)


def compared(figures: Figures, m: Measurement, ours: str, theirs: str) -> str:
    """The ratio of two engines, or why there is none."""
    if ours not in m.samples or theirs not in m.samples:
        return ABSENT
    wrong = [f"{e}: {said}" for e in (theirs, ours) if (said := fault(m, e))]
    return wrong[0] if wrong else str(figures.compared(m, ours, theirs))


def _verdicts(figures: Figures, m: Measurement) -> str:
    return "; ".join(f"{aim}: {aim.verdict(figures.figure(m, aim))}" for aim in m.aims)


def _rates(figures: Figures, rows: list[Measurement]) -> list[Column]:
    """Instructions a second, where they were counted."""
    if not any(m.instructions for m in rows):
        return []
    head = f"{RATED}, million instructions / s"
    return [(head, [str(figures.rate(m, RATED) or ABSENT) for m in rows])]


def _speedups(figures: Figures, rows: list[Measurement]) -> list[Column]:
    """How much faster than on one thread, where that is a question."""
    engines = [e for e in WEIGHED if any(m.base and e in m.samples for m in rows)]
    return [
        (f"{engine}: speed-up", [str(figures.speedup(m, engine) or ABSENT) for m in rows])
        for engine in engines
    ]


def _paths(rows: list[Measurement]) -> str:
    """What the programs that choose by CPUID chose."""
    lines = []
    for m in rows:
        said = {engine: kept[-1].said for engine, kept in m.samples.items() if kept}
        paths = [f"{e} {s[6:]}" for e, s in said.items() if s.startswith("path: ")]
        lines += [f"- {m.title} ran as: {', '.join(paths)}"] if paths else []
    return "\n".join(lines) + "\n" if lines else ""


# --- memory, build -----------------------------------------------------------------------------


def _memory(results: Results) -> str:
    rows = []
    for m in results.measurements:
        if m.memory:
            cells = [number(megabytes(m.memory[e])) if e in m.memory else ABSENT for e in WEIGHED]
            processes = str(m.memory["blink"].processes) if "blink" in m.memory else ABSENT
            rows.append([m.title, *cells, processes, *_limit(m)])
    head = ["workload", *(f"{engine}, MB" for engine in WEIGHED), "processes", "limit, MB", "aim"]
    return f"## Memory\n\n{ABOUT_MEMORY}\n{table(head, rows)}" if rows else ""


def _limit(m: Measurement) -> list[str]:
    if (limit := allowed(m)) is None:
        return [ABSENT, ABSENT]
    return [number(limit), "met" if megabytes(m.memory["blink"]) <= limit else "**missed**"]


def _frames(results: Results) -> str:
    rows = [
        [
            f.program, f"{f.columns}x{f.lines}", f.speed, f"{f.rate:.1f}", f"{f.cost:.1f}",
            f"{f.written / max(1, f.frames) / 1e3:.1f}", f"{f.instructions / f.seconds:,.0f}",
            f"{f.load:.1f}", f"≥ {FRAMES_AIM:.0f}: {_met(f)}",
        ]
        for f in results.frames
    ]  # fmt: skip
    head = ["program", "terminal", "speed", "frames / s", "ms a frame", "kB a frame"]
    head += ["instructions / s", "load average", "aim"]
    if not rows:
        return ""
    where = ", ".join(dict.fromkeys(f.machine for f in results.frames))
    return f"## The interface\n\n{ABOUT_FRAMES}\n{table(head, rows)}\nMeasured on: {where}.\n"


def _met(f: Frames) -> str:
    return "met" if f.rate >= FRAMES_AIM else "**missed**"


def _build(results: Results) -> str:
    if not (build := results.build):
        return ""
    took = f"{build.seconds:.1f} s" if build.status == 0 else f"failed, status {build.status}"
    met = build.status == 0 and build.seconds <= BUILD_AIM
    aim = f"≤ {BUILD_AIM:.0f} s on 2 cores with gcc: {'met' if met else '**missed**'}"
    row = ["`./dev build` in a fresh tree", took, f"{build.cpu:.1f} s", build.said, aim]
    return "## Build\n\n" + table(["what", "time", "processor time", "it said", "aim"], [row])

"""The tables: ratios to native and to qemu-user with their spread; nothing passes or fails."""

from __future__ import annotations

from statistics import median

from bench.ratios import number, ratio, spread
from bench.records import Measurement, Results, Sample

ABSENT = "-"
PAIRS = (
    ("qemu", "native"),
    ("blink", "native"),
    ("blink", "qemu"),
    ("blink -j", "qemu"),
    ("blink -Z", "blink"),
    ("blink -m", "blink"),
)
MEMORY = ("native", "qemu", "blink", "blink -j")
RATES = ("blink", "blink -j")
BUILD_AIM = "60 s on 2 cores with gcc"
MEMORY_AIM = "30 MB"
INTRODUCTION = """\
# Performance

Written by `./dev bench`; the raw samples are in `bench/results`. The engines ran in alternation,
and a ratio is that of two neighbours in time: median (lowest..highest) of the rounds. 2.00 means
twice the time. `blink -j` is the interpreter, to which the aims refer; they are no tests.
"""


def page(results: Results, cpu: bool) -> str:
    """All tables as Markdown that reads well as text; `cpu`: processor time, not wall time."""
    parts = [INTRODUCTION, _conditions(results, cpu), _times(results, cpu)]
    parts += [_rates(results, cpu), _memory(results), _build(results)]
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


# --- times -------------------------------------------------------------------------------------


def _times(results: Results, cpu: bool) -> str:
    pairs = [pair for pair in PAIRS if _measured(results, pair)]
    head = ["workload", "native ms", *(f"{ours} / {theirs}" for ours, theirs in pairs), "aim"]
    rows = [
        [m.title, _milliseconds(m, cpu), *(compared(m, *pair, cpu) for pair in pairs), m.aim]
        for m in results.measurements
    ]
    return "## Time\n\n" + table(head, rows) if rows else ""


def _measured(results: Results, engines: tuple[str, str]) -> bool:
    return any(set(engines) <= set(m.samples) for m in results.measurements)


def _milliseconds(m: Measurement, cpu: bool) -> str:
    found = m.samples.get("native")
    return number(median(times(found, cpu)) * 1e3) if found else ABSENT


def times(samples: list[Sample], cpu: bool) -> list[float]:
    """The seconds of each sample; a time below the clock's resolution counts as one microsecond."""
    return [max(s.cpu if cpu else s.wall, 1e-6) for s in samples]


def compared(m: Measurement, ours: str, theirs: str, cpu: bool) -> str:
    """The ratio of two engines, or why there is none."""
    if ours not in m.samples or theirs not in m.samples:
        return ABSENT
    for engine in (theirs, ours):
        if complaint := fault(m, engine):
            return f"{engine}: {complaint}"
    return str(ratio(times(m.samples[ours], cpu), times(m.samples[theirs], cpu)))


def fault(m: Measurement, engine: str) -> str:
    """What is wrong with an engine's runs; empty if they did what the program does natively."""
    for sample in m.samples[engine]:
        if sample.status & 0x7F:
            return f"signal {sample.status & 0x7F}"
        if sample.status:
            return f"status {sample.status >> 8}"
    expected = m.samples.get("native") or m.samples[engine]
    return "" if _outputs(m.samples[engine]) == _outputs(expected) else "wrong output"


def _outputs(samples: list[Sample]) -> set[str]:
    return {sample.output for sample in samples}


# --- rates, memory, build ------------------------------------------------------------------------


def _rates(results: Results, cpu: bool) -> str:
    counted = [m for m in results.measurements if m.instructions]
    rows = [
        [m.title, number((m.instructions or 0) / 1e6), *(rate(m, e, cpu) for e in RATES)]
        for m in counted
    ]
    head = ["workload", "million instructions", *(f"{engine}, million / s" for engine in RATES)]
    note = "The time includes the start of `blink`.\n"
    return f"## Instructions a second\n\n{note}\n{table(head, rows)}" if rows else ""


def rate(m: Measurement, engine: str, cpu: bool) -> str:
    """Millions of instructions a second; nothing if the engine's runs went wrong."""
    if not m.instructions or engine not in m.samples or fault(m, engine):
        return ABSENT
    return str(spread([m.instructions / t / 1e6 for t in times(m.samples[engine], cpu)]))


def _memory(results: Results) -> str:
    rows = []
    for m in results.measurements:
        peaks = {e: [s.peak_kib / 1024 for s in kept] for e, kept in m.samples.items()}
        cells = [number(median(peaks[e])) if peaks.get(e) else ABSENT for e in MEMORY]
        rows.append([m.title, *cells, MEMORY_AIM if m.name == "true" else ""])
    head = ["workload", *(f"{engine}, MiB" for engine in MEMORY), "aim"]
    note = "Peak resident memory (ru_maxrss) of the largest process.\n"
    return f"## Memory\n\n{note}\n{table(head, rows)}" if rows else ""


def _build(results: Results) -> str:
    if not (build := results.build):
        return ""
    took = f"{build.seconds:.1f} s" if build.status == 0 else f"failed, status {build.status}"
    row = ["`./dev build` in a fresh tree", took, f"{build.cpu:.1f} s", build.said, BUILD_AIM]
    return "## Build\n\n" + table(["what", "time", "processor time", "it said", "aim"], [row])

"""docs/performance.svg: the times relative to native, as a dot for each engine and workload.

The scale is logarithmic; a thin line through a dot shows the spread, a bracket the aim.  Colours
follow the reader's dark or light scheme, on a background of our own.
"""

from __future__ import annotations

import math
from html import escape

from bench.aims import RATIO
from bench.figures import Figures
from bench.ratios import Spread
from bench.records import Measurement, Results

ENGINES = {"qemu": ("qemu-user", "q"), "blink": ("blink", "b"), "blink -j": ("blink -j", "j")}
LEFT, RIGHT, TOP, ROW, HEAD = 380, 30, 74, 20, 32  # pixels
WIDTH = 1000
TICKS = (0.5, 1, 1.5, 2, 3, 5, 10, 20, 50, 100, 200)
STYLE = """\
svg { font: 13px system-ui, "DejaVu Sans", sans-serif; }
.ground { fill: #ffffff; } text { fill: #24292f; } .weak { fill: #57606a; }
.head { font-weight: 600; } .title { font-size: 17px; font-weight: 600; }
.grid { stroke: #d0d7de; } .one { stroke: #57606a; stroke-width: 1.5; }
.q { fill: #b35900; stroke: #b35900; } .b { fill: #0b5fd0; stroke: #0b5fd0; }
.j { fill: #6e40c9; stroke: #6e40c9; } .aim { stroke: #1a7f37; stroke-width: 2; fill: none; }
@media (prefers-color-scheme: dark) {
.ground { fill: #0d1117; } text { fill: #e6edf3; } .weak { fill: #9198a1; }
.grid { stroke: #30363d; } .one { stroke: #9198a1; }
.q { fill: #f0883e; stroke: #f0883e; } .b { fill: #58a6ff; stroke: #58a6ff; }
.j { fill: #bc8cff; stroke: #bc8cff; } .aim { stroke: #3fb950; }
}
"""


class Scale:
    """Ratios on a logarithmic axis."""

    def __init__(self, ratios: list[float]) -> None:
        low, high = min([0.9, *ratios]), max([2.0, *ratios])
        self.low, self.high = math.log(low / 1.1), math.log(high * 1.1)

    def x(self, ratio: float) -> float:
        """The place of a ratio, in pixels."""
        share = (math.log(ratio) - self.low) / (self.high - self.low)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def ticks(self) -> list[float]:
        return [tick for tick in TICKS if self.low <= math.log(tick) <= self.high]


def draw(results: Results, cpu: bool = False) -> str:
    """The chart as SVG."""
    figures = Figures(results, cpu)
    rows = [(m, found) for m in results.measurements if (found := ratios(figures, m))]
    scale = Scale([r for _, found in rows for s in found.values() for r in (s.low, s.high)])
    parts, y, section = [], TOP, ""
    for m, found in rows:
        if m.section != section:
            section, y = m.section, y + HEAD
            parts.append(_text(16, y - 8, section, "head"))
        parts += [_row(m, found, scale, y + ROW // 2)]
        y += ROW
    return _frame(results, scale, y + 10, parts)


def ratios(figures: Figures, m: Measurement) -> dict[str, Spread]:
    """engine -> its time relative to native."""
    found = {engine: figures.compared(m, engine, "native") for engine in ENGINES}
    return {engine: spread for engine, spread in found.items() if spread}


def _row(m: Measurement, found: dict[str, Spread], scale: Scale, y: int) -> str:
    parts = [_text(LEFT - 12, y + 4, m.title, "", "end")]
    for engine, spread in found.items():
        name, style = ENGINES[engine]
        low, middle, high = (scale.x(r) for r in (spread.low, spread.median, spread.high))
        said = f"<title>{escape(f'{m.title}: {name} {spread}')}</title>"
        parts.append(
            f'<g class="{style}">{said}<path d="M{low} {y}H{high}"/>'
            f'<circle cx="{middle}" cy="{y}" r="4.5"/></g>'
        )
    return "\n".join(parts + [_aim(scale.x(limit), y) for limit in _limits(m, found)])


def _limits(m: Measurement, found: dict[str, Spread]) -> list[float]:
    """The aims about ratios, all as ratios to native."""
    medians = {"native": 1.0} | {engine: spread.median for engine, spread in found.items()}
    about = [aim for aim in m.aims if aim.kind == RATIO and aim.theirs in medians]
    return [aim.limit * medians[aim.theirs] for aim in about]


def _aim(x: float, y: int) -> str:
    return f'<path class="aim" d="M{x - 4} {y - 7}H{x}V{y + 7}H{x - 4}"/>'


def _text(x: float, y: float, said: str, style: str = "", anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" class="{style}" text-anchor="{anchor}">{escape(said)}</text>'


def _frame(results: Results, scale: Scale, bottom: int, parts: list[str]) -> str:
    """The rows with axis, legend and title around them."""
    height = bottom + 40
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
        f' viewBox="0 0 {WIDTH} {height}" role="img">\n'
        f"<title>Time relative to native</title>\n<style>\n{STYLE}</style>\n"
        f'<rect class="ground" width="{WIDTH}" height="{height}"/>'
    )
    about = f"{results.started[:10]}, {results.machine.get('processor', '')}; less is better"
    title = [_text(16, 30, "Time relative to native", "title"), _text(16, 52, about, "weak")]
    return "\n".join([head, *title, *_legend(), *_axis(scale, bottom), *parts, "</svg>\n"])


def _axis(scale: Scale, bottom: int) -> list[str]:
    lines = []
    for tick in scale.ticks():
        x, style = scale.x(tick), "one" if tick == 1 else "grid"
        lines.append(f'<path class="{style}" d="M{x} {TOP}V{bottom}"/>')
        said = "native" if tick == 1 else f"{tick:g}x"
        lines.append(_text(x, bottom + 20, said, "weak", "middle"))
    return lines


def _legend() -> list[str]:
    lines, x = [], LEFT + 180
    for name, style in ENGINES.values():
        lines.append(f'<circle class="{style}" cx="{x}" cy="26" r="4.5"/>')
        lines.append(_text(x + 10, 30, name))
        x += 40 + 8 * len(name)
    return [*lines, _aim(x, 26), _text(x + 10, 30, "aim")]

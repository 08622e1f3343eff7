"""Profiles a program and draws a flame graph: an SVG of a few lines, or speedscope's format."""

from __future__ import annotations

import html
import subprocess
import sys
from pathlib import Path

BLINK = Path(sys.executable).with_name("blink")
WIDTH, ROW = 1000, 18


def main(argv: list[str]) -> str:
    """The SVG's text."""
    command = [str(BLINK), "profile", "--interval=20011", "--format=folded", *argv]
    folded = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    tree: dict = {}
    for line in folded.splitlines():
        stack, _, weight = line.rpartition(" ")
        node = tree
        for name in stack.split(";"):
            entry = node.setdefault(name, [0, {}])
            entry[0] += int(weight)
            node = entry[1]
    total = sum(weight for weight, _ in tree.values()) or 1
    boxes = list(_boxes(tree, 0.0, 0, WIDTH / total))
    height = ROW * (1 + max((row for row, *_ in boxes), default=0))
    return _svg(boxes, height)


def _boxes(tree: dict, x: float, row: int, scale: float):
    for name, (weight, below) in sorted(tree.items()):
        yield row, x, weight * scale, name
        yield from _boxes(below, x, row + 1, scale)
        x += weight * scale


def _svg(boxes: list, height: int) -> str:
    shapes = "".join(
        f"<g><title>{html.escape(name)}: {100 * width / WIDTH:.1f} %</title>"
        f'<rect x="{x:.1f}" y="{height - ROW * (row + 1)}" width="{max(width - 0.5, 0.5):.1f}" '
        f'height="{ROW - 1}" fill="hsl({hash(name) % 50},80%,65%)"/>'
        f'<text x="{x + 2:.1f}" y="{height - ROW * row - 5}">'
        f"{html.escape(name[: int(width / 7)])}</text></g>"
        for row, x, width, name in boxes
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="monospace" font-size="11">{shapes}</svg>\n'
    )


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1:] or ["bash", "-c", "for ((i=0;i<20000;i++)); do :; done"]))

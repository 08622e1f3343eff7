"""Which source lines ran, as an lcov tracefile (genhtml reads it).

A breakpoint on each line is taken away when it is reached, so a program runs at full speed but for
the first time on each line.
"""

from __future__ import annotations

import sys
from pathlib import Path

from build import build

import blink

SOURCE = r"""
int sign(int x) {
  if (x > 0)
    return 1;
  if (x < 0)
    return -1;
  return 0;
}
int main(int argc, char **argv) {
  return sign(argc) - 1;
}
"""


def main(argv: list[str], source: str) -> str:
    """The tracefile's text."""
    with blink.load(argv) as program:
        session = program.session
        count = len(Path(source).read_text().splitlines())
        lines: dict[int, int] = {}
        for line in range(1, count + 1):
            for address in session.symbols.objects.find_line(source, line):
                place = session.symbols.at(address)
                if place.line is not None and place.line.line == line:
                    lines.setdefault(line, 0)
                    program.on_code(address, mark(lines, line))
        program.run()
    text = [f"SF:{source}", *(f"DA:{line},{hit}" for line, hit in sorted(lines.items()))]
    hits = sum(hit > 0 for hit in lines.values())
    return "\n".join([*text, f"LH:{hits}", f"LF:{len(lines)}", "end_of_record"]) + "\n"


def mark(lines: dict[int, int], line: int) -> blink.Hook:
    """A hook for one line, which ends with its first hit."""

    def reached(program: blink.Program, stop: blink.Stop) -> None:
        lines[line] = 1
        for number in stop.numbers:
            program.remove(number)

    return reached


if __name__ == "__main__":
    path = build(SOURCE)
    sys.stdout.write(main([path], path + ".c"))

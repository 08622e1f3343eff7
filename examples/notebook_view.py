"""What a notebook shows of a program that stands still: a `Program` has a view of its own there."""

from __future__ import annotations

from build import build

import blink

SOURCE = "int twice(int x) { return 2 * x; } int main(void) { return twice(21) - 42; }\n"


def main() -> str:
    """The HTML that `program`, alone in a cell, is shown as."""
    with blink.load([build(SOURCE)]) as program:
        program.run_to("twice")
        return program._repr_html_()


if __name__ == "__main__":
    print(main())

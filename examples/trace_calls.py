"""Prints every call of a function, with its arguments and its result."""

from __future__ import annotations

from build import build

import blink

SOURCE = r"""
long power(long base, long exponent) { return exponent ? base * power(base, exponent - 1) : 1; }
int main(void) { return power(3, 4) != 81; }
"""


def main() -> list[str]:
    """The lines that it prints."""
    lines: list[str] = []
    hooked: set[int] = set()

    def entered(program: blink.Program, stop: object) -> None:
        depth = sum(frame.place.name == "power" for frame in program.session.backtrace())
        lines.append(f"{'  ' * depth}power({program.rdi}, {program.rsi})")
        back = program.read_int(program.rsp)
        if back not in hooked:
            hooked.add(back)
            program.on_code(back, returned)

    def returned(program: blink.Program, stop: object) -> None:
        lines.append(f"  = {program.rax}")

    with blink.load([build(SOURCE)]) as program:
        program.on_code(program.address("power"), entered)
        program.run()
    print("\n".join(lines))
    return lines


if __name__ == "__main__":
    main()

"""Replaces a function of a program by Python code."""

from __future__ import annotations

from build import build

import blink

SOURCE = r"""
#include <stdio.h>
int is_licensed(const char *name) { return 0; }
int main(void) { puts(is_licensed("you") ? "welcome" : "go away"); }
"""


def licensed(program: blink.Program, stop: object) -> None:
    """Returns from the function at its first instruction, with a result of our own."""
    print("asked for", program.read_string(program.rdi).decode())
    program.rax = 1
    program.rip, program.rsp = program.read_int(program.rsp), program.rsp + 8


def main() -> int:
    """The program's exit status; it says `welcome`."""
    with blink.load([build(SOURCE)]) as program:
        program.on_code(program.address("is_licensed"), licensed)
        stop = program.run()
    return int(stop.details["status"])


if __name__ == "__main__":
    main()

"""Lets a program live on another day: the result of a system call comes from Python."""

from __future__ import annotations

from struct import pack

from build import build

import blink

SOURCE = r"""
#include <stdio.h>
#include <time.h>
int main(void) {
  char text[64];
  time_t now = time(0);
  strftime(text, sizeof text, "%Y-%m-%d", gmtime(&now));
  return puts(text) < 0;
}
"""
MOON = -14182940  # seconds: 1969-07-20, 20:17:40 UTC


def to_the_moon(program: blink.Program, stop: blink.Stop) -> None:
    """Behind time(2) or clock_gettime(2)."""
    if stop.details["number"] == 201:
        program.rax = MOON
    elif program.rdi == 0:  # CLOCK_REALTIME
        program.write(program.rsi, pack("<qq", MOON, 0))


def main() -> int:
    """The exit status; the program prints 1969-07-20."""
    with blink.load([build(SOURCE)]) as program:
        program.on_syscall(["time", "clock_gettime"], to_the_moon)
        stop = program.run()
    return int(stop.details["status"])


if __name__ == "__main__":
    main()

"""What recording and replaying cost: `python bench/recording.py [ROUNDS]`.

Programs run, are recorded and replayed in alternation; the median of each, less that of a start.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BLINK = str(Path(sys.executable).parent / "blink")
SOURCE = r"""
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static long fib(long n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
int main(int argc, char **argv) {
  long n = atol(argv[2]);
  char buffer[64];
  struct timespec t;
  int in = open("/etc/passwd", O_RDONLY), out = open("/dev/null", O_WRONLY);
  for (long i = 0; i < n; i++) switch (*argv[1]) {
    case 'g': syscall(SYS_getppid); break;
    case 'c': syscall(SYS_clock_gettime, 0, &t); break;
    case 'r': pread(in, buffer, sizeof buffer, 0); break;
    case 'w': write(out, buffer, sizeof buffer); break;
    case 'f': fib(25); break;
    }
  return argc > 9;
}
"""
WORK = {"getppid": "g", "clock_gettime": "c", "pread": "r", "write": "w", "fib": "f"}
COUNTS = {"fib": 150}
CALLS = 300_000


def seconds(*command: str) -> float:
    """How long a command takes."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def measure(program: str, letter: str, count: int, folder: str) -> tuple[float, float, float]:
    """Seconds of a run, of a recording and of a replay."""
    capsule = f"{folder}/it.cap"
    work = (program, letter, str(count))
    run = seconds(BLINK, *work)
    recorded = seconds(BLINK, "record", "-o", capsule, *work)
    return run, recorded, seconds(BLINK, "replay", "--verify", capsule)


def main() -> None:
    """Prints a line for each kind of work."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/work"
        command = ["gcc", "-O1", "-w", "-static", "-xc", "-", "-o", program]
        subprocess.run(command, input=SOURCE.encode(), check=True)
        print(f"{'':14} run s   record   replay")
        for name, letter in WORK.items():
            count = COUNTS.get(name, CALLS)
            rows = []
            for _ in range(rounds):
                starts = measure(program, letter, 0, folder)
                full = measure(program, letter, count, folder)
                rows.append([long - short for long, short in zip(full, starts, strict=True)])
            run, recorded, replayed = (
                statistics.median(column) for column in zip(*rows, strict=True)
            )
            print(f"{name:14} {run:5.2f} {recorded / run:7.2f}x {replayed / run:7.2f}x", flush=True)


if __name__ == "__main__":
    main()

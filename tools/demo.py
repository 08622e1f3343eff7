"""`./dev demo`: programs of this machine, natively and under blink, side by side."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

BLINK = Path(sys.executable).parent / "blink"
LIMIT = 120

# What it shows, and the command; one whose program is not installed is left out.
SHOWS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("a dynamic program", ("uname", "-sm")),
    ("a static program", ("busybox", "echo", "hello from busybox")),
    ("a folder listing", ("ls", "-l", "/usr/bin/env")),
    ("a shell, processes, pipes", ("sh", "-c", "seq 1 2000 | sort -r | sed -n '$p' | tr 1 one")),
    ("a hash of 3 MB", ("sh", "-c", "head -c 3000000 /dev/zero | sha256sum")),
    ("compression", ("sh", "-c", "seq 1 100000 | gzip -6 | gzip -dc | cksum")),
    ("perl", ("perl", "-e", "my %h; $h{$_ % 97} += $_ for 1..100000; print $h{42}, qq{\\n}")),
    ("python", ("/usr/bin/python3", "-S", "-c", "import json; print(json.dumps([1, {'a': 2.5}]))")),
    (
        "a shell loop, 20,000 times",
        ("sh", "-c", "i=0; while [ $((i+=1)) -lt 20000 ]; do :; done; echo $i"),
    ),
)


class Outcome:
    """What one run wrote and how long it took, in milliseconds."""

    __slots__ = ("milliseconds", "output", "status")

    def __init__(self, command: tuple[str, ...]) -> None:
        started = time.perf_counter()
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=LIMIT,
            check=False,
        )
        self.milliseconds = (time.perf_counter() - started) * 1e3
        self.output, self.status = done.stdout, done.returncode

    def same(self, other: Outcome) -> bool:
        """Whether both runs ended and wrote alike."""
        return (self.output, self.status) == (other.output, other.status)


def show(title: str, command: tuple[str, ...]) -> bool:
    """Runs one command both ways and prints a line; returns whether they agree."""
    native, emulated = Outcome(command), Outcome((str(BLINK), *command))
    agree = native.same(emulated)
    first = (emulated.output.splitlines() or [b""])[0].decode(errors="replace")
    times = f"native {native.milliseconds:6.0f} ms, blink {emulated.milliseconds:6.0f} ms"
    print(f"  {'same' if agree else 'DIFFERS':8}{title:30}{times}   {first[:40]}", flush=True)
    if not agree:
        print(f"           status {emulated.status} (native {native.status})")
    return agree


def speed() -> str:
    """One sentence about how fast instructions run, from `blink -Z`; empty if there is no `awk`."""
    awk = shutil.which("awk")
    if awk is None:
        return ""
    program = "BEGIN { for (i = 0; i < 1000000; i++) x += i % 7; print x }"
    said = Outcome((str(BLINK), "-j", "-Z", awk, program)).output.decode(errors="replace")
    numbers = dict(re.findall(r"(\w+) ([\d.]+)$", said, re.MULTILINE))
    count = float(numbers["instructions"]) / 1e6
    rate = float(numbers["million_instructions_per_second"])
    return (
        f"Interpreted (-j), an awk loop of {count:.0f} million instructions"
        f" ran at {rate:.0f} million a second."
    )


def main() -> int:
    """Runs the shows; returns 1 if one differs from the native run."""
    version = subprocess.run([str(BLINK), "-v"], capture_output=True, text=True, check=True).stdout
    print(f"\n{version.strip()}: x86-64 programs of this machine, natively and in the emulator\n")
    chosen = [(title, command) for title, command in SHOWS if shutil.which(command[0])]
    agree = [show(title, command) for title, command in chosen]
    print(f"\n{sum(agree)} of {len(agree)} give the same output and status. {speed()}")
    print(f"Try: {BLINK} PROGRAM ARGS, or `man {BLINK.parent.parent}/share/man/man1/blink.1`")
    return int(not all(agree))


if __name__ == "__main__":
    sys.exit(main())

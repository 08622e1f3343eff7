"""Fuzzes a function: each input starts from one snapshot, of which only changed pages come back."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path

from build import build

from blink import Machine

SOURCE = r"""
/* Parses "len:text"; a long text overwrites what lies behind its room. */
int parse(const char *in) {
  char room[16];
  int length = 0;
  while (*in >= '0' && *in <= '9') length = length * 10 + *in++ - '0';
  if (*in++ != ':') return -1;
  for (int i = 0; i < length; i++) room[i] = in[i];
  return length ? room[0] : 0;
}
"""
CODE, INPUT, STACK, END = 0x100000, 0x200000, 0x300000, 0x400000
PAGE, READ, WRITE, EXECUTE = 0x1000, 1, 2, 4


def load(machine: Machine) -> None:
    """The function's code, room for the input, a stack; nothing lies where it returns to."""
    program = build(SOURCE, "-c", "-fno-stack-protector", "-fno-asynchronous-unwind-tables")
    raw = program + ".bin"
    subprocess.run(["objcopy", "-O", "binary", "-j", ".text", program, raw], check=True)
    for address in (CODE, INPUT, STACK):
        machine.memory.map(address, PAGE, READ | WRITE | EXECUTE, 0x22)
    machine.memory.write(CODE, Path(raw).read_bytes())


def main(seconds: float = 2.0, seed: int = 1) -> bytes | None:
    """The first input after which the function does not return where it came from."""
    rng, machine = random.Random(seed), Machine()
    load(machine)
    cpu, memory = machine.cpu, machine.memory
    cpu.rip, cpu.rdi, cpu.rsp = CODE, INPUT, STACK + 0x800
    memory.write_u64(cpu.rsp, END)
    registers, pages = cpu.save(), {a: memory.read(a, PAGE) for a in (INPUT, STACK)}
    runs, stop_at = 0, time.monotonic() + seconds
    while time.monotonic() < stop_at:
        data = b"%d:" % rng.randrange(60) + rng.randbytes(rng.randrange(64)) + b"\0"
        cpu.load(registers)
        for address, page in pages.items():
            memory.write(address, page)
        memory.write(INPUT, data)
        stop = machine.run(100_000)
        runs += 1
        if cpu.rip != END:
            print(f"{runs} runs: {data!r} ends in {stop} at {cpu.rip:#x}")
            return data
    print(f"{runs} runs, nothing found")
    return None


if __name__ == "__main__":
    main()

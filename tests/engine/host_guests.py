"""Of the processes in host_programs.py those in which a guest runs."""

from __future__ import annotations

import mmap
import os
import time
from signal import SIGUSR1

from blink import _engine as engine
from engine.host_help import (
    ALL,
    NEVER_BEGAN,
    in_thread,
    signalling_sibling,
    take_number,
    take_over,
    tid,
    wait_for,
)

CODE = 0x1000_0000_0000
JUMP_TO_ITSELF = bytes.fromhex("ebfe")
PAUSE_FOR_EVER = bytes.fromhex("b822000000 0f05 ebf7")  # mov eax, 34; syscall; jmp to the start


def _cpu_at(code: bytes, paged: bool = False) -> engine.Cpu:
    """A Cpu before this code."""
    memory = engine.Memory(paged)
    memory.map(CODE, 4096, 7, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.write(CODE, code)
    cpu = engine.Cpu(memory)
    cpu.set("rip", CODE)
    return cpu


def signal_in_run(count: str) -> None:
    """A sibling's signals end run(), each of them; one that came before does so too."""
    rounds = int(count)
    take_over(SIGUSR1)
    cpu = _cpu_at(JUMP_TO_ITSELF)
    answer = signalling_sibling(rounds, 0.001)
    seen = 0
    for _ in range(rounds):
        assert cpu.run(None) == engine.STOP_INTERRUPT
        seen += take_number() == SIGUSR1
        engine.sig_setmask(0)
        os.write(answer, b"!")
    print(seen)


def pausing_guest(count: str, paged: str) -> None:
    """A sibling's signals end pause(2), which the engine runs natively; none is lost."""
    rounds, seen = int(count), 0
    take_over(SIGUSR1)
    cpu = _cpu_at(PAUSE_FOR_EVER, paged == "True")
    answer = signalling_sibling(rounds)
    while seen < rounds:
        stop = cpu.run(None)
        if stop == engine.STOP_SYSCALL_INTERRUPTED:
            assert (cpu.get("rax"), cpu.get("rip")) == (34, CODE + 7)
            if cpu.stop_error == NEVER_BEGAN & ALL:
                cpu.set("rip", CODE + 5)
            else:
                cpu.set_result(-4)
        else:
            assert stop == engine.STOP_INTERRUPT, stop
        if take_number():
            seen += 1
            engine.sig_setmask(0)
            os.write(answer, b"!")
    print(seen)


def kick_in_run() -> None:
    take_over()
    cpu = _cpu_at(JUMP_TO_ITSELF)
    tids: list[int] = []
    results: list[object] = []

    def body() -> None:
        tids.append(tid())
        results.extend((cpu.run(None) == engine.STOP_INTERRUPT, engine.sig_take()))

    thread = in_thread(body)
    wait_for(lambda: tids)
    time.sleep(0.05)
    engine.sig_kick(tids[0])
    thread.join()
    print(*results)

"""What the translator made of a program: `blink --show-blocks`, docs/internals/translator.md."""

from __future__ import annotations

from typing import NamedTuple

from blink.debugger.disassembly import disassemble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from blink import _engine
    from blink.kernel.process import Process

    # guest address, host addresses of the indirect entry and of the entry, host code,
    # and where each instruction begins, counted from the first and the second
    Block = tuple[int, int, int, bytes, list[tuple[int, int]]]


class Translations(NamedTuple):
    """Translated blocks as [address, length], and where the interpreter's decoded ones begin."""

    translated: list[list[int]]
    decoded: list[int]


ALL = 1 << 16  # more instructions than a block has


def show(process: Process) -> None:
    """Writes the blocks of all threads to the log."""
    for task in process.tasks.values():
        for block in task.cpu.blocks():
            for line in lines(block, process.memory):
                process.log(line)


def lines(block: Block, memory: _engine.Memory) -> Iterator[str]:
    """A block as text: each guest instruction, and below it the host's for it."""
    rip, check, _, code, starts = block
    yield f"block {rip:#x}, {len(starts)} instructions, {len(code)} bytes at {check:#x}"
    yield from _host(code[: starts[0][1]], check)
    ends = [host for _, host in starts[1:]] + [len(code)]
    for (guest, host), end in zip(starts, ends, strict=True):
        yield _guest(memory, rip + guest)
        yield from _host(code[host:end], check + host)


def _guest(memory: _engine.Memory, address: int) -> str:
    length = memory.probe(address, 15, False)
    code = memory.read(address, 15 if length is None else length - address)
    _, data, text = disassemble(code, address, 1)[0]
    return f"  {address:x}: {text or data.hex(' ')}"


def _host(code: bytes, address: int) -> Iterator[str]:
    """All bytes: instructions, and constants as they come."""
    at = 0
    while at < len(code):
        for _, data, text in disassemble(code[at:], address + at, ALL):
            yield f"      {address + at:x}: {data.hex():<24} {text}".rstrip()
            at += len(data)

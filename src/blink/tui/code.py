"""Decoded instructions for the panels: text in parts, where jumps go, which memory is touched."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import iced_x86
from iced_x86 import FlowControl, OpAccess, Register

INTEL, ATT = "intel", "att"
_NAMES = {value: name.lower() for name, value in vars(Register).items() if isinstance(value, int)}
_WRITES = {OpAccess.WRITE, OpAccess.COND_WRITE, OpAccess.READ_WRITE, OpAccess.READ_COND_WRITE}
_READS = {OpAccess.READ, OpAccess.COND_READ, OpAccess.READ_WRITE, OpAccess.READ_COND_WRITE}
_FLOWS = {
    FlowControl.UNCONDITIONAL_BRANCH: "jump",
    FlowControl.CONDITIONAL_BRANCH: "branch",
    FlowControl.CALL: "call",
    FlowControl.INDIRECT_CALL: "call",
    FlowControl.INDIRECT_BRANCH: "jump",
    FlowControl.RETURN: "return",
}
_DIRECT = (FlowControl.UNCONDITIONAL_BRANCH, FlowControl.CONDITIONAL_BRANCH, FlowControl.CALL)
MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Line:
    """One instruction.

    target   where a direct jump or call goes
    memory   the address of a RIP-relative operand
    flow     jump, branch, call, return, or empty
    privileged  for the system only
    """

    address: int
    data: bytes
    mnemonic: str
    operands: str
    target: int | None
    memory: int | None
    flow: str
    privileged: bool = False

    @property
    def end(self) -> int:
        return self.address + len(self.data)


@dataclass(frozen=True, slots=True)
class Access:
    """A range of memory that an instruction touches."""

    address: int
    size: int
    write: bool


@cache
def formatter(syntax: str) -> Any:
    """A formatter of iced's, with 0x prefixes in lower case."""
    kind = iced_x86.FormatterSyntax.GAS if syntax == ATT else iced_x86.FormatterSyntax.INTEL
    made = iced_x86.Formatter(kind)
    made.hex_prefix, made.hex_suffix = "0x", ""
    made.uppercase_hex = made.branch_leading_zeros = False
    made.space_after_operand_separator = True
    made.rip_relative_addresses = False
    return made


class Syntax:
    """The syntax that lines are written in: one choice for the whole interface."""

    current = INTEL

    @classmethod
    def toggle(cls) -> str:
        cls.current = ATT if cls.current == INTEL else INTEL
        return cls.current


def decode(code: bytes, address: int, count: int) -> list[Line]:
    """Up to `count` instructions; what cannot be decoded is one line of a byte."""
    lines: list[Line] = []
    at = 0
    while at < len(code) and len(lines) < count:
        line = _one(code[at : at + 15], address + at, Syntax.current)
        lines.append(line)
        at += len(line.data)
    return lines


@lru_cache(16384)
def _one(code: bytes, address: int, syntax: str) -> Line:
    instruction = iced_x86.Decoder(64, code, ip=address).decode()
    if not instruction:
        return Line(address, code[:1], "(bad)", f"{code[0]:#04x}", None, None, "")
    style = formatter(syntax)
    flow = instruction.flow_control
    target = (instruction.near_branch_target if flow in _DIRECT else 0) or None
    is_system_call = flow == FlowControl.CALL and target is None
    relative = instruction.is_ip_rel_memory_operand
    return Line(
        address,
        code[: instruction.len],
        style.format_mnemonic(instruction),
        style.format_all_operands(instruction),
        target,
        instruction.ip_rel_memory_address if relative else None,
        "" if is_system_call else _FLOWS.get(flow, ""),
        instruction.is_privileged,
    )


def lengths(code: bytes, address: int) -> list[int]:
    """The addresses of the instructions in `code`, without making text of them."""
    return [int(i.ip) for i in iced_x86.Decoder(64, code, ip=address)]


@cache
def _factory() -> Any:
    return iced_x86.InstructionInfoFactory()


def accesses(code: bytes, rip: int, registers: dict[str, int]) -> list[Access]:
    """The memory that the instruction at the start of `code` reads and writes."""
    found: list[Access] = []
    for memory, size, reads, writes in _memory(code, rip) if registers else ():
        address = _effective(memory, registers)
        if address is not None and reads:
            found.append(Access(address, size, False))
        if address is not None and writes:
            found.append(Access(address, size, True))
    return found


@lru_cache(16384)
def _memory(code: bytes, rip: int) -> tuple[tuple[Any, int, bool, bool], ...]:
    """The memory operands of an instruction: operand, size, read, written."""
    instruction = iced_x86.Decoder(64, code, ip=rip).decode()
    if not instruction:
        return ()
    size_of = iced_x86.MemorySizeExt.size
    return tuple(
        (m, size_of(m.memory_size) or 1, m.access in _READS, m.access in _WRITES)
        for m in _factory().info(instruction).used_memory()
    )


def _effective(memory: Any, registers: dict[str, int]) -> int | None:
    """base + index * scale + displacement, in a segment; None for a vector of addresses."""
    base = _value(memory.base, registers)
    index = _value(memory.index, registers)
    if base is None or index is None:
        return None
    segment = _NAMES.get(memory.segment, "")
    start = registers.get(f"{segment}_base", 0) if segment in ("fs", "gs") else 0
    return (start + base + index * int(memory.scale) + int(memory.displacement)) & MASK


def _value(register: Any, registers: dict[str, int]) -> int | None:
    if register == Register.NONE:
        return 0
    full = _NAMES.get(iced_x86.RegisterExt.full_register(register), "")
    value = registers.get(full)
    if value is None:
        return None
    size = int(iced_x86.RegisterExt.size(register))
    return value & ((1 << 8 * size) - 1)

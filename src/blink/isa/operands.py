"""Operand kinds: the words that stand in a form's operand list, and what each one means."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of operand.

    `where` is the field that names it: reg, rm, vvvv, is4 (the immediate's upper half),
    opcode, imm, rel, fixed or st.  `bank` is the register file: gpr, xmm, ymm, mm, seg, cr,
    dr or "" (none).  `width` is in bits, or "v" (16, 32 or 64 by operand size) or "y" (32 or 64).
    `mem` and `reg` say which of the two a ModRM.rm may be.
    """

    name: str
    where: str
    bank: str
    width: int | str
    mem: bool = False
    reg: bool = False
    aligned: bool = False
    fixed: int = 0


def _kinds() -> dict[str, Kind]:
    table: list[Kind] = []
    for w in ("8", "16", "32", "64", "v", "y"):
        width: int | str = int(w) if w.isdigit() else w
        table += [
            Kind(f"r{w}", "reg", "gpr", width),
            Kind(f"rm{w}", "rm", "gpr", width, mem=True, reg=True),
            Kind(f"R{w}", "rm", "gpr", width, reg=True),
            Kind(f"o{w}", "opcode", "gpr", width),
            Kind(f"B{w}", "vvvv", "gpr", width),
            Kind(f"moffs{w}", "moffs", "", width, mem=True),
        ]
    for w in ("8", "16", "32", "64", "80", "128", "256", "v", "y"):
        width = int(w) if w.isdigit() else w
        table.append(Kind(f"m{w}", "rm", "", width, mem=True))
    # r32/m16: a full register, of which the body sees the low bits, or narrow memory
    table.append(Kind("r32m16", "rm", "gpr", 16, mem=True, reg=True))
    table.append(Kind("m128a", "rm", "", 128, mem=True, aligned=True))
    table.append(Kind("m256a", "rm", "", 256, mem=True, aligned=True))
    table.append(Kind("mem", "rm", "", 64, mem=True))  # the body gets the address
    table.append(Kind("vsib", "rm", "", 64, mem=True))  # ... without the vector of indices
    for w in ("8", "16", "32", "64", "128"):
        aligned = w == "128"
        table.append(Kind(f"xm{w}", "rm", "xmm", int(w), mem=True, reg=True, aligned=aligned))
    table += [
        Kind("xm128u", "rm", "xmm", 128, mem=True, reg=True),
        Kind("xmm", "reg", "xmm", 128),
        Kind("X", "rm", "xmm", 128, reg=True),
        Kind("X64", "rm", "xmm", 64, reg=True),
        Kind("X32", "rm", "xmm", 32, reg=True),
        Kind("vx", "vvvv", "xmm", 128),
        Kind("ix", "is4", "xmm", 128),
        Kind("ymm", "reg", "ymm", 256),
        Kind("ym256", "rm", "ymm", 256, mem=True, reg=True, aligned=True),
        Kind("ym256u", "rm", "ymm", 256, mem=True, reg=True),
        Kind("Y", "rm", "ymm", 256, reg=True),
        Kind("vy", "vvvv", "ymm", 256),
        Kind("iy", "is4", "ymm", 256),
        Kind("mm", "reg", "mm", 64),
        Kind("mm64", "rm", "mm", 64, mem=True, reg=True),
        Kind("mm32", "rm", "mm", 32, mem=True, reg=True),
        Kind("N", "rm", "mm", 64, reg=True),
        Kind("sti", "st", "", 8),  # the body gets the register number 0..7
        Kind("sreg", "reg", "seg", 16),
        Kind("al", "fixed", "gpr", 8),
        Kind("ax", "fixed", "gpr", 16),
        Kind("av", "fixed", "gpr", "v"),
        Kind("cl", "fixed", "gpr", 8, fixed=1),
        Kind("dx", "fixed", "gpr", 16, fixed=2),
        Kind("imm8", "imm", "", 8),
        Kind("imm16", "imm", "", 16),
        Kind("level", "imm2", "", 8),  # the second immediate of ENTER
        Kind("immz", "imm", "", "v"),  # at most 32 bits encoded, sign-extended to the operand size
        Kind("simm8", "imm", "", "v"),  # one byte, sign-extended to the operand size
        Kind("immv", "imm", "", "v"),  # as wide as the operand size
        Kind("imm64", "imm", "", 64),  # sign-extended to 64 bits
        Kind("one", "one", "", 8),
        Kind("rel8", "rel", "", 64),
        Kind("relz", "rel", "", 64),
    ]
    return {k.name: k for k in table}


KINDS = _kinds()
ACCESS = ("r", "w", "rw")


@dataclass(frozen=True)
class Operand:
    """A kind with its access: r (read), w (written), rw (both)."""

    kind: Kind
    access: str = "r"

    @property
    def reads(self) -> bool:
        return "r" in self.access

    @property
    def writes(self) -> bool:
        return "w" in self.access

    def width(self, size: int) -> int:
        """Width in bits at operand size `size` (16, 32 or 64)."""
        w = self.kind.width
        if w == "v":
            return size
        if w == "y":
            return max(size, 32)
        assert isinstance(w, int)
        return w


def parse_operands(text: str) -> tuple[Operand, ...]:
    """'rmv:rw immz' -> operands.  ValueError names an unknown word."""
    operands = []
    for word in text.split():
        name, _, access = word.partition(":")
        if name not in KINDS or (access or "r") not in ACCESS:
            raise ValueError(f"unknown operand {word!r} in {text!r}")
        operands.append(Operand(KINDS[name], access or "r"))
    return tuple(operands)

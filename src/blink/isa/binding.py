"""Connects an instruction body's parameters and results with the operands of one form variant.

Works on any `Operands`: the tracer's symbols or the reference interpreter's numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

from blink.isa.bits import Bits
from blink.isa.operands import Kind, Operand
from blink.isa.spec import Form
from blink.isa.state import GP, State


@dataclass(frozen=True)
class Variant:
    """Which handler of a form: operand size in bits, memory or register rm, LOCKed or not."""

    size: int
    mem: bool
    lock: bool = False


class Operands(State):
    """A State that also knows the fields of the instruction being executed."""

    def effective_address(self) -> Bits:
        raise NotImplementedError

    def immediate(self, w: int) -> Bits:
        """The immediate, sign-extended to 64 bits, cut to `w`."""
        raise NotImplementedError

    def second_immediate(self) -> Bits:
        """ENTER's nesting level, 8 bits."""
        raise NotImplementedError

    def selector(self) -> Bits:
        """The selector of a far pointer in the instruction."""
        raise NotImplementedError

    def target(self) -> Bits:
        """Where a relative branch goes."""
        raise NotImplementedError

    def stack_index(self) -> Bits:
        """The i of ST(i)."""
        raise NotImplementedError

    def read_register(self, bank: str, where: str, w: int) -> Bits:
        """The register that the field `where` (reg, rm, opcode, vvvv, is4) names."""
        raise NotImplementedError

    def write_register(self, bank: str, where: str, w: int, value: Bits) -> None:
        """A 32-bit general register has been widened to 64 bits already."""
        raise NotImplementedError

    def read_fixed(self, n: int, w: int) -> Bits:
        """A register that the encoding implies (AL, CL, DX...)."""
        return self.gpr(n, w)

    def write_fixed(self, n: int, value: Bits) -> None:
        self.set_gpr(n, value)

    def read_for_update(self, address: Bits, w: int, lock: bool) -> Bits:
        """The first half of a read-modify-write: checks that writing is allowed, too."""
        raise NotImplementedError

    def update(self, value: Bits, lock: bool) -> None:
        """The second half."""
        raise NotImplementedError


class Binder:
    """One execution of a form: operands in, results out."""

    def __init__(self, s: Operands, form: Form, variant: Variant) -> None:
        self.s = s
        self.form = form
        self.v = variant
        self.address: Bits | None = None

    def read(self, operand: Operand) -> Bits:
        k, w = operand.kind, operand.width(self.v.size)
        if k.mem and self.v.mem:
            return self._memory(operand, w)
        if k.where == "fixed":
            return self.s.read_fixed(k.fixed, w)
        if k.where in ("one", "imm", "imm2", "sel", "rel", "st"):
            return self._constant(k, w)
        if not operand.reads:
            return Bits.const(0, w)
        return self.s.read_register(k.bank, k.where, w)

    def _memory(self, operand: Operand, w: int) -> Bits:
        s = self.s
        self.address = s.effective_address()
        if operand.kind.address:
            return self.address
        if operand.kind.aligned:
            s.fault_if((self.address & (w // 8 - 1)) != 0, GP)
        if operand.access == "rw":
            return s.read_for_update(self.address, w, self.v.lock)
        return s.load(self.address, w) if operand.reads else Bits.const(0, w)

    def _constant(self, k: Kind, w: int) -> Bits:
        if k.where == "one":
            return Bits.const(1, w)
        if k.where == "st":
            return self.s.stack_index()
        if k.where == "imm2":
            return self.s.second_immediate()
        if k.where == "sel":
            return self.s.selector()
        return self.s.target() if k.where == "rel" else self.s.immediate(w)

    def write(self, operand: Operand, value: Bits) -> None:
        k, w = operand.kind, operand.width(self.v.size)
        if value.w != w and not (k.bank == "gpr" and w < value.w and not self.v.mem):
            name = f"{self.form.insn.name} {self.form.encoding}"
            raise TypeError(f"{name}: a result of {value.w} bits for an operand of {w}")
        if k.mem and self.v.mem:
            self._write_memory(operand, value)
        elif k.where == "fixed":
            self.s.write_fixed(k.fixed, value)
        else:
            wide = value.zext(64) if k.bank == "gpr" and value.w == 32 else value
            self.s.write_register(k.bank, k.where, wide.w, wide)

    def _write_memory(self, operand: Operand, value: Bits) -> None:
        assert self.address is not None
        if operand.access == "rw":
            self.s.update(value, self.v.lock)
        else:
            self.s.store(self.address, value)


def execute(s: Operands, form: Form, variant: Variant) -> None:
    """Run the form's body in `s`.

    Memory results are written before register results, and of two results in the same register
    (XADD) that of the first operand stays.
    """
    binder = Binder(s, form, variant)
    if form.insn.before:
        s.call(form.insn.before)
    values = [binder.read(o) for o in form.operands]
    result = form.insn.body(s, *values)
    s.check_complete()
    written = [o for o in form.operands if o.writes and not o.kind.address]
    results = result if isinstance(result, tuple) else () if result is None else (result,)
    if len(results) != len(written):
        name = f"{form.insn.name} {form.encoding}"
        raise TypeError(f"{name}: {len(results)} results for {len(written)} written operands")
    pairs = list(zip(written, results, strict=True))[::-1]
    pairs.sort(key=lambda p: not (p[0].kind.mem and variant.mem))
    for operand, value in pairs:
        binder.write(operand, value)

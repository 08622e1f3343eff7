"""Status flags as the semantics set them: lazily, by what produced them.

Each state of the flags answers `get(name)`.  The engine stores the same kinds (CC_SUB, CC_ADD,
CC_RES, CC_FLAGS in cpu.h), so that an instruction stores two operands and a kind, and a condition
computes just what it needs.
"""

from __future__ import annotations

from dataclasses import dataclass

from blink.isa.bits import Bits, ite

POSITION = {"CF": 0, "PF": 2, "AF": 4, "ZF": 6, "SF": 7, "OF": 11}
STATUS_MASK = sum(1 << p for p in POSITION.values())
OTHER = {"TF": 8, "IF": 9, "DF": 10, "NT": 14, "RF": 16, "AC": 18, "ID": 21}


def parity(value: Bits) -> Bits:
    """PF: the low byte has an even number of ones."""
    return ~value.zext(8).popcnt().bit(0)


class FlagState:
    """What the six status flags are at a point of an instruction."""

    def get(self, name: str) -> Bits:
        raise NotImplementedError

    def cond(self, cc: int) -> Bits:
        """The condition `cc` (0..15: O NO B AE E NE BE A S NS P NP L GE LE G)."""
        positive = self._positive(cc >> 1)
        return ~positive if cc & 1 else positive

    def _positive(self, pair: int) -> Bits:
        if pair < 6 and pair != 3:
            return self.get(("OF", "CF", "ZF", "", "SF", "PF")[pair])
        if pair == 3:
            return self.get("CF") | self.get("ZF")
        less = self.get("SF") ^ self.get("OF")
        return less if pair == 6 else less | self.get("ZF")

    def word(self) -> Bits:
        """The flags as 32 bits at their EFLAGS positions."""
        value = Bits.const(0, 32)
        for name, position in POSITION.items():
            value = value | (self.get(name).zext(32) << position)
        return value


@dataclass(frozen=True)
class Sub(FlagState):
    """Flags of a - b."""

    a: Bits
    b: Bits

    def get(self, name: str) -> Bits:
        result = self.a - self.b
        if name == "CF":
            return self.a.ult(self.b)
        if name == "OF":
            return ((self.a ^ self.b) & (self.a ^ result)).sign
        if name == "AF":
            return (self.a ^ self.b ^ result).bit(4)
        return self.a == self.b if name == "ZF" else _of_result(name, result)

    def _positive(self, pair: int) -> Bits:
        if pair == 3:
            return ~self.b.ult(self.a)
        if pair == 6:
            return self.a.slt(self.b)
        return ~self.b.slt(self.a) if pair == 7 else super()._positive(pair)


@dataclass(frozen=True)
class Add(FlagState):
    """Flags of a + b."""

    a: Bits
    b: Bits

    def get(self, name: str) -> Bits:
        result = self.a + self.b
        if name == "CF":
            return result.ult(self.a)
        if name == "OF":
            return ((self.a ^ result) & (self.b ^ result)).sign
        return (self.a ^ self.b ^ result).bit(4) if name == "AF" else _of_result(name, result)


@dataclass(frozen=True)
class Result(FlagState):
    """ZF, SF, PF by a result; the others given."""

    result: Bits
    cf: Bits
    of: Bits
    af: Bits

    def get(self, name: str) -> Bits:
        given = {"CF": self.cf, "OF": self.of, "AF": self.af}
        return given[name] if name in given else _of_result(name, self.result)


@dataclass(frozen=True)
class Explicit(FlagState):
    """All six given, as 32 bits at their EFLAGS positions."""

    value: Bits

    def get(self, name: str) -> Bits:
        return self.value.bit(POSITION[name])


@dataclass(frozen=True)
class Guarded(FlagState):
    """`new` where the condition holds, else `old`."""

    condition: Bits
    new: FlagState
    old: FlagState

    def get(self, name: str) -> Bits:
        return ite(self.condition, self.new.get(name), self.old.get(name))

    def cond(self, cc: int) -> Bits:
        return ite(self.condition, self.new.cond(cc), self.old.cond(cc))


def _of_result(name: str, result: Bits) -> Bits:
    if name == "ZF":
        return result == 0
    return result.sign if name == "SF" else parity(result)


def operands(f: FlagState) -> list[Bits]:
    """The values that a state of the flags holds."""
    if isinstance(f, Guarded):
        return [f.condition, *operands(f.new), *operands(f.old)]
    if isinstance(f, Sub | Add):
        return [f.a, f.b]
    if isinstance(f, Result):
        return [f.result, f.cf, f.of, f.af]
    return [f.value] if isinstance(f, Explicit) else []

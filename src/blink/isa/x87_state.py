"""The x87 state on plain numbers, and the rules of its stack (Intel SDM volume 1, chapter 8)."""

from __future__ import annotations

from blink.isa._f80 import BEFORE, C1, CONDITION, INDEFINITE
from blink.isa._softfloat import DE, IE

SF, ES, B = 1 << 6, 1 << 7, 1 << 15
EXCEPTIONS = 0x3F
CW_INIT = 0x37F
MASK64 = (1 << 64) - 1


class Pending(Exception):
    """An unmasked exception is pending before a waiting instruction: #MF."""


class X87State:
    """Registers, tags and words, as X87 of engine/cpu.h has them.

    `st` holds the physical registers as 80-bit patterns; `tags` a bit for each that is not empty;
    `sw` neither TOP nor ES nor B.
    """

    __slots__ = ("cw", "fcs", "fdp", "fds", "fip", "fop", "st", "sw", "tags", "top")

    def __init__(self) -> None:
        self.st = [0] * 8
        self.initialize()

    def initialize(self) -> None:
        """FNINIT: everything but the registers' contents."""
        self.cw = CW_INIT
        self.sw = self.top = self.tags = 0
        self.fop = self.fip = self.fdp = self.fcs = self.fds = 0

    @property
    def pending(self) -> int:
        """Unmasked exceptions."""
        return self.sw & ~self.cw & EXCEPTIONS

    @property
    def status_word(self) -> int:
        """As FNSTSW gives it."""
        return self.sw | self.top << 11 | (ES | B if self.pending else 0)

    @status_word.setter
    def status_word(self, value: int) -> None:
        self.top = value >> 11 & 7
        self.sw = value & (EXCEPTIONS | SF | CONDITION)

    def significand(self, n: int) -> int:
        """MMX register n."""
        return self.st[n] & MASK64

    def set_mmx(self, n: int, value: int) -> None:
        """Writing an MMX register sets the sign and exponent to ones."""
        self.st[n] = 0xFFFF << 64 | value

    # -- the stack --

    def physical(self, i: int) -> int:
        return (self.top + i) & 7

    def empty(self, *stack: int) -> bool:
        """Is one of ST(i) empty?"""
        return any(not self.tags >> self.physical(i) & 1 for i in stack)

    def get(self, i: int) -> int:
        return self.st[self.physical(i)]

    def set(self, i: int, value: int) -> None:
        n = self.physical(i)
        self.st[n] = value
        self.tags |= 1 << n

    def pop(self, count: int = 1) -> None:
        for _ in range(count):
            self.tags &= ~(1 << self.top)
            self.top = self.physical(1)

    # -- the status word --

    def wait(self) -> None:
        if self.pending:
            raise Pending

    def status(self, flags: int) -> None:
        """C1, and exceptions, which are sticky."""
        self.sw = self.sw & ~C1 | flags

    def clear(self, conditions: int) -> None:
        self.sw &= ~conditions

    def delivers(self, flags: int) -> bool:
        """May the instruction that raised these flags deliver a result?"""
        return not flags & ~self.cw & BEFORE

    def stack_fault(self, c1: int = 0) -> bool:
        """Stack underflow, or (C1) overflow.  False: it is unmasked."""
        self.status(IE | SF | c1)
        return bool(self.cw & IE)

    def deliver(self, value: int, flags: int, dest: int = 0, pops: int = 0) -> None:
        """ST(dest) = value, then pop, if the flags allow it."""
        self.status(flags)
        if self.delivers(flags):
            self.set(dest, value)
            self.pop(pops)

    def push(self, value: int, flags: int = 0) -> None:
        """A denormal from memory is pushed even if DE is unmasked, as AMD's processors do."""
        if not self.empty(7):
            if not self.stack_fault(C1):
                return
            value = INDEFINITE
        else:
            self.status(flags)
            if not self.delivers(flags & ~DE):
                return
        self.top = self.physical(7)
        self.set(0, value)

"""Fused handlers: a compare with its branch, and the instruction before those two.

A dispatch costs about as much as the work of a simple handler, and loops end in the same few ways.
Compare-and-branch earned 1.3x on fib and sieve; a leading add, move or load another 1.1 to 1.2x.
Variants whose dead flags are dropped did not pay by themselves, but here they come for free.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from blink.codegen.cprint import HandlerPrinter
from blink.codegen.trace import TraceState, trace
from blink.isa.binding import Variant, execute
from blink.isa.spec import CONDITIONS, Form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Add = Callable[[str, list[str], bool], int]

EQUAL, UNSIGNED, SIGN, SIGNED = (4, 5), (2, 3, 6, 7), (8, 9), (12, 13, 14, 15)
# mnemonic -> operand sizes and conditions that are fused with a following Jcc: what compilers emit
COMPARES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "CMP": ((8, 16, 32, 64), EQUAL + UNSIGNED + SIGN + SIGNED),
    "TEST": ((8, 16, 32, 64), EQUAL + SIGN + SIGNED[2:]),
    "SUB": ((32, 64), EQUAL + UNSIGNED[:2] + SIGN + SIGNED),
    "ADD": ((32, 64), EQUAL + UNSIGNED[:2] + SIGN),
    "AND": ((32, 64), EQUAL),
    "DEC": ((32, 64), EQUAL + SIGN),
    "INC": ((32, 64), EQUAL),
}
# Compares of registers that may be the end of three in one
TAILS = {"CMP": EQUAL + UNSIGNED + SIGNED, "TEST": EQUAL + SIGN + SIGNED[2:]}
# What may stand before such a compare and its branch: mnemonic -> with a memory operand, which is
# loaded, or not
LEADERS: dict[str, tuple[bool, ...]] = {
    "ADD": (False,),
    "SUB": (False,),
    "LEA": (True,),
    "MOV": (False, True),
    "MOVZX": (True,),
}
_RECORD = re.compile(r"\br\b")


def shifted(lines: list[str]) -> list[str]:
    """The same code for the record behind `r`."""
    return [_RECORD.sub("(r + 1)", line) for line in lines]


@dataclass
class Tail:
    """A compare of registers with its branch, as printed lines."""

    name: str
    lines: list[str]


@dataclass
class Fusion:
    """The tables: `pairs[compare][condition]`, and `led[leader][pair]` for three in one."""

    pairs: dict[int, list[int]] = field(default_factory=dict)
    tails: dict[int, Tail] = field(default_factory=dict)
    leaders: dict[int, tuple[Form, Variant]] = field(default_factory=dict)
    led: dict[int, dict[int, int]] = field(default_factory=dict)

    def note(self, add: Add, number: int, name: str, form: Form, v: Variant) -> None:
        """Consider the handler `number` of a form for both roles."""
        if v.lock:
            return
        sizes, _ = COMPARES.get(form.insn.name, ((), ()))
        if _width(form, v) in sizes and number not in self.pairs:
            self.pairs[number] = self._pair(add, name, form, v)
        if _leads(form, v):
            self.leaders.setdefault(number, (form, v))

    def _pair(self, add: Add, name: str, form: Form, v: Variant) -> list[int]:
        row = [0] * 16
        mnemonic = form.insn.name
        for cc in COMPARES[mnemonic][1]:
            s = TraceState(form, v)
            execute(s, form, v)
            s.branch(s.cond(cc), s.leaf("TARGET", 64))
            printer = HandlerPrinter(s.finish(), "(r + 1)")
            lines = printer.body()
            full = f"{name}_j{CONDITIONS[cc].lower()}"
            row[cc] = add(full, lines, printer.memory)
            if cc in TAILS.get(mnemonic, ()) and _width(form, v) != 16 and not v.mem:
                self.tails.setdefault(row[cc], Tail(full, lines))
        return row

    def finish(self, add: Add, name: Callable[[Form, Variant], str]) -> None:
        """Make the triples, when all pairs and leaders are known."""
        for number, (form, v) in self.leaders.items():
            t = trace(form, v)
            t.flags = None  # the compare overwrites them all, and nothing between may fault
            printer = HandlerPrinter(t)
            head = ["{", *printer.body()[:-1], "}"]
            label, memory = name(form, v), printer.memory
            self.led[number] = {
                pair: add(f"{label}_{tail.name}", head + shifted(tail.lines), memory)
                for pair, tail in self.tails.items()
            }


def _width(form: Form, v: Variant) -> int:
    """Bits of the first operand, if there is one."""
    return next((o.width(v.size) for o in form.operands), 0)


def _leads(form: Form, v: Variant) -> bool:
    if v.mem not in LEADERS.get(form.insn.name, ()) or _width(form, v) < 32:
        return False
    if any(o.kind.bank not in ("gpr", "") or o.kind.where == "moffs" for o in form.operands):
        return False
    return all(effect.op == "load" for effect in trace(form, v).effects)

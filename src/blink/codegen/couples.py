"""Coupled handlers: two simple instructions in one, wherever the second follows the first.

On an Intel core of 2023 a handler takes two cycles even if it does nothing.  The flags of the first
are not stored if the second overwrites them all and cannot fault.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from blink.codegen.cprint import HandlerPrinter
from blink.codegen.fusion import shifted
from blink.codegen.trace import Trace, trace
from blink.isa.binding import Variant
from blink.isa.flags import Add, Result, Sub
from blink.isa.spec import Form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# mnemonic -> the second operand: a register, an immediate, memory.  What loops consist of.
MEMBERS: dict[str, tuple[str, ...]] = {
    "MOV": ("reg", "mem"),
    "ADD": ("reg", "imm"),
    "SUB": ("reg",),
    "XOR": ("reg",),
    "AND": ("imm",),
    "LEA": ("mem",),
    "SHL": ("imm",),
    "SHR": ("imm",),
    "MOVZX": ("reg",),
}
# What pays behind a member: 2 % or more of what all couples did in one of seven programs (the loops
# of bench, bash, CPython, perl, sqlite3, gzip); together 85 to 100 %.  The rest, more than half, is
# seldom run.
SECONDS: dict[str, tuple[str, ...]] = {
    "MOV": ("MOV", "ADD", "SUB", "XOR", "AND", "LEA", "SHL"),
    "ADD": ("MOV", "ADD", "XOR", "LEA"),
    "SUB": ("ADD", "AND"),
    "XOR": ("MOV", "ADD", "MOVZX"),
    "AND": ("MOV", "SUB", "XOR", "LEA"),
    "LEA": ("MOV", "XOR", "LEA", "SHR"),
    "SHL": (),
    "SHR": ("XOR", "MOVZX"),
    "MOVZX": ("MOV", "ADD"),
}


@dataclass
class Couples:
    """The table: `made[first][second]`, all by handler number; 0 where none was made."""

    members: dict[int, tuple[Form, Variant]] = field(default_factory=dict)
    made: dict[int, dict[int, int]] = field(default_factory=dict)

    def note(self, number: int, form: Form, v: Variant) -> None:
        """Consider the handler `number` of a form."""
        if not v.lock and _belongs(form, v):
            self.members.setdefault(number, (form, v))

    def finish(
        self, add: Callable[[str, list[str], bool], int], name: Callable[[Form, Variant], str]
    ) -> None:
        """Make the couples, when all members are known."""
        for first, (form, v) in self.members.items():
            pays, row = SECONDS[form.insn.name], dict.fromkeys(self.members, 0)
            for second, (other, w) in self.members.items():
                if other.insn.name in pays:
                    both = _couple(trace(form, v), trace(other, w))
                    row[second] = add(f"{name(form, v)}_{name(other, w)}", *both)
            self.made[first] = row


def _couple(first: Trace, second: Trace) -> tuple[list[str], bool]:
    """The lines of both, and whether they access memory."""
    if isinstance(second.flags, Add | Sub | Result) and not second.may_fault:
        first.flags = None
    head, tail = HandlerPrinter(first), HandlerPrinter(second)
    lines = ["{", *head.body()[:-1], "}", *shifted(tail.body())]
    return lines, head.memory or tail.memory


def _belongs(form: Form, v: Variant) -> bool:
    kinds = [o.kind for o in form.operands]
    if form.insn.name not in MEMBERS or len(kinds) != 2 or form.operands[0].width(v.size) < 32:
        return False
    if any(k.bank not in ("gpr", "") or k.where in ("moffs", "fixed", "one") for k in kinds):
        return False
    second = "mem" if v.mem else "imm" if kinds[1].where == "imm" else "reg"
    t = trace(form, v)
    loads = all(effect.op == "load" for effect in t.effects)
    return second in MEMBERS[form.insn.name] and loads and t.end == ("next",)

"""Who called whom: frames of a stopped thread, from registers and memory.

By call frame information where the code has it (`how` is "cfi", or "signal" for the frame that the
kernel makes), else by the chain of frame pointers ("rbp"), else by a return address that lies on
top of the stack ("stack": after a jump to a bad address, and in functions without frames).
"""

from __future__ import annotations

from blink.debugger.dwarf_expression import Unreadable, evaluate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from blink.debugger.cfi import Rules

    Read = Callable[[int, int], bytes]
    Registers = dict[int, int]
    FindRules = Callable[[int], tuple[Rules, int] | None]

# DWARF register numbers (System V ABI for x86-64, figure 3.36).
NAMES = (
    *("rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp"),
    *("r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip"),
)
RBP, RSP, RIP = 6, 7, 16
_MASK = (1 << 64) - 1


class Frame:
    """One activation.

    pc         where it is: of the innermost frame RIP, else the return address
    cfa        its canonical frame address: RSP before the call that made it; 0 when not known
    how        how it was found: "top", "cfi", "signal", "rbp", "stack"
    registers  DWARF number -> value, those that are known there
    """

    __slots__ = ("cfa", "how", "pc", "registers")

    def __init__(self, pc: int, cfa: int, how: str, registers: Registers) -> None:
        self.pc = pc
        self.cfa = cfa
        self.how = how
        self.registers = registers

    @property
    def lookup(self) -> int:
        """The address to look up in tables: inside the call, when a call led away from here."""
        return self.pc if self.how in ("top", "signal") else self.pc - 1

    def __repr__(self) -> str:
        return f"Frame({self.pc:#x}, cfa={self.cfa:#x}, {self.how})"


class Unwinder:
    """Walks the stack of one thread.

    read          read(address, length): the bytes there, fewer where memory ends
    find_rules    address -> its rules and the bias of its file, or None
    is_code       whether an address can be executed
    """

    __slots__ = ("_find_rules", "_is_code", "_read")

    def __init__(self, read: Read, find_rules: FindRules, is_code: Callable[[int], bool]) -> None:
        self._read = read
        self._find_rules = find_rules
        self._is_code = is_code

    def frames(self, registers: dict[str, int]) -> Iterator[Frame]:
        """The frames of a thread with these registers (rax.., rip), innermost first."""
        frame = Frame(registers["rip"], 0, "top", {i: registers[n] for i, n in enumerate(NAMES)})
        seen = -1
        while True:
            caller = self._caller(frame)
            yield frame
            if caller is None or caller.pc == 0 or caller.registers[RSP] <= seen:
                return
            seen = caller.registers[RSP] if caller.how != "signal" else -1
            frame = caller

    def _caller(self, frame: Frame) -> Frame | None:
        """The frame that called this one, whose `cfa` is filled in; None at the outermost."""
        found = self._find_rules(frame.lookup)
        if found is None:
            return self._without_rules(frame)
        try:
            return self._by_rules(frame, *found)
        except Unreadable:
            return None

    def _by_rules(self, frame: Frame, rules: Rules, bias: int) -> Frame | None:
        frame.cfa = self._cfa(frame.registers, rules.row["cfa"])
        rows = ((n, rule) for n, rule in rules.row.items() if isinstance(n, int))
        changed = {n: self._restored(frame, n, rule) for n, rule in rows}
        back = changed.get(rules.returns)
        if back is None:  # the outermost function says so of its return address
            return None
        merged = {**frame.registers, RSP: frame.cfa, **changed, RIP: back}
        known = {number: value for number, value in merged.items() if value is not None}
        return Frame(back, 0, "signal" if rules.signal else "cfi", known)

    def _cfa(self, registers: Registers, rule: Any) -> int:
        if rule.expr is not None:
            return evaluate(bytes(rule.expr), registers, self._read)
        if rule.reg not in registers:
            raise Unreadable
        return registers[rule.reg] + int(rule.offset) & _MASK

    def _restored(self, frame: Frame, number: int, rule: Any) -> int | None:
        """The caller's value of a register; None when the rule says that it is lost."""
        kind, argument = rule.type, rule.arg
        if kind in ("SAME_VALUE", "REGISTER"):
            return frame.registers.get(number if kind == "SAME_VALUE" else argument)
        if kind == "OFFSET":
            return self._word(frame.cfa + argument)
        if kind == "VAL_OFFSET":
            return frame.cfa + int(argument) & _MASK
        if kind in ("EXPRESSION", "VAL_EXPRESSION"):
            value = evaluate(bytes(argument), frame.registers, self._read, frame.cfa)
            return value if kind == "VAL_EXPRESSION" else self._word(value)
        return None

    def _without_rules(self, frame: Frame) -> Frame | None:
        stack, base = frame.registers[RSP], frame.registers.get(RBP, 0)
        if frame.how == "top" and (caller := self._on_top(frame, stack)):
            return caller
        if base < stack or base % 8:
            return None
        try:
            saved, back = self._word(base), self._word(base + 8)
        except Unreadable:
            return None
        if not self._is_code(back):
            return None
        frame.cfa = base + 16
        return Frame(back, 0, "rbp", {RBP: saved, RSP: base + 16, RIP: back})

    def _on_top(self, frame: Frame, stack: int) -> Frame | None:
        """A return address at RSP: a function that has pushed nothing, or a call to nowhere."""
        try:
            back = self._word(stack)
        except Unreadable:
            return None
        if not self._is_code(back) or not self._is_behind_call(back):
            return None
        frame.cfa = stack + 8
        return Frame(back, 0, "stack", {**frame.registers, RSP: stack + 8, RIP: back})

    def _is_behind_call(self, address: int) -> bool:
        """Whether a CALL ends there: E8 with 4 bytes of offset, or FF /2 of 2 to 7 bytes."""
        code = self._read(address - 7, 7)
        if len(code) < 7:
            return False
        calls = (code[i] == 0xFF and code[i + 1] >> 3 & 7 == 2 for i in range(6))
        return code[2] == 0xE8 or any(calls)

    def _word(self, address: int) -> int:
        data = self._read(address & _MASK, 8)
        if len(data) < 8:
            raise Unreadable
        return int.from_bytes(data, "little")

"""Short programs of random instructions, run to their end at full speed.

Single steps never meet what makes an engine fast: flags computed late, compare and branch in one,
blocks that are linked, code that is cached.  A sequence has data registers, which its instructions
use freely, and address registers, which they only read, so that all memory operands stay in place.
"""

from __future__ import annotations

from collections.abc import Sequence

from .cpustate import HIGH_BASE, RMW, Case
from .draft import Draft, q
from .encode import Code, Registers, encode
from .features import host_has, split_locks_are_slow
from .forms import Plan
from .generate import Generator

INT3 = b"\xcc"
ADDRESS = (3, 6, 7, 13, 14)  # RBX RSI RDI R13 R14
REGISTERS = Registers(data=(0, 1, 2, 8, 9, 10, 11), base=ADDRESS)  # RAX RCX RDX R8..R11
RSP, COUNTER = 4, 15
LONGEST = 62
_LOOP = bytes.fromhex("41ffcf0f85")  # dec r15d; jnz
COMPARE = bytes.fromhex("4439c9")  # cmp ecx, r9d
AF = 0x10
# A sequence may use these fix-ups' instructions: they need nothing but a valid stack.
_HARMLESS = {"stack"}
# (map, opcode) that read all flags at once, undefined ones too, or leave the sequence; and DPPS,
# DPPD: which of several NaNs they return is the vendor's choice
_EXCLUDED = {
    *((0, 0x9C), (0, 0x9F), (0, 0xCC), (0, 0xE8), (0, 0xE9), (0, 0xEB), (1, 0x0B)),
    *((3, 0x40), (3, 0x41)),
}


def usable(plan: Plan) -> bool:
    """Whether a form may stand in a sequence."""
    e, operands = plan.form.enc, plan.form.operands
    if plan.skip or plan.x87 or plan.estimate or not set(plan.fixups) <= _HARMLESS:
        return False
    if (e.map, e.opcode) in _EXCLUDED or e.enc != "legacy" or not host_has(plan.form.insn.feature):
        return False
    if plan.form.always_lock and split_locks_are_slow():  # operands lie anywhere
        return False
    return not any(o.kind.where in ("rel", "moffs") or o.kind.bank == "seg" for o in operands)


def _is_jcc(plan: Plan) -> bool:
    e = plan.form.enc
    return (e.map, e.opcode & 0xF0) in ((0, 0x70), (1, 0x80))


class Sequences:
    """Makes sequences of the given forms."""

    def __init__(self, plans: Sequence[Plan], generator: Generator) -> None:
        self.generator, self.rng = generator, generator.rng
        self.plain = [p for p in plans if usable(p)]
        self.jumps = [p for p in plans if _is_jcc(p)]
        # Integer instructions decide more often: they are what the engine treats specially.
        self.integer = [p for p in self.plain if not p.sse] or self.plain

    def case(self, rip: int) -> Case:
        """One sequence at `rip`, with its state."""
        parts, plans = self._parts(rip)
        code = b"".join(parts) + INT3
        state = self._state(code, plans, rip)
        return state._replace(undefined=AF, label="sequence", slack=RMW, run=True)

    def _contents(self) -> bytes:
        """All that the address registers may point to: a part of the pool as it is, for speed."""
        pool = self.generator.pools.i64
        at = self.rng.randrange(len(pool) - 96)
        return b"".join(pool[at : at + 96])

    def _parts(self, rip: int) -> tuple[list[bytes], list[Plan]]:
        rng = self.rng
        looped = rng.randrange(4) == 0
        room = LONGEST - (len(_LOOP) + 4 if looped else 0)
        parts: list[bytes] = []
        plans: list[Plan] = []
        for _ in range(rng.randrange(2, 7)):
            plan = rng.choice(self.integer if rng.randrange(4) else self.plain)
            part = self._instruction(plan, rip).data
            if plan.undefined & ~AF:
                part += COMPARE  # so that nothing sees undefined flags
            if self.jumps and rng.randrange(3) == 0:
                part = self._jump_over(part) + part
            if len(part) > room:
                break
            room -= len(part)
            parts.append(part)
            plans.append(plan)
        if looped:
            back = -(sum(map(len, parts)) + len(_LOOP) + 4)
            parts.append(_LOOP + back.to_bytes(4, "little", signed=True))
        return parts, plans

    def _jump_over(self, part: bytes) -> bytes:
        e = self.rng.choice(self.jumps).form.enc
        opcode = bytes([e.opcode]) if e.map == 0 else bytes([0x0F, e.opcode])
        return opcode + len(part).to_bytes(1 if e.map == 0 else 4, "little")

    def _instruction(self, plan: Plan, rip: int) -> Code:
        size = self.rng.choice(plan.sizes)
        return encode(plan.form, size, self.rng, rip, REGISTERS)

    def _state(self, code: bytes, plans: list[Plan], rip: int) -> Case:
        model = plans[0] if plans else self.plain[0]
        draft = Draft(Code(model.form, 32, code, rip, None), model, self.rng, self.generator.pools)
        for n in ADDRESS:
            draft.gpr[n] = q(HIGH_BASE + 0x800 + 16 * self.rng.getrandbits(5))
        draft.gpr[RSP] = q(HIGH_BASE + 0x1800 + 8 * self.rng.getrandbits(5))
        draft.gpr[COUNTER] = q(self.rng.randrange(1, 8))
        draft.patch(HIGH_BASE + 0x780, self._contents())
        fx = self.generator.fx(next((p for p in plans if p.sse), model))
        return Case(code, b"".join(draft.gpr), rip, draft.flags, fx, memory=tuple(draft.memory))

"""Short programs of calls, returns, indirect branches and loops, run to their end at full speed.

What a translator rewrites: every branch, and memory operands with a segment.  Each piece does its
work around a random instruction or two, which must find its registers, flags and stack untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import pack

from .cpustate import HIGH_BASE, Case, set_regs
from .encode import Code, Registers, encode
from .forms import Plan
from .generate import Generator
from .sequence import AF, COMPARE, LONGEST, Sequences

# RAX and RCX are the pieces' own, RBX and RDI point to the slots of indirect targets.
REGISTERS = Registers(data=(2, 8, 9, 10, 11), base=(6, 13, 14))
SLOT = HIGH_BASE + 0x400
FS_BASE = SLOT - 0x40


def _over(body: bytes) -> bytes:
    return b"\xeb" + pack("<b", len(body)) + body


def _call(body: bytes) -> bytes:
    return b"\xe8\x02\0\0\0" + _over(body + b"\xc3")


def _call_backwards(body: bytes) -> bytes:
    sub = body + b"\xc3"
    return _over(sub) + b"\xe8" + pack("<i", -len(sub) - 5)


def _call_and_drop(body: bytes) -> bytes:
    """An argument on the stack that RET takes off."""
    return b"\x52" + b"\xe8\x02\0\0\0" + _over(body + b"\xc2\x08\0")


def _target(distance: int) -> bytes:
    """lea rax, [rip + distance]"""
    return b"\x48\x8d\x05" + pack("<i", distance)


def _call_register(body: bytes) -> bytes:
    return _target(4) + b"\xff\xd0" + _over(body + b"\xc3")


def _jump_register(body: bytes) -> bytes:
    return _target(2 + len(body)) + b"\xff\xe0" + body + b"\xf9"  # to stc, past the body


def _call_memory(body: bytes) -> bytes:
    """mov [rbx], rax; call [rbx]"""
    return _target(3 + 4) + b"\x48\x89\x03" + b"\xff\x13" + _over(body + b"\xc3")


def _jump_memory_by_rcx(body: bytes) -> bytes:
    """The target's address comes from RCX, which an indirect jump may want for itself."""
    head = b"\x48\x89\x07" + b"\x48\x89\xf9" + b"\xff\x61\0"  # mov [rdi], rax; rcx = rdi; jmp [rcx]
    return _target(len(head) + len(body)) + head + body + b"\xf8"


def _call_segment(body: bytes) -> bytes:
    """mov fs:[0x40], rax; call fs:[0x40]"""
    at = b"\x04\x25" + pack("<i", 0x40)
    store, call = b"\x64\x48\x89" + at, b"\x64\xff\x14\x25" + pack("<i", 0x40)
    return _target(len(store) + len(call) + 2) + store + call + _over(body + b"\xc3")


def _return_to(body: bytes) -> bytes:
    """push rax; ret"""
    return _target(2 + len(body)) + b"\x50\xc3" + body + b"\xf5"


def _loop(body: bytes) -> bytes:
    return b"\xb9\x03\0\0\0" + body + b"\xe2" + pack("<b", -len(body) - 2)


def _rcx_zero(body: bytes) -> bytes:
    """and ecx, 1; jrcxz"""
    return b"\x83\xe1\x01" + b"\xe3" + pack("<b", len(body)) + body


def _segment(body: bytes) -> bytes:
    """mov r8, fs:[0x48]; add fs:[0x44], edx"""
    return body + b"\x64\x4c\x8b\x04\x25\x48\0\0\0" + b"\x64\x01\x14\x25\x44\0\0\0"


PIECES: tuple[Callable[[bytes], bytes], ...] = (
    _call, _call_backwards, _call_and_drop, _call_register, _jump_register, _call_memory,
    _jump_memory_by_rcx, _call_segment, _return_to, _loop, _rcx_zero, _segment,
)  # fmt: skip


def _writes_rcx(plan: Plan) -> bool:
    return (plan.form.enc.map, plan.form.enc.opcode) in ((3, 0x61), (3, 0x63))


class Flows(Sequences):
    """Makes programs around instructions of the given forms."""

    def __init__(self, plans: Sequence[Plan], generator: Generator) -> None:
        super().__init__(plans, generator)
        # PUSH would hide a return address; PCMPESTRI and PCMPISTRI write the loops' counter.
        self.bodies = [p for p in self.plain if not p.fixups and not _writes_rcx(p)]

    def case(self, rip: int) -> Case:
        """One program at `rip`, with its state."""
        case = super().case(rip)
        gpr = set_regs(case.gpr, {"rbx": SLOT, "rdi": SLOT + 8})
        return case._replace(gpr=gpr, fs_base=FS_BASE, label="flow")

    def _parts(self, rip: int) -> tuple[list[bytes], list[Plan]]:
        parts: list[bytes] = []
        plans: list[Plan] = []
        room = LONGEST
        while True:
            plan = self.rng.choice(self.bodies)
            body = self._instruction(plan, rip).data + (COMPARE if plan.undefined & ~AF else b"")
            part = self.rng.choice(PIECES)(body)
            if len(part) > room:
                return parts, plans
            room -= len(part)
            parts.append(part)
            plans.append(plan)

    def _instruction(self, plan: Plan, rip: int) -> Code:
        return encode(plan.form, self.rng.choice(plan.sizes), self.rng, rip, REGISTERS)

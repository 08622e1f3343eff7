"""Masked moves and gathers (SDM volume 2, VMASKMOV, VPMASKMOV, VGATHER*, VPGATHER*).

Lanes whose mask is clear are not accessed, so they cannot fault.
"""

from __future__ import annotations

from blink.isa.bits import Bits, from_lanes
from blink.isa.spec import Form, insn
from blink.isa.state import UD, State

PAGE = 4096


def masked_move(name: str, load: str, store: str, w: int, feature: str) -> None:
    """Define the load and the store of one lane width."""
    step = w // 8

    def load_body(s: State, dst: Bits, mask: Bits, address: Bits) -> Bits:
        lanes = []
        for i, m in enumerate(mask.lanes(w)):
            value = Bits.const(0, w)
            for _ in s.when(m.sign):
                value = s.load(address + i * step, w)
            lanes.append(value)
        return from_lanes(lanes)

    def store_body(s: State, address: Bits, mask: Bits, src: Bits) -> None:
        """Across pages all lanes are checked first: a store that faults stores nothing."""
        signs = [m.sign for m in mask.lanes(w)]
        for _ in s.when((address & (PAGE - 1)).ugt(PAGE - src.w // 8)):
            for i, sign in enumerate(signs):
                for _ in s.when(sign):
                    s.call("check_store", address + i * step, step)
        for i, (sign, value) in enumerate(zip(signs, src.lanes(w), strict=True)):
            for _ in s.when(sign):
                s.store(address + i * step, value)

    for length, reg, vvvv in ((128, "xmm", "vx"), (256, "ymm", "vy")):
        head = f"VEX.{length}.66.0F38"
        insn(name, Form(f"{head}.{load} /r", f"{reg}:w {vvvv} mem"), feature=feature)(load_body)
        insn(name, Form(f"{head}.{store} /r", f"mem {vvvv} {reg}"), feature=feature)(store_body)


masked_move("VMASKMOVPS", "W0 2C", "W0 2E", 32, "AVX")
masked_move("VMASKMOVPD", "W0 2D", "W0 2F", 64, "AVX")
masked_move("VPMASKMOVD", "W0 8C", "W0 8E", 32, "AVX2")
masked_move("VPMASKMOVQ", "W1 8C", "W1 8E", 64, "AVX2")


def gather(name: str, code: str, w: int, index_w: int) -> None:
    """Define a gather of `w`-bit lanes by indices of `index_w` bits.

    Lane by lane, from the lowest: each clears its mask when it is done, so that a fault keeps what
    was done before it.
    """

    def body(count: int, s: State, dst: Bits, address: Bits, mask: Bits) -> None:
        numbers = [s.register_number(where) for where in ("reg", "vsib", "vvvv")]
        a, i, v = numbers
        s.fault_if((a == i) | (a == v) | (i == v), UD)
        s.call(f"gather{w}", address, *numbers, s.vsib_scale, s.vsib_address, index_w, count)

    for length, reg, vvvv in ((128, "xmm", "vx"), (256, "ymm", "vy")):
        count = length // max(w, index_w)
        narrow = length == 256 and w < index_w  # four lanes: the destination is an XMM register
        operands = "xmm vsib vx" if narrow else f"{reg} vsib {vvvv}"

        def sized(s: State, *operands: Bits, count: int = count) -> None:
            body(count, s, *operands)

        form = Form(f"VEX.{length}.66.0F38.{code} /r", operands)
        insn(name, form, feature="AVX2")(sized)


for name, opcode, index_w in (("VPGATHERD", 0x90, 32), ("VPGATHERQ", 0x91, 64)):
    gather(name + "D", f"W0 {opcode:02X}", 32, index_w)
    gather(name + "Q", f"W1 {opcode:02X}", 64, index_w)
for name, opcode, index_w in (("VGATHERDP", 0x92, 32), ("VGATHERQP", 0x93, 64)):
    gather(name + "S", f"W0 {opcode:02X}", 32, index_w)
    gather(name + "D", f"W1 {opcode:02X}", 64, index_w)

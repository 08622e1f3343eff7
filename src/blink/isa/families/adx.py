"""ADX: two independent chains of additions, one through CF, one through OF (SDM volume 2)."""

from __future__ import annotations

from blink.isa.bits import Bits, ite
from blink.isa.spec import Form, insn
from blink.isa.state import State


def add_through(name: str, prefix: str, flag: str) -> None:
    """Define ADCX or ADOX: the carry comes from and goes to `flag`, no other flag changes."""

    def body(s: State, dst: Bits, src: Bits) -> Bits:
        carry = s.flag(flag)
        result = dst + src + carry.zext(dst.w)
        s.set_flag(flag, ite(carry, ~dst.ult(result), result.ult(dst)))
        return result

    insn(name, Form(f"{prefix} 0F 38 F6 /r", "ry:rw rmy"), feature="ADX")(body)


add_through("ADCX", "66", "CF")
add_through("ADOX", "F3", "OF")

"""Control flow: jumps, calls, returns, conditions (SDM volume 1, 7.3.8)."""

from __future__ import annotations

from blink.isa.bits import Bits
from blink.isa.flags import STATUS_MASK
from blink.isa.spec import ADDRESS_MODES, Form, insn, insn_cc
from blink.isa.state import R11, RCX, RSP, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


@insn_cc(
    "J", lambda cc: [Form(f"{0x70 + cc:02X} cb", "rel8"), Form(f"0F {0x80 + cc:02X} cd", "relz")]
)
def jcc(s: State, target: Bits) -> None:
    s.branch(s.cond(), target)


@insn(
    "JMP",
    Form("EB cb", "rel8"),
    Form("E9 cd", "relz"),
    Form("FF /4", "rm64", size=64, modes=(64,)),
    Form("FF /4", "rmv", modes=(16, 32)),
)
def jmp(s: State, target: Bits) -> None:
    s.jump(target)


@insn("CALL", Form("E8 cd", "relz", f64=True), Form("FF /2", "rmv", f64=True), sized=True)
def call(s: State, target: Bits) -> None:
    n = s.size // 8
    if s.mode != 64:  # an unfit stack comes before an unfit target
        s.call("check_store", s.stack(s.gpr(RSP) - n, n, True), n)
    s.check_target(target)
    s.push(s.next_ip.zext(s.size))
    s.jump(target)


@insn("RET", Form("C3", f64=True), sized=True)
def ret(s: State) -> None:
    s.jump(s.pop(s.size))


@insn("RET", Form("C2 iw", "imm16", f64=True), sized=True)
def ret_imm(s: State, count: Bits) -> None:
    target = s.pop(s.size)
    s.set_sp(s.gpr(RSP) + count.zext(64))
    s.jump(target)


def _counted(name: str, opcode: int, taken: Callable[[State, Bits], Bits]) -> None:
    """Define LOOP or a kin of it: CX, ECX or RCX by the address size counts down."""

    def define(a: int) -> None:
        def body(s: State, target: Bits) -> None:
            left = s.gpr(RCX, a) - 1
            s.set_gpr(RCX, left)
            s.branch(taken(s, left != 0), target)

        form = Form(f"{opcode:02X} cb", "rel8", asize=a, modes=ADDRESS_MODES[a])
        insn(name, form)(body)

    for a in ADDRESS_MODES:
        define(a)


_counted("LOOP", 0xE2, lambda s, more: more)
_counted("LOOPE", 0xE1, lambda s, more: more & s.flag("ZF"))
_counted("LOOPNE", 0xE0, lambda s, more: more & ~s.flag("ZF"))


@insn("JRCXZ", Form("E3 cb", "rel8", asize=64, modes=(64,)))
def jrcxz(s: State, target: Bits) -> None:
    s.branch(s.gpr(RCX) == 0, target)


@insn("JECXZ", Form("E3 cb", "rel8", asize=32))
def jecxz(s: State, target: Bits) -> None:
    s.branch(s.gpr(RCX, 32) == 0, target)


@insn("JCXZ", Form("E3 cb", "rel8", asize=16, modes=(16, 32)))
def jcxz(s: State, target: Bits) -> None:
    s.branch(s.gpr(RCX, 16) == 0, target)


@insn("SYSCALL", Form("0F 05", modes=(64,)))
def syscall(s: State) -> None:
    """RCX and R11 get the return address and RFLAGS; the kernel does the rest."""
    rest = s.special("eflags", 32) & ~STATUS_MASK & 0xFFFFFFFF
    s.set_gpr(RCX, s.next_ip)
    s.set_gpr(R11, (rest | s.flags.word()).zext(64))
    s.stop("SYSCALL")


@insn("INT3", Form("CC"))
def int3(s: State) -> None:
    s.call("software_interrupt", 3)
    s.far()


@insn("INT1", Form("F1"))
def int1(s: State) -> None:
    """#DB as a trap, with no reason in DR6."""
    s.stop("INT:1")


@insn("INT", Form("CD ib", "imm8"))
def int_(s: State, vector: Bits) -> None:
    """In real mode through the vector table; else run() returns, where Linux has an open gate."""
    s.call("require_vm_io")
    s.call("software_interrupt", vector)
    s.far()


@insn("INTO", Form("CE", modes=(16, 32)))
def into(s: State) -> None:
    s.call("overflow_interrupt", s.flag("OF").zext(8))
    s.far()


@insn("NOP", Form("90", no_rex_b=True), Form("0F 1F /0", "mem"), Form("0F 1F /0", "Rv"))
def nop(s: State, *operand: Bits) -> None:
    """The operand of the long form is never accessed."""


@insn("PAUSE", Form("F3 90", no_rex_b=True))
def pause(s: State) -> None:
    """A hint."""

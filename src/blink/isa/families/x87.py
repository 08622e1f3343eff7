"""The x87 FPU (SDM volume 1, chapter 8): encodings here, arithmetic in engine/x87.h.

FIP, FDP and FOP are those of the last instruction that is not a control instruction, as on AMD's
processors: FNSTENV and FNSAVE store them always, FXSAVE and XSAVE while an unmasked exception is
pending.  Intel's store FOP only then, the pointers always, and zeros for FCS and FDS.
"""

from __future__ import annotations

from blink.isa.bits import Bits
from blink.isa.flags import STATUS_MASK
from blink.isa.spec import Form, insn
from blink.isa.state import State

CONTROL = "FLDCW FNCLEX FNINIT FWAIT".split()


def define(name: str, encoding: str, operand: str = "", function: str = "") -> None:
    """Define an instruction that is one call with its operand, if any, as the argument."""
    target = f"x87_{function or name.lower()}"
    memory = operand[:1] == "m"

    def body(s: State, *operands: Bits) -> None:
        s.call(target, *operands)
        if name not in CONTROL:
            s.note_x87(memory)

    before = "x87_wait" if memory else ""  # #MF comes before the load's page fault
    insn(name, Form(encoding, operand), feature="FPU", before=before)(body)


# -- loads and constants --

for name, encoding, operand, function in (
    ("FLD", "D9 /0", "m32", "fld_m32"),
    ("FLD", "DD /0", "m64", "fld_m64"),
    ("FLD", "D9 C0+i", "sti", "fld_sti"),
    ("FILD", "DF /0", "m16", "fild_m16"),
    ("FILD", "DB /0", "m32", "fild_m32"),
    ("FILD", "DF /5", "m64", "fild_m64"),
):
    define(name, encoding, operand, function)


def load80(name: str, encoding: str, function: str) -> None:
    """Define a load of 10 bytes: the low 64 bits and the high 16."""

    def body(s: State, address: Bits) -> None:
        s.call(function, s.load(address, 64), s.load(s.beside(address, 8), 16))
        s.note_x87(memory=True)

    insn(name, Form(encoding, "a80"), feature="FPU", before="x87_wait")(body)


load80("FLD", "DB /5", "x87_fld_m80")
load80("FBLD", "DF /4", "x87_fbld")

# -- stores: the value is converted, then stored, and popped only after the store --


def store(name: str, encoding: str, w: int, function: str, pop: bool, feature: str = "FPU") -> None:
    """Define a store of `w` bits.

    A page fault comes before the conversion raises flags.  With an unmasked exception memory and
    stack stay as they are.
    """

    def body(s: State, address: Bits) -> None:
        s.call("check_store", address, w // 8)
        value = s.call(function, w=w)
        if s.call("x87_ok", w=8) != 0:
            s.store(address, value)
            if pop:
                s.call("x87_pop")
        s.note_x87(memory=True)

    insn(name, Form(encoding, f"a{w}:w"), feature=feature, before="x87_wait")(body)


for name, encoding, w, function, pops in (
    ("FST", "D9 /2", 32, "fst_m32", False),
    ("FSTP", "D9 /3", 32, "fst_m32", True),
    ("FST", "DD /2", 64, "fst_m64", False),
    ("FSTP", "DD /3", 64, "fst_m64", True),
    ("FIST", "DF /2", 16, "fist_m16", False),
    ("FIST", "DB /2", 32, "fist_m32", False),
    ("FISTP", "DF /3", 16, "fist_m16", True),
    ("FISTP", "DB /3", 32, "fist_m32", True),
    ("FISTP", "DF /7", 64, "fist_m64", True),
):
    store(name, encoding, w, f"x87_{function}", pops)
store("FISTTP", "DF /1", 16, "x87_fisttp_m16", True, "SSE3")
store("FISTTP", "DB /1", 32, "x87_fisttp_m32", True, "SSE3")
store("FISTTP", "DD /1", 64, "x87_fisttp_m64", True, "SSE3")


def store80(name: str, encoding: str, function: str) -> None:
    """Define a store of 10 bytes."""

    def body(s: State, address: Bits) -> None:
        s.call("check_store", address, 10)
        low = s.call(function, w=64)
        high = s.call(f"{function}_hi", w=16)
        if s.call("x87_ok", w=8) != 0:
            s.call("store80", address, low, high)
            s.call("x87_pop")
        s.note_x87(memory=True)

    insn(name, Form(encoding, "a80:w"), feature="FPU", before="x87_wait")(body)


store80("FSTP", "DB /7", "x87_fst_m80")
store80("FBSTP", "DF /6", "x87_fbstp")
define("FST", "DD D0+i", "sti", "fst_sti")
for encoding in ("DD D8+i", "DF D0+i", "DF D8+i"):
    define("FSTP", encoding, "sti", "fstp_sti")
define("FSTPNCE", "D9 D8+i", "sti", "fstpnce_sti")

# -- arithmetic --

for digit, op in enumerate(("add", "mul", "", "", "sub", "subr", "div", "divr")):
    if not op:
        continue
    upper = op.upper()
    register = f"{0xC0 + 8 * digit:02X}+i"
    # With ST(i) as destination, 4 and 5, 6 and 7 change places (SDM volume 2, appendix A).
    reverse = {"sub": "subr", "subr": "sub", "div": "divr", "divr": "div"}.get(op, op)
    define(f"F{upper}", f"D8 /{digit}", "m32", f"f{op}_m32")
    define(f"F{upper}", f"DC /{digit}", "m64", f"f{op}_m64")
    define(f"FI{upper}", f"DE /{digit}", "m16", f"fi{op}_m16")
    define(f"FI{upper}", f"DA /{digit}", "m32", f"fi{op}_m32")
    define(f"F{upper}", f"D8 {register}", "sti", f"f{op}_st0_sti")
    define(f"F{reverse.upper()}", f"DC {register}", "sti", f"f{reverse}_sti_st0")
    define(f"F{reverse.upper()}P", f"DE {register}", "sti", f"f{reverse}p_sti_st0")

for name, byte in (
    ("FCHS", 0xE0), ("FABS", 0xE1), ("FTST", 0xE4), ("FXAM", 0xE5), ("FLD1", 0xE8),
    ("FLDL2T", 0xE9), ("FLDL2E", 0xEA), ("FLDPI", 0xEB), ("FLDLG2", 0xEC), ("FLDLN2", 0xED),
    ("FLDZ", 0xEE), ("F2XM1", 0xF0), ("FYL2X", 0xF1), ("FPTAN", 0xF2), ("FPATAN", 0xF3),
    ("FXTRACT", 0xF4), ("FPREM1", 0xF5), ("FDECSTP", 0xF6), ("FINCSTP", 0xF7), ("FPREM", 0xF8),
    ("FYL2XP1", 0xF9), ("FSQRT", 0xFA), ("FSINCOS", 0xFB), ("FRNDINT", 0xFC), ("FSCALE", 0xFD),
    ("FSIN", 0xFE), ("FCOS", 0xFF), ("FNOP", 0xD0),
):  # fmt: skip
    define(name, f"D9 {byte:02X}")

# -- comparison --

for name, encoding, operand, function in (
    ("FCOM", "D8 /2", "m32", "fcom_m32"),
    ("FCOMP", "D8 /3", "m32", "fcomp_m32"),
    ("FCOM", "DC /2", "m64", "fcom_m64"),
    ("FCOMP", "DC /3", "m64", "fcomp_m64"),
    ("FICOM", "DE /2", "m16", "ficom_m16"),
    ("FICOMP", "DE /3", "m16", "ficomp_m16"),
    ("FICOM", "DA /2", "m32", "ficom_m32"),
    ("FICOMP", "DA /3", "m32", "ficomp_m32"),
    ("FCOM", "D8 D0+i", "sti", "fcom_sti"),
    ("FCOM", "DC D0+i", "sti", "fcom_sti"),
    ("FCOMP", "D8 D8+i", "sti", "fcomp_sti"),
    ("FCOMP", "DC D8+i", "sti", "fcomp_sti"),
    ("FCOMP", "DE D0+i", "sti", "fcomp_sti"),
    ("FUCOM", "DD E0+i", "sti", "fucom_sti"),
    ("FUCOMP", "DD E8+i", "sti", "fucomp_sti"),
    ("FCOMPP", "DE D9", "", "fcompp"),
    ("FUCOMPP", "DA E9", "", "fucompp"),
    ("FXCH", "D9 C8+i", "sti", "fxch"),
    ("FXCH", "DD C8+i", "sti", "fxch"),
    ("FXCH", "DF C8+i", "sti", "fxch"),
    ("FFREE", "DD C0+i", "sti", "ffree"),
    ("FFREEP", "DF C0+i", "sti", "ffreep"),
):
    define(name, encoding, operand, function)


def compare_flags(name: str, encoding: str, function: str) -> None:
    """Define FCOMI and its kin: ZF, PF, CF in EFLAGS, the rest cleared."""

    def body(s: State, i: Bits) -> None:
        s.set_status(s.call(function, i, w=32), STATUS_MASK)
        s.note_x87()

    insn(name, Form(encoding, "sti"), feature="FPU")(body)


compare_flags("FUCOMI", "DB E8+i", "x87_fucomi_sti")
compare_flags("FCOMI", "DB F0+i", "x87_fcomi_sti")
compare_flags("FUCOMIP", "DF E8+i", "x87_fucomip_sti")
compare_flags("FCOMIP", "DF F0+i", "x87_fcomip_sti")


def conditional_move(name: str, encoding: str, cc: int) -> None:
    """Define FCMOVcc on condition `cc`."""

    def body(s: State, i: Bits) -> None:
        s.call("x87_fcmov", i, s.cond(cc).zext(32))
        s.note_x87()

    insn(name, Form(encoding, "sti"), feature="CMOV")(body)


for n, (suffix, cc) in enumerate((("B", 2), ("E", 4), ("BE", 6), ("U", 10))):
    conditional_move(f"FCMOV{suffix}", f"DA {0xC0 + 8 * n:02X}+i", cc)
    conditional_move(f"FCMOVN{suffix}", f"DB {0xC0 + 8 * n:02X}+i", cc + 1)

# -- control --

define("FLDCW", "D9 /5", "m16", "fldcw")
define("FNCLEX", "DB E2")
define("FNINIT", "DB E3")
define("FWAIT", "9B", "", "wait")


@insn("FNENI", Form("DB E0"), Form("DB E1"), Form("DB E4"), feature="FPU")
def ignored(s: State) -> None:
    """FNENI and FNDISI of the 8087, FNSETPM of the 80287: nothing since."""


@insn("FNSTCW", Form("D9 /7", "m16:w"), feature="FPU")
def fnstcw(s: State, dst: Bits) -> Bits:
    return s.call("x87_fnstcw", w=16)


@insn("FNSTSW", Form("DD /7", "m16:w"), Form("DF E0", "ax:w"), feature="FPU")
def fnstsw(s: State, dst: Bits) -> Bits:
    return s.call("x87_fnstsw", w=16)


def image(name: str, encoding: str, operand: str) -> None:
    """Define an instruction on a memory image, whose layout depends on the operand size."""

    def body(s: State, address: Bits) -> None:
        s.call(f"{name.lower()}_image", address, 16 if s.size == 16 else 32)

    before = "" if name.startswith("FN") else "x87_wait"
    insn(name, Form(encoding, operand), feature="FPU", sized=True, before=before)(body)


image("FLDENV", "D9 /4", "menv")
image("FNSTENV", "D9 /6", "menv:w")
image("FRSTOR", "DD /4", "msave")
image("FNSAVE", "DD /6", "msave:w")

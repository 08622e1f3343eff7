"""The x87 instructions under test, with their encodings (SDM volume 2, appendix B.17)."""

from __future__ import annotations

from .x87batch import EFLAGS_RESULT, STORE, STORE_POP, WORD_RESULT, Op

_ARITHMETIC = {"add": 0, "mul": 1, "sub": 4, "subr": 5, "div": 6, "divr": 7}


def _arithmetic() -> list[Op]:
    ops = []
    for name, n in _ARITHMETIC.items():
        # ST(i) = ST(i) - ST(0) is E8+i, but the /n of its memory form is 4: the pairs cross over.
        crossed = 0xC0 | (n ^ 1 if n >= 4 else n) << 3
        ops += [
            Op(f"f{name}_st0_sti", f"D8 {0xC0 | n << 3:X}+i"),
            Op(f"f{name}_sti_st0", f"DC {crossed:X}+i"),
            Op(f"f{name}p_sti_st0", f"DE {crossed:X}+i"),
            Op(f"f{name}_m32", f"D8 /{n}", 4, operand="f32"),
            Op(f"f{name}_m64", f"DC /{n}", 8, operand="f64"),
            Op(f"fi{name}_m16", f"DE /{n}", 2, operand="s16"),
            Op(f"fi{name}_m32", f"DA /{n}", 4, operand="s32"),
        ]
    return ops


OPS: list[Op] = [
    *_arithmetic(),
    Op("fld_m32", "D9 /0", 4, operand="f32"),
    Op("fld_m64", "DD /0", 8, operand="f64"),
    Op("fld_m80", "DB /5", 10, operand="f80"),
    Op("fld_sti", "D9 C0+i"),
    Op("fild_m16", "DF /0", 2, operand="s16"),
    Op("fild_m32", "DB /0", 4, operand="s32"),
    Op("fild_m64", "DF /5", 8, operand="s64"),
    Op("fbld", "DF /4", 10, operand="bcd"),
    *(
        Op(name, f"D9 {0xE8 + i:X}")
        for i, name in enumerate("fld1 fldl2t fldl2e fldpi fldlg2 fldln2 fldz".split())
    ),
    Op("fst_m32", "D9 /2", 4, STORE),
    Op("fst_m32", "D9 /3", 4, STORE_POP),
    Op("fst_m64", "DD /2", 8, STORE),
    Op("fst_m64", "DD /3", 8, STORE_POP),
    Op("fst_m80", "DB /7", 10, STORE_POP),
    Op("fist_m16", "DF /2", 2, STORE),
    Op("fist_m16", "DF /3", 2, STORE_POP),
    Op("fist_m32", "DB /2", 4, STORE),
    Op("fist_m32", "DB /3", 4, STORE_POP),
    Op("fist_m64", "DF /7", 8, STORE_POP),
    Op("fisttp_m16", "DF /1", 2, STORE_POP),
    Op("fisttp_m32", "DB /1", 4, STORE_POP),
    Op("fisttp_m64", "DD /1", 8, STORE_POP),
    Op("fbstp", "DF /6", 10, STORE_POP),
    Op("fst_sti", "DD D0+i"),
    Op("fstp_sti", "DD D8+i"),
    Op("fchs", "D9 E0"),
    Op("fabs", "D9 E1"),
    Op("fsqrt", "D9 FA"),
    Op("frndint", "D9 FC"),
    Op("fscale", "D9 FD"),
    Op("fxtract", "D9 F4"),
    Op("fprem", "D9 F8"),
    Op("fprem1", "D9 F5"),
    Op("fcom_sti", "D8 D0+i"),
    Op("fcomp_sti", "D8 D8+i"),
    Op("fcompp", "DE D9"),
    Op("fucom_sti", "DD E0+i"),
    Op("fucomp_sti", "DD E8+i"),
    Op("fucompp", "DA E9"),
    Op("fcom_m32", "D8 /2", 4, operand="f32"),
    Op("fcom_m64", "DC /2", 8, operand="f64"),
    Op("fcomp_m32", "D8 /3", 4, operand="f32"),
    Op("fcomp_m64", "DC /3", 8, operand="f64"),
    Op("ficom_m16", "DE /2", 2, operand="s16"),
    Op("ficom_m32", "DA /2", 4, operand="s32"),
    Op("ficomp_m16", "DE /3", 2, operand="s16"),
    Op("ficomp_m32", "DA /3", 4, operand="s32"),
    Op("fcomi_sti", "DB F0+i", kind=EFLAGS_RESULT),
    Op("fcomip_sti", "DF F0+i", kind=EFLAGS_RESULT),
    Op("fucomi_sti", "DB E8+i", kind=EFLAGS_RESULT),
    Op("fucomip_sti", "DF E8+i", kind=EFLAGS_RESULT),
    Op("ftst", "D9 E4"),
    Op("fxam", "D9 E5"),
    Op("fxch", "D9 C8+i"),
    Op("ffree", "DD C0+i"),
    Op("ffreep", "DF C0+i"),
    Op("fincstp", "D9 F7"),
    Op("fdecstp", "D9 F6"),
    Op("fninit", "DB E3"),
    Op("fnclex", "DB E2"),
    Op("fldcw", "D9 /5", 2, operand="s16"),
    Op("fnstcw", "D9 /7", 2, WORD_RESULT),
    Op("fnstsw", "DD /7", 2, WORD_RESULT),
    Op("fnop", "D9 D0"),
    Op("wait", "9B"),
]
NO_WAIT = {"fninit", "fnclex", "fnstcw", "fnstsw"}

# FCMOVB and FCMOVNB: the condition is CF, and the second argument of the function.
CMOV_B, CMOV_NB = Op("fcmov", "DA C0+i"), Op("fcmov", "DB C0+i")

FUNCTIONS: list[Op] = [
    Op("f2xm1", "D9 F0"),
    Op("fyl2x", "D9 F1"),
    Op("fptan", "D9 F2"),
    Op("fpatan", "D9 F3"),
    Op("fyl2xp1", "D9 F9"),
    Op("fsincos", "D9 FB"),
    Op("fsin", "D9 FE"),
    Op("fcos", "D9 FF"),
]

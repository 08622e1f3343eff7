"""A tiny definition in, the exact handler out."""

from __future__ import annotations

from textwrap import dedent

import pytest

from blink.isa.bits import Bits, from_lanes, ite, vmap
from blink.isa.state import State

from .toy import handler


def lines(text: str) -> list[str]:
    return dedent(text).strip().splitlines()


def add(s: State, dst: Bits, src: Bits) -> Bits:
    result = dst + src
    s.flags_add(dst, src)
    return result


def test_registers_and_lazy_flags() -> None:
    assert handler(add, "rmv:rw rv", size=32) == lines("""
        const u32 t1 = REG32(r->a);
        const u32 t2 = REG32(r->b);
        const u32 t3 = (u32)(t1 + t2);
        const u64 t4 = t3;
        REG64(r->a) = t4;
        c->cc_a = (u64)(s64)(s32)t1;
        c->cc_b = (u64)(s64)(s32)t2;
        c->cc_op = CC_ADD32;
        NEXT(r);
    """)


def test_narrow_results_keep_the_rest_of_the_register() -> None:
    text = handler(add, "rmv:rw rv", size=16)
    assert "REG16(r->a) = t3;" in text and "c->cc_op = CC_ADD16;" in text


def test_64_bits_need_no_extension() -> None:
    text = handler(add, "rmv:rw rv", size=64)
    assert "c->cc_a = t1;" in text and "REG64(r->a) = t3;" in text


def test_immediates() -> None:
    assert handler(add, "rm8:rw imm8", size=8)[:2] == lines("""
        const u8 t1 = (u8)r->imm;
        const u8 t2 = REG8(r->b);
    """)


def test_an_implied_accumulator_is_the_record_s_register() -> None:
    assert handler(add, "av:rw immz")[:2] == lines("""
        const u32 t1 = (u32)r->imm;
        const u32 t2 = REG32(r->b);
    """)


def test_a_memory_destination_is_one_access() -> None:
    assert handler(add, "rmv:rw rv", mem=True) == lines("""
        c->cur = r;
        const u64 t1 = EA(r);
        const u32 t2 = REG32(r->a);
        void *const p = mem_wr(c, t1, 4);
        const u32 t3 = RD32(p);
        const u32 t4 = (u32)(t3 + t2);
        WR32(p, t4);
        c->cc_a = (u64)(s64)(s32)t3;
        c->cc_b = (u64)(s64)(s32)t2;
        c->cc_op = CC_ADD32;
        NEXT(r);
    """)


def test_lock_repeats_until_nobody_came_between() -> None:
    text = handler(add, "rmv:rw rv", mem=True, lock=True)
    assert text[4:8] == lines("""
        retry:;
        const u32 t3 = RD32(p);
        const u32 t4 = (u32)(t3 + t2);
        if (unlikely(!CAS32(p, t3, t4))) goto retry;
    """)


def move(s: State, dst: Bits, src: Bits) -> Bits:
    return src


def test_a_load_comes_before_the_commit() -> None:
    assert handler(move, "rv:w mv", size=64, mem=True) == lines("""
        c->cur = r;
        const u64 t1 = EA(r);
        const u64 t2 = LOAD64(c, t1);
        REG64(r->a) = t2;
        NEXT(r);
    """)


def test_a_store() -> None:
    assert handler(move, "mv:w rv", size=16, mem=True) == lines("""
        c->cur = r;
        const u64 t1 = EA(r);
        const u16 t2 = REG16(r->a);
        STORE16(c, t1, t2);
        NEXT(r);
    """)


def test_an_aligned_vector_operand_faults() -> None:
    assert handler(move, "xmm:w xm128", mem=True) == lines("""
        c->cur = r;
        const u64 t1 = EA(r);
        const u64 t2 = (u64)(t1 & 0xfull);
        const u8 t3 = t2 == 0x0ull;
        const u8 t4 = (u8)(t3 ^ 1u);
        if (unlikely(t4)) FAULT(c, 13, 0);
        const V128 t5 = LOAD128(c, t1);
        XMM(r->a) = t5;
        NEXT(r);
    """)


def test_an_unused_memory_operand_is_still_loaded() -> None:
    def touch(s: State, operand: Bits) -> None:
        pass

    assert handler(touch, "m8", mem=True) == lines("""
        c->cur = r;
        const u64 t1 = EA(r);
        const u8 t2 = LOAD8(c, t1);
        NEXT(r);
    """)


def test_a_hint_touches_nothing() -> None:
    def hint(s: State, address: Bits) -> None:
        pass

    assert handler(hint, "mem", mem=True) == ["NEXT(r);"]


def test_the_first_of_two_results_in_one_register_stays() -> None:
    def swap(s: State, dst: Bits, src: Bits) -> tuple[Bits, Bits]:
        return src, dst

    assert handler(swap, "rmv:rw rv:rw", size=64)[-3:] == lines("""
        REG64(r->b) = t1;
        REG64(r->a) = t2;
        NEXT(r);
    """)


def test_overwritten_and_unused_values_are_not_printed() -> None:
    def wasteful(s: State, a: Bits, b: Bits) -> None:
        a * b
        s.set_gpr(0, a + b)
        s.set_gpr(0, a - b)

    assert handler(wasteful, "rv rmv", size=64) == lines("""
        const u64 t1 = REG64(r->a);
        const u64 t2 = REG64(r->b);
        const u64 t3 = (u64)(t1 - t2);
        GPR64(0) = t3;
        NEXT(r);
    """)


def test_equal_values_are_computed_once() -> None:
    def twice(s: State, a: Bits, b: Bits) -> Bits:
        s.flags_result(a + b, cf=(a + b).ult(a), of=0)
        return a + b

    text = handler(twice, "rv:rw rmv", size=64)
    assert text == lines("""
        const u64 t1 = REG64(r->a);
        const u64 t2 = REG64(r->b);
        const u64 t3 = (u64)(t1 + t2);
        const u8 t4 = t3 < t1;
        REG64(r->a) = t3;
        c->cc_a = t3;
        c->cc_b = (u64)t4 | (u64)0u << 11 | (u64)0u << 4;
        c->cc_op = CC_RES64;
        NEXT(r);
    """)


def test_a_body_sees_its_own_writes() -> None:
    def increment(s: State) -> None:
        s.set_gpr(1, s.gpr(1) + 1)
        s.set_gpr(1, s.gpr(1) + s.gpr(1, 8).zext(64))
        s.set_xmm(2, s.xmm(2) ^ s.xmm(3))
        s.set_xmm(2, s.xmm(2) & s.xmm(3))

    assert handler(increment) == lines("""
        const u64 t1 = GPR64(1);
        const V128 t2 = XMM(2);
        const V128 t3 = XMM(3);
        const u64 t4 = (u64)(t1 + 0x1ull);
        const u8 t5 = (u8)t4;
        const u64 t6 = t5;
        const u64 t7 = (u64)(t4 + t6);
        const V128 t8 = v_xor(t2, t3);
        const V128 t9 = v_and(t8, t3);
        GPR64(1) = t7;
        XMM(2) = t9;
        NEXT(r);
    """)


def test_a_register_written_in_part_cannot_be_read_whole() -> None:
    def partial(s: State) -> None:
        s.set_gpr(0, s.gpr(1, 8))
        s.set_gpr(2, s.gpr(0))

    with pytest.raises(SyntaxError, match="of which 8 were just written"):
        handler(partial)


def test_single_flags() -> None:
    def carry(s: State) -> None:
        s.set_flag("CF", 1)
        s.set_flag("DF", 0)

    assert handler(carry) == lines("""
        const u32 t1 = c->eflags;
        const u32 t2 = flags_status(c);
        const u32 t3 = (u32)(t1 & 0xfffffbffu);
        const u32 t4 = (u32)(t2 & 0xfffffffeu);
        const u32 t5 = (u32)(t4 | 1u);
        c->eflags = t3;
        c->eflags = (c->eflags & ~FLAGS_STATUS) | t5;
        c->cc_op = CC_FLAGS;
        NEXT(r);
    """)


# --- Leaving -----------------------------------------------------------------------------------


def test_a_direct_jump_is_a_link() -> None:
    def jump(s: State, target: Bits) -> None:
        s.jump(target)

    assert handler(jump, "relz") == ["BRANCH(r, r->link);"]
    assert handler(jump, "rm64", size=64) == ["const u64 t1 = REG64(r->b);", "INDIRECT(r, t1);"]


def test_a_conditional_branch_has_two_links() -> None:
    def branch(s: State, target: Bits) -> None:
        s.branch(s.cond(4), target)

    assert handler(branch, "rel8") == lines("""
        const u8 t1 = cond_4(c);
        if (t1) BRANCH(r, r->link);
        BRANCH(r, r->link2);
    """)


def test_a_conditional_branch_goes_to_a_relative_target_only() -> None:
    def branch(s: State, target: Bits) -> None:
        s.branch(s.cond(4), target)

    with pytest.raises(SyntaxError, match="relative target"):
        handler(branch, "rm64", size=64)


def test_stops_name_their_reason() -> None:
    def system_call(s: State) -> None:
        s.stop("SYSCALL")

    def interrupt(s: State) -> None:
        s.stop("INT:3")

    assert handler(system_call) == ["STOP(c, r, STOP_SYSCALL, 0);"]
    assert handler(interrupt) == ["STOP(c, r, STOP_INT, 3);"]


def test_a_repeated_string_body_knows_its_memory_mode() -> None:
    def repeat(s: State) -> None:
        s.again(s.call("rep_movs8", s.string_base, w=8) != 0)

    assert handler(repeat) == lines("""
        c->cur = r;
        const u64 t1 = REG64(r->base);
        const u8 t2 = BODY(rep_movs8)(c, t1);
        const u8 t3 = t2 == 0u;
        const u8 t4 = (u8)(t3 ^ 1u);
        if (t4) AGAIN(r, r->link);
        BRANCH(r, r->link2);
    """)


def test_push_stores_before_it_moves_the_stack() -> None:
    def push(s: State, value: Bits) -> None:
        s.push(value)

    assert handler(push, "r64", size=64)[-3:] == lines("""
        STORE64(c, t3, t2);
        GPR64(4) = t3;
        NEXT(r);
    """)


# --- Expressions -------------------------------------------------------------------------------


def test_every_operator() -> None:
    def everything(s: State, a: Bits, b: Bits) -> Bits:
        high = ite(a.slt(b), a.umulh(b) ^ a.smulh(b), a.udiv(b) | a.urem(b))
        low = a.sdiv(b) - a.srem(b) * a.popcnt() + ~a.clz()
        counts = (a << b.zext(8)) + (a >> 3) + a.sar(b.zext(8))
        return (high & low) + counts + a.ctz() + a.bswap() + a.bit(0).sext(64)

    expressions = [line.partition(" = ")[2] for line in handler(everything, "rv:rw rmv", size=64)]
    assert {text[:-1] for text in expressions if text} >= {
        "(s64)t1 < (s64)t2", "UMULH(64, t1, t2)", "SMULH(64, t1, t2)", "(u64)(t1 / t2)",
        "(u64)(t1 % t2)", "(u64)((s64)t1 / (s64)t2)", "(u64)((s64)t1 % (s64)t2)",
        "(u64)POPCNT(64, t1)", "(u64)CLZ(64, t1)", "(u64)CTZ(64, t1)", "(u64)BSWAP(64, t1)",
        "(u8)t2", "SHR(64, t1, 3u)", "(u8)(t1 & 1)",
    }  # fmt: skip
    text = "\n".join(expressions)
    for pattern in ("SHL(64, t1, t", "SAR(64, t1, t", "(u64)~t", " ? t", "(u64)-(s64)t"):
        assert pattern in text


def test_one_bit_arithmetic_is_refused() -> None:
    def carry(s: State, a: Bits) -> Bits:
        return (a.bit(0) + a.bit(1)).zext(64)

    with pytest.raises(NotImplementedError, match="one bit"):
        handler(carry, "r64:rw", size=64)


def test_lanes() -> None:
    def mix(s: State, a: Bits, b: Bits) -> Bits:
        return from_lanes([a.lane(32, 1), b.lane(32, 0), a.lane(32, 3), b.lane(32, a.lane(8, 0))])

    assert handler(mix, "xmm:rw xm128")[2:] == lines("""
        const u32 t3 = t1.d[1];
        const u32 t4 = t2.d[0];
        const u32 t5 = t1.d[3];
        const u8 t6 = t1.b[0];
        const u32 t7 = t2.d[t6 & 3];
        const V128 t8 = (V128){.d = {t3, t4, t5, t7}};
        XMM(r->a) = t8;
        NEXT(r);
    """)


def test_vmap_is_a_loop() -> None:
    def multiply(s: State, a: Bits, b: Bits) -> Bits:
        return vmap(32, lambda x, y: x * y + 3, a, b)

    assert handler(multiply, "xmm:rw xm128")[2:] == lines("""
        V128 t3;
        for (int i = 0; i < 4; i++) {
        const u32 t1004 = t1.d[i];
        const u32 t1005 = t2.d[i];
        const u32 t1006 = (u32)(t1004 * t1005);
        const u32 t1007 = (u32)(t1006 + 3u);
        t3.d[i] = t1007;
        }
        XMM(r->a) = t3;
        NEXT(r);
    """)


def test_what_no_lane_changes_stands_before_the_loop() -> None:
    def shift(s: State, a: Bits, count: Bits) -> Bits:
        return vmap(16, lambda x: x >> count.zext(8), a)

    text = handler(shift, "xmm:rw r64", size=64)
    assert text.index("const u8 t3 = (u8)t1;") < text.index("for (int i = 0; i < 8; i++) {")


def test_a_floating_point_primitive_becomes_its_packed_twin() -> None:
    def addpd(s: State, a: Bits, b: Bits) -> Bits:
        return vmap(64, lambda x, y: s.fp("f64_add", 64, x, y), a, b)

    assert handler(addpd, "xmm:rw xm128") == lines("""
        c->cur = r;
        const V128 t1 = XMM(r->a);
        const V128 t2 = XMM(r->b);
        const V128 t3 = v_f64_add(t1, t2);
        XMM(r->a) = t3;
        NEXT(r);
    """)


def test_mmx_registers_fill_the_rest_of_the_x87_register() -> None:
    assert handler(add_mmx, "mm:rw mm64")[-3:] == lines("""
        MMX(r->a) = t3;
        MMX_TOP(r->a) = 0xffff;
        NEXT(r);
    """)


def add_mmx(s: State, dst: Bits, src: Bits) -> Bits:
    return dst + src


# --- Mistakes ----------------------------------------------------------------------------------


def test_results_must_match_the_written_operands() -> None:
    def forgets(s: State, dst: Bits) -> None:
        pass

    def narrow(s: State, dst: Bits) -> Bits:
        return dst.zext(16)

    with pytest.raises(TypeError, match="0 results for 1 written"):
        handler(forgets, "rv:rw")
    with pytest.raises(TypeError, match="16 bits for an operand of 32"):
        handler(narrow, "rv:rw")


def test_a_traced_condition_has_no_truth() -> None:
    def conditional(s: State, dst: Bits) -> Bits:
        return dst if dst == 0 else dst + 1

    with pytest.raises(TypeError, match="outside of a plain `if`"):
        handler(conditional, "rv:rw")

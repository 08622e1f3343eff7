"""From toy instruction sets to the generated tables: handlers, fusions, forms."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent, indent

import pytest

from blink.codegen import emit_forms, emit_handlers
from blink.codegen.emit_handlers import FormHandlers, Handlers
from blink.isa.bits import Bits
from blink.isa.spec import Form, Insn
from blink.isa.state import State

from .toy import toy


def add(s: State, dst: Bits, src: Bits) -> Bits:
    s.flags_add(dst, src)
    return dst + src


def cmp(s: State, a: Bits, b: Bits) -> None:
    s.flags_sub(a, b)


def body(text: str) -> str:
    return indent(dedent(text).strip(), "  ")


def built(*registry: Insn) -> tuple[Handlers, list[FormHandlers]]:
    """Handlers, and the forms of 64-bit mode."""
    handlers, forms = emit_handlers.build(list(registry))
    return handlers, [f for f in forms if f.mode == 64]


PUSH = Form("50+r", "ov", d64=True)


def add_insn(name: str = "TOY") -> Insn:
    return toy(add, Form("01 /r", "rmv:rw rv", lock=True), name=name)


# --- Handlers ----------------------------------------------------------------------------------


def test_a_form_has_a_handler_for_each_size_and_kind() -> None:
    handlers, (form,) = built(add_insn())
    assert handlers.names == [
        "undefined", "toy_16r_1", "toy_16m_2", "toy_32r_3", "toy_32m_4", "toy_64r_5", "toy_64m_6",
        "toy_16lock_7", "toy_32lock_8", "toy_64lock_9",
    ]  # fmt: skip
    assert form.plain == [[1, 2], [3, 4], [5, 6]]
    assert form.locked == [7, 8, 9]
    assert "WR32(p" in handlers.bodies[4] and "CAS32(p" in handlers.bodies[8]


def test_equal_bodies_share_a_handler() -> None:
    """Register forms whichever way they are encoded, and one size for all operand sizes."""
    other = toy(add, Form("03 /r", "rv:rw rmv"), name="OTHER")
    handlers, (first, second) = built(add_insn(), other)
    assert [r for r, _ in first.plain] == [r for r, _ in second.plain]
    assert not {m for _, m in first.plain} & {m for _, m in second.plain}
    handlers, (byte,) = built(toy(add, Form("00 /r", "rm8:rw r8")))
    assert byte.plain == [[1, 2]] * 3 and len(handlers.names) == 3


def test_xchg_locks_without_a_prefix() -> None:
    form = Form("87 /r", "rmv:rw rv", lock=True, always_lock=True)
    handlers, (exchange,) = built(toy(lambda s, a, b: b, form))
    assert "CAS32(p" in handlers.bodies[exchange.plain[1][1]]
    assert [m for _, m in exchange.plain] == exchange.locked


def test_forms_of_other_modes_have_none() -> None:
    handlers, forms = built(toy(lambda s: None, Form("REX.W 06", modes=(16, 32))))
    assert not forms and handlers.names == ["undefined"]


def test_most_handlers_serve_all_modes() -> None:
    """Only what asks for the mode has handlers of its own: here the stack."""
    handlers, forms = emit_handlers.build([add_insn(), toy(lambda s, a: s.push(a), PUSH)])
    wide, stack, narrow, narrow_stack = forms
    assert [f.mode for f in forms] == [64, 64, 32, 32]
    assert narrow.plain[:2] == wide.plain[:2]
    assert not {r for r, _ in narrow_stack.plain[:2]} & {r for r, _ in stack.plain}
    assert "segment_address(c, " in handlers.bodies[narrow_stack.plain[0][0]]


def test_a_first_call_comes_before_the_operands() -> None:
    handlers, _ = built(toy(lambda s, a: None, Form("D8 /0", "m32"), before="x87_wait"))
    assert handlers.bodies[1] == body("""
        c->cur = r;
        const u64 t1 = EA(r);
        x87_wait(c);
        const u32 t2 = LOAD32(c, t1);
        NEXT(r);
    """)


def test_shards_hold_every_handler_once() -> None:
    handlers, _ = built(add_insn())
    shards = [emit_handlers.scalar(handlers, part, 3) for part in range(3)]
    for signature, text in zip(handlers.signatures(), handlers.bodies[1:], strict=True):
        assert sum(f"\n{signature} {{\n{text}\n}}\n" in shard for shard in shards) == 1
    table = emit_handlers.table(handlers)
    assert table.endswith(
        "Handler *const H(handlers)[] = {\n  undefined_handler,\n"
        + "".join(
            f"  {'H' if memory else 'COMMON'}({name}),\n"
            for name, memory in list(zip(handlers.names, handlers.memory, strict=True))[1:]
        )
        + "};\n"
    )


def test_what_accesses_no_memory_is_compiled_once() -> None:
    handlers, _ = built(add_insn())
    by_mode = dict(zip(handlers.names, handlers.memory, strict=True))
    assert not by_mode["toy_32r_3"] and by_mode["toy_32m_4"] and by_mode["toy_32lock_8"]
    both, once = emit_handlers.scalar(handlers, 0, 1).split("#if !BLINK_PAGED")
    assert "HANDLER(toy_32m_4)" in both and "COMMON_HANDLER(toy_32r_3)" in once


def test_vectors_have_files_of_their_own() -> None:
    """The others need less of the compiler's work."""
    mixed = [
        toy(lambda s, a, b: a ^ b, Form("NP 0F 57 /r", "xmm:rw xm128")),
        toy(lambda s, a, b: s.fp("f32_to_s32", 32, b), Form("F3 0F 2C /r", "r32:w xm32")),
    ]
    handlers, _ = emit_handlers.build([add_insn(), *mixed])
    scalar, vectors = emit_handlers.scalar(handlers, 0, 1), emit_handlers.vectors(handlers, 0, 1)
    assert "toy_32r_3)" in scalar and "toy_32r_3)" not in vectors
    assert "v_xor" in vectors and "f32_to_s32" in vectors
    assert "v_xor" not in scalar and "f32_to_s32" not in scalar


# --- Fusion ------------------------------------------------------------------------------------


def find(handlers: Handlers, prefix: str) -> str:
    """The body of the one handler with this name, but for its number."""
    (found,) = [
        text
        for name, text in zip(handlers.names, handlers.bodies, strict=True)
        if name.rpartition("_")[0] == prefix
    ]
    return found


def compare_insn() -> Insn:
    return toy(cmp, Form("39 /r", "rmv rv"), name="CMP")


def test_a_compare_with_its_branch() -> None:
    handlers, (form,) = built(compare_insn())
    assert find(handlers, "cmp_32r_jb") == body("""
        const u32 t1 = REG32(r->a);
        const u32 t2 = REG32(r->b);
        const u8 t3 = t1 < t2;
        c->cc_a = (u64)(s64)(s32)t1;
        c->cc_b = (u64)(s64)(s32)t2;
        c->cc_op = CC_SUB32;
        if (t3) BRANCH((r + 1), (r + 1)->link);
        BRANCH((r + 1), (r + 1)->link2);
    """)
    row = handlers.fusion.pairs[form.plain[1][0]]
    assert handlers.names[row[2]].startswith("cmp_32r_jb_") and row[0] == 0


def test_three_in_one() -> None:
    """The leader's flags are dropped: the compare overwrites them, and cannot fault."""
    handlers, (leader, _) = built(add_insn("ADD"), compare_insn())
    assert find(handlers, "add_64r_cmp_64r_je") == body("""
        {
        const u64 t1 = REG64(r->a);
        const u64 t2 = REG64(r->b);
        const u64 t3 = (u64)(t1 + t2);
        REG64(r->a) = t3;
        }
        const u64 t1 = REG64((r + 1)->a);
        const u64 t2 = REG64((r + 1)->b);
        const u8 t3 = t1 == t2;
        c->cc_a = t1;
        c->cc_b = t2;
        c->cc_op = CC_SUB64;
        if (t3) BRANCH(((r + 1) + 1), ((r + 1) + 1)->link);
        BRANCH(((r + 1) + 1), ((r + 1) + 1)->link2);
    """)
    assert leader.plain[2][0] in handlers.fusion.led


def test_two_in_one() -> None:
    """The flags of the first are dropped: the second overwrites them."""
    handlers, (form,) = built(add_insn("ADD"))
    first = form.plain[2][0]
    assert handlers.couples.made.keys() == {form.plain[1][0], first}
    assert find(handlers, "add_64r_add_64r") == body("""
        {
        const u64 t1 = REG64(r->a);
        const u64 t2 = REG64(r->b);
        const u64 t3 = (u64)(t1 + t2);
        REG64(r->a) = t3;
        }
        const u64 t1 = REG64((r + 1)->a);
        const u64 t2 = REG64((r + 1)->b);
        const u64 t3 = (u64)(t1 + t2);
        REG64((r + 1)->a) = t3;
        c->cc_a = t1;
        c->cc_b = t2;
        c->cc_op = CC_ADD64;
        NEXT((r + 1));
    """)
    signatures = handlers.signatures()[handlers.single - 1 :]
    assert len(signatures) == 4
    assert all(f"\n{s} {{" in emit_handlers.couples(handlers) for s in signatures)


def test_couples_that_do_not_pay_are_not_made() -> None:
    other = toy(lambda s, a, b: a ^ b, Form("31 /r", "rmv:rw rv"), name="XOR")
    handlers, forms = built(add_insn("ADD"), other)
    add_, xor = (form.plain[2][0] for form in forms)
    made = handlers.couples.made
    assert made[add_][add_] and made[add_][xor] and made[xor][add_]
    assert made[xor][xor] == 0


def test_what_is_not_fused() -> None:
    handlers, (leader, compare) = built(add_insn("ADD"), compare_insn())
    fusion = handlers.fusion
    assert not set(leader.locked) & (fusion.pairs.keys() | fusion.led.keys())
    assert leader.plain[0][0] not in fusion.led and leader.plain[1][1] not in fusion.led
    memory = {number for number in fusion.pairs[compare.plain[1][1]] if number}
    assert memory and not memory & fusion.tails.keys()


def test_triples_need_both_parts() -> None:
    assert not built(compare_insn())[0].fusion.led
    assert not built(toy(add, Form("01 /r", "rmv:rw rv"), name="ADC"))[0].fusion.pairs


# --- Forms -------------------------------------------------------------------------------------


def rows(*registry: Insn) -> list[str]:
    """The rows of form_table, of 64-bit mode."""
    text = emit_forms.source(*built(*registry))
    table = text[text.index("form_table[] = {\n") :]
    return table[table.index("\n") + 1 : table.index("};\n")].splitlines()


def test_flags_share_no_bit() -> None:
    text = Path(emit_forms.__file__).parents[1].joinpath("engine", "forms.h").read_text()
    bits = re.findall(r"FORM_\w+ = 1 << (\d+)", text)
    assert len(bits) > 20
    assert bits == [str(n) for n in range(len(bits))]


def test_a_row() -> None:
    assert rows(toy(lambda s, a, b: b, Form("66 0F 6F /r", "xmm:w xm128")))[0] == (
        "  {1, 255, 255, 0, 0, MOD_ANY, 4, 0, FIELD_INDEX, FIELD_INDEX, FIELD_NONE, 255,"
        " 0, 0, FORM_COPY, {16, 16, 16}, {{1, 2}, {1, 2}, {1, 2}}, {0, 0, 0}, 0},"
        " /* TOY: 66 0F 6F /r */"
    )


@pytest.mark.parametrize(
    ("form", "fields"),
    [
        (Form("00 /r", "rm8 r8"), "FIELD_GPR8, FIELD_GPR8, FIELD_NONE"),
        (Form("01 /r", "rmv rv"), "FIELD_GPR, FIELD_GPR, FIELD_NONE"),
        (Form("0F B6 /r", "rv rm8"), "FIELD_GPR, FIELD_GPR8, FIELD_NONE"),
        (Form("0F 6F /r", "mm mm64"), "FIELD_LOW3, FIELD_LOW3, FIELD_NONE"),
        (Form("50+r", "ov"), "FIELD_NONE, FIELD_GPR, FIELD_NONE"),
        (Form("8E /r", "sreg rm16"), "FIELD_LOW3, FIELD_GPR, FIELD_NONE"),
        (Form("VEX.LZ.0F38.W0 F2 /r", "ry By rmy"), "FIELD_GPR, FIELD_GPR, FIELD_GPR"),
        (Form("90"), "FIELD_NONE, FIELD_NONE, FIELD_NONE"),
    ],
)
def test_where_registers_come_from(form: Form, fields: str) -> None:
    (row,) = rows(toy(lambda s, *operands: None, form))
    assert f", {fields}, 255, " in row


def test_masks_modes_and_address_sizes() -> None:
    (row,) = rows(toy(lambda s: None, Form("D9 E1", modes=(64,))))
    assert row.startswith("  {255, 255, 255, 255, 225, MOD_REG, 4, 0, ")
    (row,) = rows(toy(lambda s, t: s.jump(t), Form("E3", "rel8", asize=32)))
    assert row.startswith("  {255, 255, 255, 0, 0, MOD_ANY, 4, 4, ")


def flags_of(insn: Insn) -> set[str]:
    (row,) = rows(insn)
    return {word.strip(",|") for word in row.split() if word.startswith("FORM_")} - {"FORM_COPY"}


def test_flags_follow_from_the_trace() -> None:
    def again(s: State) -> None:
        s.again(s.call("rep_movs8", s.string_base, w=8) != 0)

    assert flags_of(toy(lambda s, t: s.jump(t), Form("E9", "relz"))) == {"FORM_END", "FORM_LINK"}
    assert flags_of(toy(lambda s, t: s.jump(t), Form("FF /4", "rm64"))) == {"FORM_END"}
    assert flags_of(toy(lambda s, t: s.branch(s.cond(4), t), Form("74", "rel8"))) == {
        "FORM_END", "FORM_TWO_LINKS",
    }  # fmt: skip
    assert flags_of(toy(again, Form("F3 A4"))) == {
        "FORM_END", "FORM_TWO_LINKS", "FORM_AGAIN", "FORM_STRING", "FORM_STORE",
    }  # fmt: skip
    assert flags_of(toy(lambda s: s.stop("HALT"), Form("F4"))) >= {"FORM_END"}
    assert flags_of(toy(lambda s: s.push(s.next_ip), Form("0F 04"))) == {
        "FORM_NEXT_IP", "FORM_STACK", "FORM_STORE",
    }  # fmt: skip
    assert flags_of(toy(lambda s, a: a, Form("FF /0", "rm64:rw"))) == {
        "FORM_UPDATE", "FORM_STORE_RM",
    }  # fmt: skip
    assert flags_of(toy(lambda s, a: None, Form("D8 C0+i", "sti"))) == {"FORM_ST"}
    assert flags_of(toy(lambda s, a: None, Form("50+r", "ov"))) == {"FORM_OREG"}


def test_candidates_are_found_by_opcode() -> None:
    text = emit_forms.source(
        *built(
            toy(lambda s, a: None, Form("0F 18 /1", "mem"), Form("66 0F 18 /1", "mem")),
            toy(lambda s: None, Form("0F 05")),
        )
    )
    assert "const u16 form_candidates[] = {1, 0, 2};" in text  # with 66 first
    cells = re.findall(r"{(\d+), (\d+)}", text[text.index("form_index[2][3][8][256]") :])
    assert len(cells) >= 3 * 8 * 256
    found = {n: cell for n, cell in enumerate(cells[: 3 * 8 * 256]) if cell[1] != "0"}
    assert found == {256 + 0x18: ("0", "2"), 256 + 0x05: ("2", "1")}  # map 1 of legacy encodings
    assert "const u32 form_count = 3;" in text


def test_overlapping_forms_are_refused() -> None:
    first, second = toy(add, Form("01 /r", "rmv:rw rv")), toy(add, Form("01 /r", "rmv:rw rv"))
    with pytest.raises(ValueError, match="overlap"):
        emit_forms.source(*built(first, second))

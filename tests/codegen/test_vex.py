"""VEX forms: what is cleared, halves, memory operands that a record of their own loads."""

from __future__ import annotations

from blink.codegen import emit_forms
from blink.codegen.cprint import HandlerPrinter
from blink.codegen.emit_handlers import Handlers, build_form
from blink.codegen.trace import trace
from blink.isa import families
from blink.isa.binding import Variant
from blink.isa.bits import Bits
from blink.isa.families._vex import in_halves, three_operands, widened
from blink.isa.spec import REGISTRY, Form
from blink.isa.state import State

from .toy import toy


def add(s: State, dst: Bits, a: Bits, b: Bits) -> Bits:
    return s.fp("v_f32_add", 128, a, b)


def lines(form: Form, mem: bool = False) -> list[str]:
    return HandlerPrinter(trace(form, Variant(32, mem))).body()


def short() -> Form:
    form = Form("VEX.128.0F.WIG 58 /r", "xmm:w vx xm128u")
    toy(add, form)
    return form


def wide() -> Form:
    form = Form("VEX.256.0F.WIG 58 /r", "ymm:w vy ym256u")
    toy(add, form).body = in_halves(add)
    return form


def test_128_bits_clear_the_upper_half() -> None:
    assert lines(short())[-4:] == [
        "const V128 t3 = v_f32_add(t2, t1);",
        "XMM(r->a) = t3;",
        "YMMH(r->a) = V_CONST(0x0ull, 0x0ull);",
        "NEXT(r);",
    ]


def test_legacy_forms_keep_it() -> None:
    form = Form("NP 0F 58 /r", "xmm:rw xm128")
    toy(lambda s, a, b: s.fp("v_f32_add", 128, a, b), form)
    assert not any("YMMH" in line for line in lines(form))


def test_both_halves_are_one_operation() -> None:
    text = lines(wide())
    (operation,) = [line for line in text if "y_f32_add" in line]
    assert operation.startswith("const V256 ") and operation.count(",") == 3
    assert [line.partition(" ")[0] for line in text[-3:]] == ["XMM(r->a)", "YMMH(r->a)", "NEXT(r);"]


def test_memory_is_loaded_by_a_record_of_its_own() -> None:
    handlers = Handlers()
    made = build_form(handlers, wide())
    assert made.plain == [[1, 1]] * 3 and made.load == 2
    assert not handlers.memory[1] and handlers.memory[2]
    assert "LOAD128" in handlers.bodies[2] and "VEC_OPERAND" in handlers.bodies[2]
    assert emit_forms.row(made).rstrip().endswith("2}, /* TOY: VEX.256.0F.WIG 58 /r */")


def test_stores_are_not() -> None:
    form = Form("VEX.256.0F.WIG 11 /r", "ym256u:w ymm")
    toy(lambda s, dst, src: src, form)
    assert not form.loads_first
    assert any(line.startswith("STORE256(c, ") for line in lines(form, mem=True))


def test_operands_of_the_vex_form() -> None:
    cases = {
        ("66 0F FC /r", "xmm:rw xm128"): ("xmm:w vx xm128", True),
        ("66 0F 70 /r ib", "xmm:w xm128 imm8"): ("xmm:w xm128 imm8", False),
        ("66 0F 71 /2 ib", "X:rw imm8"): ("vx:w X imm8", True),
        ("F3 0F 11 /r", "X:rw xmm"): ("X:w vx xmm", True),
        ("66 0F 38 17 /r", "xmm xm128"): ("xmm xm128", False),
        ("66 0F D6 /r", "m64:w xmm"): ("m64:w xmm", False),
    }
    for (encoding, operands), wanted in cases.items():
        assert three_operands(Form(encoding, operands), False) == wanted
    assert three_operands(Form("NP 0F 51 /r", "xmm:rw xm128"), True) == ("xmm:w xm128", False)
    assert widened("xmm:w vx xm128u ix") == "ymm:w vy ym256u iy"


def test_each_vex_form_says_its_length() -> None:
    """128, 256, or ignored on purpose: no vector form has any length by accident."""
    families.load()
    forms = [form for insn in REGISTRY for form in insn.forms if form.vector]
    lengths = {form.encoding.split(".")[1] for form in forms}
    assert len(forms) > 600 and lengths == {"128", "256", "LIG"}

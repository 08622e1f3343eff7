"""`if` in instruction bodies: rewritten into guards, refused where a guard would not do."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent
from typing import Any

import pytest

from blink.isa.bits import Bits, ite
from blink.isa.rewrite import traceable
from blink.isa.state import State

from .toy import handler


def lines(text: str) -> list[str]:
    return dedent(text).strip().splitlines()


def test_commits_are_guarded() -> None:
    def body(s: State, a: Bits, b: Bits) -> None:
        if b != 0:
            s.set_gpr(0, a)
            s.set_xmm(1, s.xmm(2))
            s.set_special("mxcsr", b.zext(32))
            s.flags_logic(a)

    assert handler(body, "r64 rm64", size=64) == lines("""
        const u64 t1 = GPR64(0);
        const u64 t2 = REG64(r->a);
        const u64 t3 = REG64(r->b);
        const V128 t4 = XMM(1);
        const V128 t5 = XMM(2);
        const u32 t6 = c->mxcsr;
        const u8 t7 = t3 == 0x0ull;
        const u8 t8 = (u8)(t7 ^ 1u);
        const u64 t9 = t8 ? t2 : t1;
        const V128 t10 = t8 ? t5 : t4;
        const u32 t11 = (u32)t3;
        const u32 t12 = t8 ? t11 : t6;
        GPR64(0) = t9;
        XMM(1) = t10;
        c->mxcsr = t12;
        if (t8) {
        c->cc_a = t2;
        c->cc_b = 0x0ull;
        c->cc_op = CC_SUB64;
        }
        NEXT(r);
    """)


def test_a_guarded_write_of_32_bits_keeps_the_upper_half() -> None:
    def body(s: State, a: Bits) -> None:
        if a != 0:
            s.set_gpr(0, a)

    text = handler(body, "r32")
    assert text[0] == "const u64 t1 = GPR64(0);"
    assert text[-2:] == ["GPR64(0) = t6;", "NEXT(r);"]
    assert "const u64 t6 = t4 ? t5 : t1;" in text


def test_loads_stores_calls_and_faults_are_guarded() -> None:
    def body(s: State, a: Bits, b: Bits) -> None:
        if b != 0:
            s.set_gpr(0, s.load(a, 64))
            s.fault_if(a == 7, 13)
            s.call("body", a)
        else:
            s.store(a, b)

    assert handler(body, "r64 rm64", size=64) == lines("""
        c->cur = r;
        const u64 t1 = GPR64(0);
        const u64 t2 = REG64(r->a);
        const u64 t3 = REG64(r->b);
        const u8 t4 = t3 == 0x0ull;
        const u8 t5 = (u8)(t4 ^ 1u);
        u64 t6 = 0;
        if (t5) t6 = LOAD64(c, t2);
        const u8 t7 = t2 == 0x7ull;
        if (unlikely(t5 && t7)) FAULT(c, 13, 0);
        if (t5) body(c, t2);
        const u8 t8 = (u8)(t5 ^ 1u);
        if (t8) STORE64(c, t2, t3);
        const u64 t9 = t5 ? t6 : t1;
        GPR64(0) = t9;
        NEXT(r);
    """)


def test_a_guarded_vector_load_is_zero_elsewhere() -> None:
    def body(s: State, a: Bits) -> None:
        if a != 0:
            s.set_xmm(0, s.load(a, 128))

    assert "V128 t5 = V_CONST(0, 0);" in handler(body, "r64", size=64)


def test_conditions_nest() -> None:
    def body(s: State, a: Bits, b: Bits, d: Bits) -> None:
        if a == 1:
            if b == 2:
                s.call("both")
            else:
                s.call("only_a")
            s.call("a")
        elif d == 3:
            s.call("not_a")
        s.call("always")

    assert handler(body, "r64 rm64 imm64", size=64)[4:] == lines("""
        const u8 t4 = t2 == 0x1ull;
        const u8 t5 = t3 == 0x2ull;
        const u8 t6 = (u8)(t4 & t5);
        if (t6) both(c);
        const u8 t7 = (u8)(t5 ^ 1u);
        const u8 t8 = (u8)(t4 & t7);
        if (t8) only_a(c);
        if (t4) a(c);
        const u8 t9 = (u8)(t4 ^ 1u);
        const u8 t10 = t1 == 0x3ull;
        const u8 t11 = (u8)(t9 & t10);
        if (t11) not_a(c);
        always(c);
        NEXT(r);
    """)


def test_flags_of_both_branches() -> None:
    def body(s: State, a: Bits, b: Bits) -> None:
        if a.bit(0):
            s.flags_add(a, b)
        else:
            s.flags_sub(a, b)

    text = handler(body, "r64 rm64", size=64)
    add, sub = text.index("c->cc_op = CC_ADD64;"), text.index("c->cc_op = CC_SUB64;")
    assert text[add + 1] == "}" and text[add + 2].startswith("if (") and add < sub


def test_a_known_condition_leaves_no_trace() -> None:
    def body(s: State, a: Bits) -> None:
        if s.size == 64:
            s.call("wide")
        else:
            s.call("narrow")
        if Bits.const(0, 1):
            s.call("never")
        else:
            s.call("always")

    assert handler(body, "rv", size=64)[-3:] == ["wide(c);", "always(c);", "NEXT(r);"]
    assert handler(body, "rv", size=32)[-3:] == ["narrow(c);", "always(c);", "NEXT(r);"]


def test_a_body_may_return_under_a_known_condition() -> None:
    def body(s: State, a: Bits) -> Bits:
        if s.size == 64:
            return a
        return a + 1

    assert handler(body, "rv:rw", size=64)[-2:] == ["REG64(r->a) = t1;", "NEXT(r);"]
    assert "const u32 t2 = (u32)(t1 + 1u);" in handler(body, "rv:rw", size=32)


def test_numbers_take_one_branch() -> None:
    """The same body, rewritten, on a state with known values."""

    class Numbers(State):
        def initial_flags(self) -> Any:
            return None

    @traceable
    def body(s: State, a: Bits, seen: list[str]) -> None:
        if a == 1:
            seen.append("one")
        elif a == 2:
            seen.append("two")
        else:
            seen.append("other")

    seen: list[str] = []
    for value in (1, 2, 3):
        body(Numbers(), Bits.const(value, 8), seen)
    assert seen == ["one", "two", "other"]


# --- What is refused ---------------------------------------------------------------------------


def used_after(s: State, a: Bits) -> Bits:
    result = a
    if a == 0:
        result = a + 1
    return result


def changed_after(s: State, a: Bits) -> Bits:
    if a == 0:
        a += 1
    return a


def item_used_after(s: State, a: Bits) -> Bits:
    parts = [a]
    if a == 0:
        parts[0] = a + 1
    return parts[0]


def used_in_else(s: State, a: Bits) -> None:
    value = a
    if a == 0:
        value = a + 1
    else:
        s.call("body", value)


def carried(s: State, a: Bits) -> None:
    value = a
    for i in range(4):
        s.call("body", value)
        if a.bit(i):
            value = a + 1


def counted(s: State, a: Bits) -> None:
    count = 0
    for i in range(4):
        if a.bit(i):
            count = count + 1
            s.call("body", count)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (used_after, "'result' is assigned inside an `if` and used after it"),
        (changed_after, "'a' is assigned inside an `if` and used after it"),
        (item_used_after, "'parts' is assigned inside an `if` and used after it"),
        (used_in_else, "'value' is assigned inside an `if` and used in its `else`"),
        (carried, "'value' is assigned inside an `if` and used by the loop's next turn"),
        (counted, "'count' is assigned inside an `if` and used by the loop's next turn"),
    ],
)
def test_locals_that_escape_their_condition(body: Callable[..., Any], why: str) -> None:
    with pytest.raises(SyntaxError, match=f"{body.__name__}: {why}"):
        traceable(body)


def breaks(s: State, a: Bits) -> None:
    for i in range(4):
        if a.bit(i):
            break


def continues(s: State, a: Bits) -> None:
    for i in range(4):
        if a.bit(i):
            s.call("body")
        else:
            continue


@pytest.mark.parametrize("body", [breaks, continues])
def test_loops_cannot_be_left_under_a_condition(body: Callable[..., Any]) -> None:
    with pytest.raises(SyntaxError, match="break or continue inside an `if`"):
        traceable(body)


def test_a_loop_inside_an_if_may_be_left() -> None:
    @traceable
    def body(s: State, a: Bits) -> None:
        if a == 0:
            for i in range(4):
                s.call("body", i)
                break

    assert [line for line in handler(body, "r64", size=64) if "body" in line] == [
        "if (t2) body(c, 0u);"
    ]


def test_locals_of_one_branch() -> None:
    @traceable
    def body(s: State, a: Bits) -> None:
        for i in range(2):
            if a.bit(i):
                value = a + i
                s.call("body", value)
            else:
                value = a - i
                s.call("body", value)

    assert sum("body(c," in line for line in handler(body, "r64", size=64)) == 4


def test_ite_is_the_way_out() -> None:
    def body(s: State, a: Bits) -> Bits:
        return ite(a == 0, a + 1, a)

    assert "const u64 t4 = t2 ? t3 : t1;" in handler(body, "r64:rw", size=64)


def test_return_under_a_traced_condition() -> None:
    def body(s: State, a: Bits) -> Bits:
        if a == 0:
            return a + 1
        return a

    with pytest.raises(SyntaxError, match="return under the traced condition"):
        handler(body, "r64:rw", size=64)


@pytest.mark.parametrize("how", ["jump", "branch", "stop", "again"])
def test_control_flow_under_a_traced_condition(how: str) -> None:
    def body(s: State, a: Bits) -> None:
        if a == 0:
            arguments = {"jump": [a], "branch": [a == 1, a], "stop": ["HALT"], "again": [a == 1]}
            getattr(s, how)(*arguments[how])

    with pytest.raises(SyntaxError, match="control flow inside a traced `if`"):
        handler(body, "r64", size=64)

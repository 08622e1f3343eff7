"""Typed definitions in, exact C rows out."""

from __future__ import annotations

import pytest

from blink.codegen import emit_syscalls
from blink.syscalls import _spec
from blink.syscalls._spec import Call
from engine.native_calls import CALLS

V = "{ARG_VALUE, LENGTH_CONST, 0, 0}"
FD = "{ARG_FD, LENGTH_CONST, 0, 0}"
ROWS = f"""\
  [0] = {{1, FILLS_ALL, 3, {{{FD}, {{ARG_OUT, LENGTH_ARG, 2, 1}}, {V}}}}}, /* read */
  [1] = {{1, FILLS_AS_TOLD, 3, {{{FD}, {{ARG_IN, LENGTH_ARG, 2, 1}}, {V}}}}}, /* write */
  [7] = {{1, FILLS_AS_TOLD, 3, {{{{ARG_OUT, LENGTH_ARG32, 1, 1}}, {V}, {V}}}}}, /* poll */
  [19] = {{1, FILLS_ALL, 3, {{{FD}, {{ARG_IOV_OUT, LENGTH_CONST, 2, 0}}, {V}}}}}, /* readv */
  [20] = {{1, FILLS_AS_TOLD, 3, {{{FD}, {{ARG_IOV_IN, LENGTH_CONST, 2, 0}}, {V}}}}}, /* writev */
  [21] = {{1, FILLS_AS_TOLD, 2, {{{{ARG_PATH, LENGTH_CONST, 0, 0}}, {V}}}}}, /* access */
  [22] = {{1, FILLS_AS_TOLD, 1, {{{{ARG_OUT, LENGTH_CONST, 0, 8}}}}}}, /* pipe */
  [33] = {{1, FILLS_AS_TOLD, 2, {{{FD}, {{ARG_NEW_FD, LENGTH_CONST, 0, 0}}}}}}, /* dup2 */
  [39] = {{1, FILLS_AS_TOLD, 0}}, /* getpid */
  [51] = {{1, FILLS_AS_TOLD, 3, {{{FD}, {{ARG_OUT, LENGTH_REF, 2, 0}}, {{ARG_OUT, LENGTH_CONST, 0, 4}}}}}}, /* getsockname */
  [72] = {{1, FILLS_AS_TOLD, 3, {{{FD}, {V}, {{ARG_BY, LENGTH_CONST, 1, 0}}}}, 2, variants_72}}, /* fcntl */
  [79] = {{2, FILLS_ALL, 2, {{{{ARG_OUT, LENGTH_ARG, 1, 1}}, {V}}}}}, /* getcwd */
  [270] = {{1, FILLS_AS_TOLD, 6, {{{V}, {{ARG_OUT, LENGTH_BITS, 0, 0}}, {{ARG_OUT, LENGTH_BITS, 0, 0}}, {{ARG_OUT, LENGTH_BITS, 0, 0}}, {{ARG_OUT, LENGTH_CONST, 0, 16}}, {{ARG_NULL, LENGTH_CONST, 0, 16}}}}}}, /* pselect6 */
  [271] = {{1, FILLS_AS_TOLD, 5, {{{{ARG_OUT, LENGTH_ARG32, 1, 1}}, {V}, {{ARG_OUT, LENGTH_CONST, 0, 16}}, {{ARG_SIGSET, LENGTH_CONST, 0, 8}}, {V}}}}}, /* ppoll */
"""  # noqa: E501


VARIANTS = f"""\
static const NativeVariant variants_72[] = {{
  {{0x1, {V}}},
  {{0x5, {{ARG_OUT, LENGTH_CONST, 0, 32}}}}}};
"""


def define(function: object, number: int = 1) -> Call:
    return Call(number, function, True, "full", "", "dec", None)  # type: ignore[arg-type]


def test_each_kind_of_argument() -> None:
    text = emit_syscalls.emit(call for call in reversed(CALLS) if call.name != "select")
    assert text.splitlines()[5:-1] == ROWS.splitlines()
    assert text.splitlines()[1:4] == VARIANTS.splitlines()


def test_pythons_calls_are_left_out() -> None:
    """Without any passthrough call the table is still an array."""
    text = emit_syscalls.emit(call for call in CALLS if not call.native)
    assert text.splitlines()[1:] == [
        "static const NativeCall native_calls[] = {",
        "  [0] = {0},",
        "};",
    ]


def two_arrays(a, b, n) -> None: ...  # type: ignore[no-untyped-def]
def seven(a, b, c, d, e, f, g) -> None: ...  # type: ignore[no-untyped-def]
def huge(a) -> None: ...  # type: ignore[no-untyped-def]


def test_what_the_native_path_cannot_do_is_refused() -> None:
    iov = _spec.In[_spec.Iov, "n"]
    two_arrays.__annotations__ = {"a": iov, "b": iov, "n": _spec.Size}
    seven.__annotations__ = dict.fromkeys("abcdefg", _spec.Int)
    huge.__annotations__ = {"a": _spec.In[_spec.Buffer, 1 << 32]}
    for function in (two_arrays, seven, huge):
        with pytest.raises(ValueError, match=function.__name__):
            emit_syscalls.emit([define(function)])


def test_all_real_definitions_have_a_native_form() -> None:
    calls = emit_syscalls.load()
    rows = [row for row in emit_syscalls.emit(calls).splitlines() if row.startswith("  [")]
    assert len(rows) == sum(call.native > 0 for call in calls) > 20

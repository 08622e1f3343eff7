"""Expressions about a stopped program: conditions of breakpoints, addresses, what to print.

The syntax is Python's; the names are the program's:

    rdi == 2 and u32(rsi + 8) > 100      registers (also $rdi), u8 u16 u32 u64, s8 .. s64, f32, f64
    [rsp + 8] == 0                       [a]: the 8 bytes at a, as in assembly language
    string(rdi) == b"quit"               the bytes up to NUL; bytes(a, n): n bytes
    u64(counter) & 1, sym("ns::f(int)")  a symbol's name is its address

A text is compiled once; what it may do is listed here, so a condition cannot change anything.
"""

from __future__ import annotations

import ast
import operator
import re
from struct import unpack

from blink.debugger.errors import DebugError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    class Scope(Protocol):
        """What an expression is about."""

        def register(self, name: str) -> int | None:
            """The value of a register; None when there is none of that name."""

        def read(self, address: int, length: int) -> bytes:
            """The bytes of memory there, fewer where it ends."""

        def symbol(self, name: str) -> int | None:
            """The address that a name stands for; None when it is not known."""

    Value = int | float | bytes | bool


_MASK = (1 << 64) - 1
_LONGEST_STRING = 4096
_LARGEST_SHIFT = 4096
_LOADS = {
    **{f"u{n}": f"<{code}" for n, code in ((8, "B"), (16, "H"), (32, "I"), (64, "Q"))},
    **{f"s{n}": f"<{code}" for n, code in ((8, "b"), (16, "h"), (32, "i"), (64, "q"))},
    "f32": "<f",
    "f64": "<d",
}
_SIZES = {"B": 1, "b": 1, "H": 2, "h": 2, "I": 4, "i": 4, "f": 4, "Q": 8, "q": 8, "d": 8}
_PLAIN: dict[str, Callable[..., Any]] = {"abs": abs, "min": min, "max": max, "len": len}


def _shift(left: int, by: int) -> int:
    if not 0 <= by <= _LARGEST_SHIFT:
        raise DebugError(f"a shift by {by}")
    return left << by


_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv, ast.Div: operator.truediv, ast.Mod: operator.mod,
    ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.BitXor: operator.xor,
    ast.LShift: _shift, ast.RShift: operator.rshift,
}  # fmt: skip
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Invert: operator.invert,
    ast.Not: operator.not_,
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip


class Expression:
    """A compiled text."""

    __slots__ = ("_tree", "text")

    def __init__(self, text: str, tree: ast.expr) -> None:
        self.text = text
        self._tree = tree

    def evaluate(self, scope: Scope) -> Value:
        """Its value.  Raises DebugError for unknown names, unreadable memory and the like."""
        try:
            value: Value = _Evaluation(scope).value(self._tree)
        except (TypeError, ValueError, ArithmeticError, RecursionError) as error:
            raise DebugError(f"{self.text}: {error}") from None
        return value

    def address(self, scope: Scope) -> int:
        """Its value as an address.  Raises DebugError when it is no integer."""
        value = self.evaluate(scope)
        if not isinstance(value, int):
            raise DebugError(f"{self.text} is no address but {value!r}")
        return value & _MASK


def compile(text: str) -> Expression:
    """Reads an expression.  Raises DebugError where it makes no sense."""
    plain = re.sub(r"[$%](?=[a-z])", "", text.strip())
    try:
        tree = ast.parse(plain, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise DebugError(f"{text!r} is no expression") from None
    for node in ast.walk(tree):
        if not isinstance(node, _ALLOWED):
            raise DebugError(f"{text!r}: {type(node).__name__.lower()} has no meaning here")
    return Expression(text, tree)


_ALLOWED = (
    ast.Name, ast.Load, ast.Constant, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Call,
    ast.List, ast.IfExp, ast.And, ast.Or, *_BINARY, *_UNARY, *_COMPARE,
)  # fmt: skip


class _Evaluation:
    """One evaluation; a method a kind of node."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def value(self, node: ast.expr) -> Any:
        return getattr(self, "_" + type(node).__name__.lower())(node)

    def _constant(self, node: ast.Constant) -> Any:
        if isinstance(node.value, str):
            return node.value.encode()
        if isinstance(node.value, (int, float, bytes)):
            return node.value
        raise DebugError(f"{node.value!r} has no meaning here")

    def _name(self, node: ast.Name) -> int:
        value = self._scope.register(node.id)
        value = self._scope.symbol(node.id) if value is None else value
        if value is None:
            raise DebugError(f"no register or symbol is called {node.id}")
        return value

    def _binop(self, node: ast.BinOp) -> Any:
        return _BINARY[type(node.op)](self.value(node.left), self.value(node.right))

    def _unaryop(self, node: ast.UnaryOp) -> Any:
        return _UNARY[type(node.op)](self.value(node.operand))

    def _boolop(self, node: ast.BoolOp) -> Any:
        wanted = isinstance(node.op, ast.Or)
        value: Any = not wanted
        for part in node.values:
            value = self.value(part)
            if bool(value) is wanted:
                break
        return value

    def _compare(self, node: ast.Compare) -> bool:
        left = self.value(node.left)
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            right = self.value(right_node)
            if not _COMPARE[type(op)](left, right):
                return False
            left = right
        return True

    def _ifexp(self, node: ast.IfExp) -> Any:
        return self.value(node.body if self.value(node.test) else node.orelse)

    def _list(self, node: ast.List) -> int:
        if len(node.elts) != 1:
            raise DebugError("[address] takes one address")
        return int.from_bytes(self._bytes(self.value(node.elts[0]), 8), "little")

    def _call(self, node: ast.Call) -> Any:
        if not isinstance(node.func, ast.Name) or node.keywords:
            raise DebugError("only the functions of the debugger can be called")
        name, arguments = node.func.id, [self.value(argument) for argument in node.args]
        if name in _LOADS and len(arguments) == 1:
            return unpack(_LOADS[name], self._bytes(arguments[0], _SIZES[_LOADS[name][1]]))[0]
        if name in _PLAIN:
            return _PLAIN[name](*arguments)
        if name == "sym" and len(arguments) == 1:
            return self._symbol(arguments[0].decode())
        if name == "string" and len(arguments) == 1:
            return self._scope.read(arguments[0] & _MASK, _LONGEST_STRING).partition(b"\0")[0]
        if name == "bytes" and len(arguments) == 2:
            return self._bytes(*arguments)
        raise DebugError(f"there is no function {name} of {len(arguments)} values")

    def _symbol(self, name: str) -> int:
        value = self._scope.symbol(name)
        if value is None:
            raise DebugError(f"no symbol is called {name}")
        return value

    def _bytes(self, address: int, length: int) -> bytes:
        data = self._scope.read(address & _MASK, length)
        if len(data) < length:
            raise DebugError(f"no {length} bytes can be read at {address & _MASK:#x}")
        return data
